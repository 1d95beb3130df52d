//! One item of `channels:`.

use serde_json::Value as Json;

use super::{
    limits::*,
    reader::{Node, Object},
    scalars,
    scripts::ScriptPoint,
    tenant::STATUSES,
};
use crate::domain::{
    AdServer, Beaconing, Channel, DemandOrder, ExtensionRef, MarkerPolicy, MidBreakJoin, PreRoll, Span, Status,
};

pub(super) fn read(node: &Node<'_>) -> Option<Channel> {
    let object = node.object()?;
    let slug = object.required("slug", scalars::slug);
    let name = object.optional("name", scalars::text);
    let status = object.or("status", Status::Active, |node| scalars::choice(node, STATUSES));
    let hls_manifest_url = object.required("hls_manifest_url", scalars::http_url);
    let detector = ExtensionRef::Shipped("detect/scte35".into());
    let detector = object.or("ad_break_strategy", detector, |node| ScriptPoint::Detector.reference(node));
    let (ad_break_interval, ad_break_duration) = timer(&object);
    let fill = ExtensionRef::Shipped("fill/best_effort".into());
    let fill = object.or("fill_strategy", fill, |node| ScriptPoint::Fill.reference(node));
    let beaconing =
        object.or("beaconing", Beaconing::default(), |node| scalars::choice(node, &["segment", "client", "stitch"]));
    let pre_roll = object.optional("pre_roll", pre_roll);
    let slate = object.optional("slate", scalars::slug);
    let mid_break_join =
        object.or("mid_break_join", MidBreakJoin::default(), |node| scalars::choice(node, &["content", "ads"]));
    let markers = object.or("markers", MarkerPolicy::default(), |node| scalars::choice(node, &["strip", "keep"]));
    let labels = object.or("labels", Default::default(), scalars::labels);
    let config = object.or("config", Json::Object(Default::default()), scalars::config);
    let ad_server = object.optional("ad_server", ad_server);
    let decision_log_percent =
        object.or("decision_log_percent", DEFAULT_DECISION_LOG_PERCENT, |node| scalars::integer(node, 0, 100));
    object.finish();
    let slug = slug?;
    Some(Channel {
        name: name.unwrap_or_else(|| slug.to_string()),
        slug,
        status,
        hls_manifest_url: hls_manifest_url?,
        detector,
        ad_break_interval,
        ad_break_duration,
        fill,
        beaconing,
        pre_roll,
        slate,
        ad_server,
        decision_log_percent: u8::try_from(decision_log_percent).unwrap_or(0),
        mid_break_join,
        markers,
        labels,
        config,
    })
}

fn ad_server(node: &Node<'_>) -> Option<AdServer> {
    let object = node.object()?;
    let vast_url = object.required("vast_url", scalars::url_template);
    let timeout = object
        .or("timeout_ms", DEFAULT_AD_SERVER_TIMEOUT_MS, |node| scalars::integer(node, 50, MAX_AD_SERVER_TIMEOUT_MS));
    let order = object
        .or("order", DemandOrder::default(), |node| scalars::choice(node, &["own_first", "external_first", "merged"]));
    let priority = object.or("priority", 0, |node| scalars::integer(node, -MAX_PRIORITY, MAX_PRIORITY));
    let cpm = object.optional("cpm", scalars::cpm);
    let forwarded_for = object.or("forwarded_for", false, scalars::boolean);
    object.finish();
    Some(AdServer {
        vast_url: vast_url?,
        timeout: std::time::Duration::from_millis(u64::try_from(timeout).unwrap_or(0)),
        order,
        priority: i32::try_from(priority).unwrap_or(0),
        cpm,
        forwarded_for,
    })
}

/// The two numbers of timed breaks; a break must end before the next begins.
fn timer(object: &Object<'_>) -> (Span, Span) {
    let interval_node = object.field("ad_break_interval_seconds");
    let duration_node = object.field("ad_break_duration_seconds");
    let interval = interval_node.as_ref().map(|node| scalars::seconds(node, MAX_BREAK_INTERVAL));
    let duration = duration_node.as_ref().map(|node| scalars::seconds(node, MAX_BREAK_DURATION));
    let unreadable = interval == Some(None) || duration == Some(None);
    let interval = interval.flatten().unwrap_or(DEFAULT_BREAK_INTERVAL);
    let duration = duration.flatten().unwrap_or(DEFAULT_BREAK_DURATION);
    if let Some(node) = duration_node.or(interval_node).filter(|_| !unreadable && interval <= duration) {
        let message = format!("breaks of {duration} seconds every {interval} seconds overlap");
        let _: Option<()> = node.error(message, "ad_break_duration_seconds below ad_break_interval_seconds");
    }
    (interval, duration)
}

fn pre_roll(node: &Node<'_>) -> Option<PreRoll> {
    let object = node.object()?;
    let max_duration = object.required("max_duration_seconds", |node| scalars::seconds(node, MAX_BREAK_DURATION));
    object.finish();
    Some(PreRoll { max_duration: max_duration? })
}
