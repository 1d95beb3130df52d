//! Which script is used where: names of extensions as a bundle writes them, and the list for whoever compiles them.

use super::{files::check_path, packed::is_plugin, reader::Node, scalars, suggest::did_you_mean};
use crate::domain::{ExtensionRef, RuleType, RuleValue, TenantManifest};

/// The extension point that a script serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScriptPoint {
    Detector,
    Fill,
    Targeting,
    Sink,
}

impl ScriptPoint {
    /// The folder of the scripts that we ship for this point.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Detector => "detect",
            Self::Fill => "fill",
            Self::Targeting => "targeting",
            Self::Sink => "sink",
        }
    }

    /// Plain words that stand for shipped scripts at this point.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Detector => &["scte35", "static", "hybrid"],
            Self::Fill => &["strict", "best_effort"],
            Self::Targeting | Self::Sink => &[],
        }
    }

    pub(super) fn expected(self) -> String {
        let folder = self.folder();
        let words: String = self.words().iter().map(|word| format!("{word}, ")).collect();
        format!("{words}`shipped:{folder}/…` or the path of a .rhai or .wasm file in this folder")
    }

    /// Reads `hybrid`, `shipped:webhook`, `shipped:sink/webhook` or `rules/kids.rhai`; a file must be in the bundle.
    pub(super) fn reference(self, node: &Node<'_>) -> Option<ExtensionRef> {
        let text = scalars::text(node)?;
        if self.words().contains(&text.as_str()) {
            return Some(ExtensionRef::Shipped(format!("{}/{text}", self.folder())));
        }
        if let Some(name) = text.strip_prefix("shipped:") {
            return self.shipped(node, name);
        }
        if !text.ends_with(".rhai") && !is_plugin(&text) {
            let meant = did_you_mean(&text, self.words().iter().copied());
            return node.error(format!("`{text}` is not an extension{meant}"), self.expected());
        }
        let path = text.strip_prefix("./").unwrap_or(&text);
        if let Err(message) = check_path(path) {
            return node.error(message, "a path inside this folder, such as rules/kids.rhai");
        }
        let files = node.context().files;
        if files.has(path) {
            return Some(ExtensionRef::File(path.to_owned()));
        }
        let scripts = files.files.keys().map(String::as_str).filter(|path| path.ends_with(".rhai") || is_plugin(path));
        let meant = did_you_mean(path, scripts);
        node.error(format!("there is no file `{path}` in the bundle{meant}"), self.expected())
    }

    /// As [`reference`](Self::reference) reads it, in its shortest spelling.
    pub(super) fn written(self, source: &ExtensionRef) -> String {
        let ExtensionRef::Shipped(name) = source else { return source.to_string() };
        match name.strip_prefix(self.folder()).and_then(|rest| rest.strip_prefix('/')) {
            Some(word) if self.words().contains(&word) => word.to_owned(),
            Some(short) => format!("shipped:{short}"),
            None => source.to_string(),
        }
    }

    fn shipped(self, node: &Node<'_>, name: &str) -> Option<ExtensionRef> {
        let folder = self.folder();
        let (given, short) = name.split_once('/').unwrap_or((folder, name));
        if given != folder {
            let message = format!("`{given}/` holds no scripts for this point");
            return node.error(message, format!("`shipped:{folder}/…`"));
        }
        let well_formed =
            !short.is_empty() && short.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !well_formed {
            return node.error(format!("`shipped:{name}` names no script"), format!("`shipped:{folder}/…`"));
        }
        Some(ExtensionRef::Shipped(format!("{folder}/{short}")))
    }
}

/// One place where a bundle uses a script.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptUse {
    pub point: ScriptPoint,
    pub source: ExtensionRef,
    /// Where `tenant.yaml` names it: `extensions.targeting[0].use`.
    pub field: String,
}

/// Every use of a script, in the order of the bundle. The defaults of a channel are among them.
pub fn script_uses(manifest: &TenantManifest) -> Vec<ScriptUse> {
    let mut uses = Vec::new();
    let mut add = |point, source: &ExtensionRef, field| uses.push(ScriptUse { point, source: source.clone(), field });
    for (at, channel) in manifest.channels.iter().enumerate() {
        add(ScriptPoint::Detector, &channel.detector, format!("channels[{at}].ad_break_strategy"));
        add(ScriptPoint::Fill, &channel.fill, format!("channels[{at}].fill_strategy"));
    }
    for (at, ad) in manifest.ads.iter().enumerate() {
        for (rule_at, rule) in ad.rules.iter().enumerate() {
            if let (RuleType::Script, RuleValue::One(name)) = (rule.kind, &rule.value) {
                add(ScriptPoint::Targeting, &extension_ref(name), format!("ads[{at}].rules[{rule_at}].value"));
            }
        }
    }
    for (at, mounted) in manifest.targeting.iter().enumerate() {
        add(ScriptPoint::Targeting, &mounted.source, format!("extensions.targeting[{at}].use"));
    }
    for (at, mounted) in manifest.sinks.iter().enumerate() {
        add(ScriptPoint::Sink, &mounted.source, format!("extensions.sinks[{at}].use"));
    }
    uses
}

/// An extension by the name that `ExtensionRef` prints: what rules and trials hold.
pub fn extension_ref(name: &str) -> ExtensionRef {
    match name.strip_prefix("shipped:") {
        Some(shipped) => ExtensionRef::Shipped(shipped.to_owned()),
        None => ExtensionRef::File(name.to_owned()),
    }
}
