//! The `tenant:` section.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::tz::TimeZone;

use super::{
    limits::*,
    reader::{Item, Node},
    scalars::{self, Wildcard},
    suggest::did_you_mean,
};
use crate::domain::{AddressPolicy, CustomType, EventType, Privacy, ReportTime, Status, Tenant};

pub(super) const STATUSES: &[&str] = &["active", "inactive"];

const ADDRESS_POLICIES: &[&str] = &["truncate", "hash", "drop"];

pub(super) fn read(node: &Node<'_>) -> Option<Tenant> {
    let object = node.object()?;
    let slug = object.required("slug", scalars::slug);
    let name = object.optional("name", scalars::text);
    let status = object.or("status", Status::Active, |node| scalars::choice(node, STATUSES));
    let timezone = object.or("timezone", "UTC".into(), timezone);
    let currency = object.or("currency", "USD".into(), currency);
    let allowed_domains = object.or("allowed_domains", Vec::new(), |node| scalars::hosts(node, Wildcard::All));
    let rate = object.or("rate_limit_per_minute", DEFAULT_RATE_LIMIT, |n| scalars::integer(n, 1, MAX_RATE_LIMIT));
    let report_time = object.or("report_time", ReportTime::default(), report_time);
    let privacy = object.or("privacy", Privacy::default(), privacy);
    let event_types = object.list("event_types", MAX_EVENT_TYPES, event_type);
    let plugin_keys = object.list("plugin_keys", MAX_PLUGIN_KEYS, plugin_key);
    object.finish();
    let slug = slug?;
    Some(Tenant {
        name: name.unwrap_or_else(|| slug.to_string()),
        slug,
        status,
        timezone,
        currency,
        allowed_domains,
        rate_limit_per_minute: u32::try_from(rate).unwrap_or(u32::MAX),
        report_time,
        privacy,
        event_types: once_each(node, event_types),
        plugin_keys: plugin_keys.into_iter().map(|item| item.value).collect(),
    })
}

fn timezone(node: &Node<'_>) -> Option<String> {
    let text = scalars::text(node)?;
    if TimeZone::get(&text).is_ok() {
        return Some(text);
    }
    let known: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let message = format!("unknown time zone `{text}`{}", did_you_mean(&text, known.iter().map(String::as_str)));
    node.error(message, "an IANA name, such as Asia/Jakarta")
}

fn currency(node: &Node<'_>) -> Option<String> {
    let text = scalars::text(node)?;
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some(text);
    }
    node.error(format!("`{text}` is not a currency"), "an ISO 4217 code of three capitals, such as USD")
}

/// A time of day: `02:00`.
fn report_time(node: &Node<'_>) -> Option<ReportTime> {
    const EXPECTED: &str = "a time of day in quotes, from \"00:00\" to \"23:59\"";
    let text = scalars::text(node)?;
    let number = |text: &str, below: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number < below)
    };
    let time = text.split_once(':').and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)));
    match time {
        Some((hour, minute)) => Some(ReportTime(hour * 60 + minute)),
        None => node.error(format!("`{text}` is no time of day"), EXPECTED),
    }
}

fn privacy(node: &Node<'_>) -> Option<Privacy> {
    let object = node.object()?;
    let default = Privacy::default();
    let address = object.or("address", AddressPolicy::default(), |node| scalars::choice(node, ADDRESS_POLICIES));
    let respect_opt_out = object.or("respect_opt_out", default.respect_opt_out, scalars::boolean);
    let days = object
        .or("retention_days", i64::from(default.retention_days), |node| scalars::integer(node, 1, MAX_RETENTION_DAYS));
    object.finish();
    Some(Privacy { address, respect_opt_out, retention_days: u16::try_from(days).unwrap_or(u16::MAX) })
}

/// A name that is not one of ours: nobody could tell them apart.
fn event_type(node: &Node<'_>) -> Option<CustomType> {
    let text = scalars::text(node)?;
    match text.parse() {
        Ok(EventType::Custom(own)) => Some(own),
        Ok(_) => node.error(format!("`{text}` is one of the types that there are already"), "a name of your own"),
        Err(reason) => node.error(reason, ""),
    }
}

/// 32 bytes in base64.
fn plugin_key(node: &Node<'_>) -> Option<String> {
    let text = scalars::text(node)?;
    match STANDARD.decode(&text) {
        Ok(bytes) if bytes.len() == PLUGIN_KEY_BYTES => Some(text),
        _ => {
            node.error(format!("`{text}` is no public key"), "what `cuetone plugin keygen` prints: 32 bytes in base64")
        }
    }
}

fn once_each(node: &Node<'_>, items: Vec<Item<CustomType>>) -> Vec<CustomType> {
    let mut types = Vec::with_capacity(items.len());
    for item in items {
        if types.contains(&item.value) {
            let message = format!("the type `{}` is here twice", item.value.as_str());
            node.context().error(&item.path, message, "each type once");
        }
        types.push(item.value);
    }
    types
}
