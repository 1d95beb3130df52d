//! From a script's text or a plugin to something that can be asked: compile, check, try it, wrap it. The ending says
//! which of the two it is; nobody else needs to know.
//!
//! Everything here blocks for as long as compiling and one call take (a script well under 5 ms, a plugin that is new here
//! seconds): call it off the async threads.
//! What serves is the caller's affair: activation and rollback. Kept is only what was found out about plugins
//! ([`super::verified`]), so that a change of a tenant costs nothing for those that it does not touch.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    BreakDetector, ExtensionError, FillStrategy, Guarded, Monotonic, TargetingRule, TrackingSink,
    call::Label,
    exposition,
    lane::{Lane, Lanes},
    logs::Line,
    quota::Allowance,
    rhai::{Host, Script},
    said, shipped,
    verified::{Checked, Plugins},
    wasm::{self, Plugin, signature::PublicKey, v1},
    watch::{Insight, Watch},
};
use crate::{
    bundle::{is_plugin, packed_digest},
    domain::{ExtensionRef, Text},
};

/// Which of the four points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    Detect,
    Targeting,
    Fill,
    Sink,
}

impl Point {
    pub const ALL: [Self; 4] = [Self::Detect, Self::Targeting, Self::Fill, Self::Sink];

    /// Also the folder of the shipped rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Targeting => "targeting",
            Self::Fill => "fill",
            Self::Sink => "sink",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Point {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|point| point.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown point `{text}`: expected one of {known}")
        })
    }
}

/// A script or a packed plugin before it is compiled.
#[derive(Clone, Copy, Debug)]
pub struct ScriptSource<'a> {
    /// The path shown in errors, as its author knows it.
    pub name: &'a str,
    pub text: &'a str,
}

impl ScriptSource<'_> {
    /// What the extension is, not where it lies: the start of the SHA-256 of a script's text or a plugin's bytes.
    pub fn version(&self) -> String {
        if let Some(digest) = self.is_plugin().then(|| packed_digest(self.text)).flatten() {
            return digest.chars().take(2 * VERSION_BYTES).collect();
        }
        let digest = Sha256::digest(self.text.as_bytes());
        digest.iter().take(VERSION_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same of a text that is not at hand, by how it begins and its SHA-256 in hexadecimal digits. A plugin's first line is
    /// enough.
    pub fn version_by(name: &str, head: &str, sha256: Option<&str>) -> Option<String> {
        let packed = is_plugin(name).then(|| packed_digest(head)).flatten();
        Some(packed.or(sha256)?.chars().take(2 * VERSION_BYTES).collect())
    }

    /// Whether it is a plugin, by the ending of its name.
    pub fn is_plugin(&self) -> bool {
        is_plugin(self.name)
    }
}

/// 12 hex digits tell a tenant's versions apart and still fit into a log line.
const VERSION_BYTES: usize = 6;

/// An extension that is ready to be asked.
pub struct Loaded<T: ?Sized> {
    /// As written in the bundle: `shipped:detect/scte35`, `rules/kids.rhai`.
    pub name: String,
    /// Changes when the script's text does.
    pub version: String,
    pub extension: Arc<Guarded<T>>,
}

/// A script that passed its trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub point: Point,
    pub version: String,
}

impl<T: ?Sized> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), version: self.version.clone(), extension: Arc::clone(&self.extension) }
    }
}

impl<T: ?Sized> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// Loads extensions. Holds the engines that all of them share; cheap to clone.
#[derive(Clone)]
pub struct Extensions {
    host: Arc<Host>,
    plugins: Arc<Plugins>,
    watch: Arc<Watch>,
    lanes: Arc<Lanes>,
    clock: Monotonic,
    trial_config: Arc<Value>,
    /// Whose plugins count; everybody's where there are none.
    plugin_keys: Arc<[PublicKey]>,
}

impl Extensions {
    /// `clock` times breakers and metrics: [`super::monotonic()`], or a test's own. No tenant has a quota: a month of
    /// decisions that is decided again needs more processor time than any server allows.
    ///
    /// Fails only if a shipped rule does not compile, or the system gives nothing to run extensions on.
    pub fn new(clock: Monotonic) -> Result<Self, ExtensionError> {
        let (host, plugins) = (Arc::new(Host::new()?), Arc::new(Plugins::new(None)));
        let watch = Arc::new(Watch::new(None, &clock));
        let lanes = Lanes::new().map_err(|error| ExtensionError::Panic {
            path: "extensions".to_owned(),
            message: format!("there is nothing to run them on: {error}"),
        })?;
        let (trial_config, plugin_keys) = (Arc::new(Value::Null), Arc::default());
        Ok(Self { host, plugins, watch, lanes: Arc::new(lanes), clock, trial_config, plugin_keys })
    }

    /// The same, but compiled plugins are kept in a folder.
    #[must_use]
    pub fn keeping(self, artefacts: wasm::Artefacts) -> Self {
        Self { plugins: Arc::new(Plugins::new(Some(artefacts))), ..self }
    }

    /// The same, but each tenant's extensions may use so much together.
    #[must_use]
    pub fn allowing(self, allowance: Allowance) -> Self {
        Self { watch: Arc::new(Watch::new(Some(allowance), &self.clock)), ..self }
    }

    /// The same, but trial calls get this configuration: the one that the extension is mounted with, so that a script
    /// may rely on it.
    pub fn trying_with(&self, config: &Value) -> Self {
        Self { trial_config: Arc::new(config.clone()), ..self.clone() }
    }

    /// The same, but plugins have to be signed by one of these keys, if there are any.
    ///
    /// # Errors
    /// If one of them is no key.
    pub fn trusting(&self, keys: &[String]) -> Result<Self, String> {
        let plugin_keys = keys.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
        Ok(Self { plugin_keys, ..self.clone() })
    }

    pub fn load_detector(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, Text>,
        tenant: &str,
    ) -> Result<Loaded<dyn BreakDetector>, ExtensionError> {
        let of_plugin = |plugin| Ok(Box::new(v1::Detector::new(plugin)?) as _);
        self.load(wanted, scripts, tenant, Point::Detect, |script| Box::new(script.detector()) as _, of_plugin)
    }

    pub fn load_targeting(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, Text>,
        tenant: &str,
    ) -> Result<Loaded<dyn TargetingRule>, ExtensionError> {
        let of_plugin = |plugin| Ok(Box::new(v1::Targeting::new(plugin)?) as _);
        self.load(wanted, scripts, tenant, Point::Targeting, |script| Box::new(script.targeting()) as _, of_plugin)
    }

    pub fn load_fill(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, Text>,
        tenant: &str,
    ) -> Result<Loaded<dyn FillStrategy>, ExtensionError> {
        let of_plugin = |plugin| Ok(Box::new(v1::Fill::new(plugin)?) as _);
        self.load(wanted, scripts, tenant, Point::Fill, |script| Box::new(script.fill()) as _, of_plugin)
    }

    pub fn load_sink(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, Text>,
        tenant: &str,
    ) -> Result<Loaded<dyn TrackingSink>, ExtensionError> {
        let of_plugin = |plugin| Ok(Box::new(v1::Sink::new(plugin)?) as _);
        self.load(wanted, scripts, tenant, Point::Sink, |script| Box::new(script.sink()) as _, of_plugin)
    }

    /// Compiles an extension and calls it once, for the point that is named or that it is made for. Nothing is kept.
    pub fn try_script(&self, source: ScriptSource<'_>, point: Option<Point>) -> Result<Tried, ExtensionError> {
        self.tried(source, point).map_err(said::error)
    }

    fn tried(&self, source: ScriptSource<'_>, point: Option<Point>) -> Result<Tried, ExtensionError> {
        if source.is_plugin() {
            return self.try_plugin(source, point);
        }
        let point = match point {
            Some(point) => point,
            None => Script::guess_point(&self.host, source)?.ok_or_else(|| ExtensionError::Compile {
                path: source.name.to_owned(),
                line: 0,
                column: 0,
                message: "the script has no function that any extension point asks for".to_owned(),
                hint: Some("define detect, target, fill or deliver".to_owned()),
            })?,
        };
        Script::load(&self.host, source, point)?.trial_with(&self.trial_config)?;
        Ok(Tried { point, version: source.version() })
    }

    fn try_plugin(&self, source: ScriptSource<'_>, point: Option<Point>) -> Result<Tried, ExtensionError> {
        let text = Text::from(source.text);
        let plugin = self.plugins.load(source.name, &text, point, &self.plugin_keys)?;
        let point = plugin.metadata().point;
        match self.plugins.trial(&plugin, &text, &self.trial_config) {
            // What it was not configured for it may refuse; that it could say so shows that it runs.
            Err(ExtensionError::Refused { .. })
                if self.trial_config.as_object().is_none_or(serde_json::Map::is_empty) => {}
            tried => tried?,
        }
        Ok(Tried { point, version: source.version() })
    }

    /// Where all that calls a tenant's extensions runs.
    pub fn lane(&self, tenant: &str) -> Lane {
        Lane::new(Arc::clone(&self.lanes), self.watch.quota(tenant))
    }

    /// How a tenant's extensions do, every version that is in use.
    pub fn seen(&self, tenant: &str) -> Vec<Insight> {
        self.watch.seen(Some(tenant))
    }

    /// The same of all tenants, as Prometheus reads it.
    pub fn exposition(&self) -> String {
        exposition::render(&self.watch.seen(None))
    }

    /// What a tenant's extensions logged last; nothing if it has none.
    pub fn logged(&self, tenant: &str, count: usize) -> Vec<(Duration, Line)> {
        self.watch.known_log(tenant).map(|log| log.newest(count)).unwrap_or_default()
    }

    /// How often plugins had to be looked at.
    pub fn checked_plugins(&self) -> Checked {
        self.plugins.checked()
    }

    /// The engine itself, for the tools of rule authors.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    fn load<T: ?Sized>(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, Text>,
        tenant: &str,
        point: Point,
        of_script: fn(Script) -> Box<T>,
        of_plugin: fn(Arc<Plugin>) -> Result<Box<T>, ExtensionError>,
    ) -> Result<Loaded<T>, ExtensionError> {
        let name = wanted.to_string();
        let text = find(wanted, scripts, point)?;
        let source = ScriptSource { name: &name, text: &text };
        let version = source.version();
        let label = Label { tenant: tenant.to_owned(), extension: name.clone(), version: version.clone(), point };
        let standing = self.watch.standing(&label, &self.trial_config);
        let quota = matches!(wanted, ExtensionRef::File(_)).then(|| self.watch.quota(tenant)).flatten();
        let make = || {
            if source.is_plugin() {
                let plugin = self.plugins.load(&name, &text, Some(point), &self.plugin_keys)?;
                self.plugins.trial(&plugin, &text, &self.trial_config)?;
                let noted = plugin.noted_in(Arc::clone(&standing.figures)).logging_to(self.watch.log(tenant));
                return of_plugin(Arc::new(noted.within(quota.clone())));
            }
            let script = Script::load(&self.host, source, point)?.logging_to(self.watch.log(tenant));
            script.trial_with(&self.trial_config)?;
            Ok(of_script(script))
        };
        let extension = make().map_err(said::error)?;
        let extension = Guarded::with(extension, label, Arc::clone(&self.clock), standing, quota);
        Ok(Loaded { name, version, extension })
    }
}

fn find(wanted: &ExtensionRef, scripts: &BTreeMap<String, Text>, point: Point) -> Result<Text, ExtensionError> {
    let (found, hint) = match wanted {
        ExtensionRef::Shipped(name) => {
            let here = shipped::all().map(|(name, _)| name).filter(|name| name.starts_with(point.as_str()));
            (
                shipped::text(name).map(Text::from),
                format!("shipped {point} rules: {}", here.collect::<Vec<_>>().join(", ")),
            )
        }
        ExtensionRef::File(path) => {
            let known = scripts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let hint =
                if known.is_empty() { "there is no script in it".to_owned() } else { format!("its scripts: {known}") };
            (scripts.get(path).cloned(), hint)
        }
    };
    found.ok_or_else(|| ExtensionError::Compile {
        path: wanted.to_string(),
        line: 0,
        column: 0,
        message: match wanted {
            ExtensionRef::Shipped(name) => format!("no rule named `{name}` is shipped"),
            ExtensionRef::File(_) => "there is no such script in the tenant's folder".to_owned(),
        },
        hint: Some(hint),
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
