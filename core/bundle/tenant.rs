//! The `tenant:` section.

use jiff::tz::TimeZone;

use super::{
    limits::*,
    reader::Node,
    scalars::{self, Wildcard},
    suggest::did_you_mean,
};
use crate::domain::{Status, Tenant};

pub(super) const STATUSES: &[&str] = &["active", "inactive"];

pub(super) fn read(node: &Node<'_>) -> Option<Tenant> {
    let object = node.object()?;
    let slug = object.required("slug", scalars::slug);
    let name = object.optional("name", scalars::text);
    let status = object.or("status", Status::Active, |node| scalars::choice(node, STATUSES));
    let timezone = object.or("timezone", "UTC".into(), timezone);
    let currency = object.or("currency", "USD".into(), currency);
    let allowed_domains = object.or("allowed_domains", Vec::new(), |node| scalars::hosts(node, Wildcard::All));
    let rate = object.or("rate_limit_per_minute", DEFAULT_RATE_LIMIT, |n| scalars::integer(n, 1, MAX_RATE_LIMIT));
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
