//! The `extensions:` section: what a tenant mounts at its targeting and sink points.

use serde_json::Value as Json;

use super::{
    limits::*,
    reader::Node,
    scalars::{self, Wildcard},
    scripts::ScriptPoint,
};
use crate::domain::{ExtensionUse, OnError};

#[derive(Default)]
pub(super) struct Extensions {
    pub targeting: Vec<ExtensionUse>,
    pub sinks: Vec<ExtensionUse>,
}

pub(super) fn read(node: &Node<'_>) -> Option<Extensions> {
    let object = node.object()?;
    let targeting = object.list("targeting", MAX_TARGETING, |node| mount(node, ScriptPoint::Targeting));
    let sinks = object.list("sinks", MAX_SINKS, |node| mount(node, ScriptPoint::Sink));
    object.finish();
    Some(Extensions {
        targeting: targeting.into_iter().map(|item| item.value).collect(),
        sinks: sinks.into_iter().map(|item| item.value).collect(),
    })
}

fn mount(node: &Node<'_>, point: ScriptPoint) -> Option<ExtensionUse> {
    let object = node.object()?;
    let source = object.required("use", |node| point.reference(node));
    let config = object.or("config", Json::Object(Default::default()), scalars::config);
    let (mut on_error, mut allow_hosts) = (OnError::default(), Vec::new());
    if point == ScriptPoint::Sink {
        object.refuse("on_error", "a sink's failures are always retried", "no `on_error` on sinks");
        allow_hosts = object.or("allow_hosts", allow_hosts, |node| scalars::hosts(node, Wildcard::Below));
    } else {
        on_error = object.or("on_error", on_error, |node| scalars::choice(node, &["open", "closed"]));
        object.refuse("allow_hosts", "a targeting rule reaches no hosts", "no `allow_hosts` on targeting rules");
    }
    object.finish();
    Some(ExtensionUse { source: source?, config, on_error, allow_hosts })
}
