//! The `extensions:` section: what a tenant mounts at its targeting and sink points.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_yaml::Value;

use super::{
    limits::*,
    reader::{Item, Node, show},
    scalars::{self, Wildcard},
    scripts::ScriptPoint,
};
use crate::domain::{CounterError, CounterGrant, ExtensionUse, OnError, Refusal, RefusalError, Trial};

#[derive(Default)]
pub(super) struct Extensions {
    pub targeting: Vec<ExtensionUse>,
    pub sinks: Vec<ExtensionUse>,
    pub trial: Option<Trial>,
    pub counters: BTreeMap<String, Vec<CounterGrant>>,
}

pub(super) fn read(node: &Node<'_>) -> Option<Extensions> {
    let object = node.object()?;
    let targeting = object.list("targeting", MAX_TARGETING, |node| mount(node, ScriptPoint::Targeting));
    let sinks = object.list("sinks", MAX_SINKS, |node| mount(node, ScriptPoint::Sink));
    let trial = object.optional("trial", trial);
    let counters = object.or("counters", BTreeMap::new(), counters);
    object.finish();
    for (at, item) in sinks.iter().enumerate() {
        let same = |other: &&Item<ExtensionUse>| item.value.name.is_some() && other.value.name == item.value.name;
        if let Some(first) = sinks.iter().take(at).find(same) {
            let field = format!("{}.name", item.path);
            node.context().error(&field, format!("{} has this name too", first.path), "a name of its own");
        }
    }
    Some(Extensions {
        trial,
        counters,
        targeting: targeting.into_iter().map(|item| item.value).collect(),
        sinks: sinks.into_iter().map(|item| item.value).collect(),
    })
}

/// `{ scripts: { rules/kids.rhai: rules/kids-2.rhai }, mode: canary, percent: 10, max_error_percent: 2 }`.
fn trial(node: &Node<'_>) -> Option<Trial> {
    let object = node.object()?;
    let scripts = object.required("scripts", tried);
    let mode = object.required("mode", |node| scalars::choice(node, &["shadow", "canary"]));
    let percent = object.or("percent", DEFAULT_TRIAL_PERCENT, |node| scalars::integer(node, 1, 100));
    let errors = object.or("max_error_percent", DEFAULT_TRIAL_ERRORS, |node| scalars::integer(node, 0, 100));
    object.finish();
    let small = |number: i64| u8::try_from(number).unwrap_or(0);
    Some(Trial { scripts: scripts?, mode: mode?, percent: small(percent), max_error_percent: small(errors) })
}

/// `{ rules/even.rhai: [impressions.today.ad.*] }`: what each rule and fill strategy may read.
fn counters(node: &Node<'_>) -> Option<BTreeMap<String, Vec<CounterGrant>>> {
    let object = node.object()?;
    if object.map.len() > MAX_GRANTED {
        return node.error(format!("there are {} extensions", object.map.len()), format!("at most {MAX_GRANTED}"));
    }
    let mut granted = BTreeMap::new();
    for (key, value) in object.map {
        let Some(path) = key.as_str() else {
            return node.error(format!("the key {} is not text", show(key)), "the path of a mounted script");
        };
        let grants = node.child(path, value);
        let grants = grants.items(MAX_GRANTS, |node| {
            let text = scalars::text(node)?;
            text.parse().map_or_else(|error: CounterError| node.error(error.to_string(), "a counter"), Some)
        });
        if let Some(extension) = chooses(&node.with(&Value::String(path.to_owned()))) {
            granted.insert(extension, grants.into_iter().map(|item| item.value).collect());
        }
    }
    Some(granted)
}

/// A rule or a fill strategy. Shipped ones say by their folder which of the two they are.
fn chooses(node: &Node<'_>) -> Option<String> {
    let text = scalars::text(node)?;
    let fill = text.starts_with("shipped:fill/") || text == "best_effort" || text == "strict";
    let point = if fill { ScriptPoint::Fill } else { ScriptPoint::Targeting };
    point.reference(node).map(|source| source.to_string())
}

/// Both sides name scripts of this bundle, or shipped ones.
fn tried(node: &Node<'_>) -> Option<BTreeMap<String, String>> {
    let object = node.object()?;
    if object.map.is_empty() || object.map.len() > MAX_TARGETING {
        return node.error(format!("there are {} scripts", object.map.len()), format!("1 to {MAX_TARGETING}"));
    }
    let mut scripts = BTreeMap::new();
    for (key, value) in object.map {
        let Some(path) = key.as_str() else {
            return node.error(format!("the key {} is not text", show(key)), "the path of a mounted script");
        };
        let next = node.child(path, value);
        let key = Value::String(path.to_owned());
        let mounted = chooses(&node.with(&key));
        if let (Some(mounted), Some(next)) = (mounted, chooses(&next)) {
            scripts.insert(mounted, next);
        }
    }
    Some(scripts)
}

fn mount(node: &Node<'_>, point: ScriptPoint) -> Option<ExtensionUse> {
    let object = node.object()?;
    let source = object.required("use", |node| point.reference(node));
    let config = object.or("config", Json::Object(Default::default()), scalars::config);
    let (mut on_error, mut allow_hosts, mut refused_if) = (OnError::default(), Vec::new(), None);
    if point == ScriptPoint::Sink {
        object.refuse("on_error", "a sink's failures are always retried", "no `on_error` on sinks");
        allow_hosts = object.or("allow_hosts", allow_hosts, |node| scalars::hosts(node, Wildcard::Below));
        refused_if = object.optional("refused_if", refusal);
    } else {
        on_error = object.or("on_error", on_error, |node| scalars::choice(node, &["open", "closed"]));
        object.refuse("allow_hosts", "a targeting rule reaches no hosts", "no `allow_hosts` on targeting rules");
        object.refuse("refused_if", "a targeting rule sends nothing", "no `refused_if` on targeting rules");
    }
    let name = if point == ScriptPoint::Sink { object.optional("name", scalars::slug) } else { None };
    object.finish();
    Some(ExtensionUse { source: source?, name, config, on_error, allow_hosts, refused_if })
}

/// `/offsets/*/error_code`.
fn refusal(node: &Node<'_>) -> Option<Refusal> {
    let text = scalars::text(node)?;
    let expected = "a JSON pointer, in which * stands for every item, such as /offsets/*/error_code";
    text.parse().map_or_else(|error: RefusalError| node.error(error.to_string(), expected), Some)
}
