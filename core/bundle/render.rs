//! Domain types back into the bundle's shape: what the section readers read, written in one spelling.
//!
//! Reading what is written here gives the same domain value. Defaults are written out, so that a reader of an export or
//! of the API sees what holds; what is absent stays absent.

use serde_json::{Map, Value, json};

use super::scripts::ScriptPoint;
use crate::domain::{
    Ad, AdRule, AdServer, Campaign, Channel, Creative, ExtensionUse, FrequencyCap, RuleOperator, RuleType, RuleValue,
    Span, Tenant, TenantManifest, Trial,
};

/// The `tenant:` section.
pub fn tenant(tenant: &Tenant) -> Value {
    json!({
        "slug": tenant.slug,
        "name": tenant.name,
        "status": tenant.status,
        "timezone": tenant.timezone,
        "currency": tenant.currency,
        "allowed_domains": tenant.allowed_domains,
        "rate_limit_per_minute": tenant.rate_limit_per_minute,
        "report_time": tenant.report_time.to_string(),
        "privacy": {
            "address": tenant.privacy.address,
            "respect_opt_out": tenant.privacy.respect_opt_out,
            "retention_days": tenant.privacy.retention_days,
        },
        "event_types": tenant.event_types.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "plugin_keys": tenant.plugin_keys,
    })
}

/// One item of `channels:`.
pub fn channel(channel: &Channel) -> Value {
    let mut out = Fields::default();
    out.put("slug", channel.slug.as_str());
    out.put("name", channel.name.as_str());
    out.put("status", json!(channel.status));
    out.put("hls_manifest_url", channel.hls_manifest_url.as_str());
    out.put("ad_break_strategy", ScriptPoint::Detector.written(&channel.detector));
    out.put("ad_break_interval_seconds", seconds(channel.ad_break_interval));
    out.put("ad_break_duration_seconds", seconds(channel.ad_break_duration));
    out.put("fill_strategy", ScriptPoint::Fill.written(&channel.fill));
    out.put("beaconing", json!(channel.beaconing));
    out.some(
        "pre_roll",
        channel.pre_roll.as_ref().map(|roll| json!({"max_duration_seconds": seconds(roll.max_duration)})),
    );
    out.some("slate", channel.slate.as_ref().map(|slate| slate.as_str()));
    out.some("ad_server", channel.ad_server.as_ref().map(ad_server));
    out.put("decision_log_percent", channel.decision_log_percent);
    out.put("mid_break_join", json!(channel.mid_break_join));
    out.put("markers", json!(channel.markers));
    out.filled("labels", json!(channel.labels));
    out.filled("config", channel.config.clone());
    out.done()
}

fn ad_server(server: &AdServer) -> Value {
    let mut out = Fields::default();
    out.put("vast_url", server.vast_url.as_str());
    out.put("timeout_ms", u64::try_from(server.timeout.as_millis()).unwrap_or(u64::MAX));
    out.put("order", json!(server.order));
    out.put("priority", server.priority);
    out.some("cpm", server.cpm.map(String::from));
    out.put("forwarded_for", server.forwarded_for);
    out.done()
}

/// One item of `campaigns:`.
pub fn campaign(campaign: &Campaign) -> Value {
    let date = |(year, month, day): (i16, i8, i8)| format!("{year:04}-{month:02}-{day:02}");
    let mut out = Fields::default();
    out.put("slug", campaign.slug.as_str());
    out.put("name", campaign.name.as_str());
    out.put("description", campaign.description.as_str());
    out.some("start_date", campaign.start_date.map(date));
    out.some("end_date", campaign.end_date.map(date));
    out.some("budget", campaign.budget.map(String::from));
    out.some("impression_goal", campaign.impression_goal);
    out.some("cpm", campaign.cpm.map(String::from));
    out.put("status", json!(campaign.status));
    out.put("priority", campaign.priority);
    match campaign.frequency_caps.as_slice() {
        [] => {}
        [cap] => out.put("frequency_cap", frequency_cap(cap)),
        caps => out.put("frequency_cap", caps.iter().map(frequency_cap).collect::<Vec<_>>()),
    }
    out.put("pacing", json!(campaign.pacing));
    out.some("competitive_category", campaign.competitive_category.as_deref());
    out.done()
}

fn frequency_cap(cap: &FrequencyCap) -> Value {
    json!({"impressions": cap.impressions, "per": cap.per})
}

/// One item of `ads:`.
pub fn ad(ad: &Ad) -> Value {
    let mut out = Fields::default();
    out.put("slug", ad.slug.as_str());
    out.put("name", ad.name.as_str());
    out.some("campaign", ad.campaign.as_ref().map(|campaign| campaign.as_str()));
    out.put("duration_seconds", seconds(ad.duration));
    out.put("ad_type", json!(ad.ad_type));
    out.some("creative", ad.creative.as_ref().map(creative));
    out.some("vast_url", ad.vast_url.as_deref());
    out.some("click_through_url", ad.click_through_url.as_deref());
    out.put("status", json!(ad.status));
    out.filled("labels", json!(ad.labels));
    out.filled("rules", ad.rules.iter().map(rule).collect::<Vec<_>>());
    out.done()
}

/// An ad's `creative:`.
pub fn creative(creative: &Creative) -> Value {
    match creative {
        Creative::Hls(url) => json!({"hls": url}),
        Creative::Image(image) => json!({
            "image": image.url,
            "width": image.width,
            "height": image.height,
            "media_type": image.media_type,
        }),
    }
}

/// One of an ad's `rules:`.
pub fn rule(rule: &AdRule) -> Value {
    let value = match &rule.value {
        RuleValue::One(one) => operand(rule, one),
        RuleValue::Many(many) => many.iter().map(|one| operand(rule, one)).collect(),
        RuleValue::Range { min, max } => json!({"min": min, "max": max}),
    };
    json!({"type": rule.kind, "operator": rule.operator, "value": value})
}

/// Hours and the numbers of weekdays are numbers, everything else is text.
fn operand(rule: &AdRule, text: &str) -> Value {
    let counted = matches!(rule.kind, RuleType::Time | RuleType::DayOfWeek) && rule.operator != RuleOperator::Contains;
    match text.parse::<i64>() {
        Ok(number) if counted && number.to_string() == text => number.into(),
        _ => text.into(),
    }
}

/// The `extensions:` section.
pub fn extensions(manifest: &TenantManifest) -> Value {
    let mount = |point: ScriptPoint| {
        move |mounted: &ExtensionUse| {
            let mut out = Fields::default();
            out.put("use", point.written(&mounted.source));
            out.some("name", mounted.name.as_ref().map(|name| json!(name)));
            out.filled("config", mounted.config.clone());
            match point {
                ScriptPoint::Sink => {
                    out.filled("allow_hosts", json!(mounted.allow_hosts));
                    out.some("refused_if", mounted.refused_if.as_ref().map(|refusal| json!(refusal)));
                }
                _ => out.put("on_error", json!(mounted.on_error)),
            }
            out.done()
        }
    };
    let mut out = Fields::default();
    out.filled("targeting", manifest.targeting.iter().map(mount(ScriptPoint::Targeting)).collect::<Vec<_>>());
    out.filled("counters", json!(manifest.counters));
    out.some("trial", manifest.trial.as_ref().map(trial));
    out.filled("sinks", manifest.sinks.iter().map(mount(ScriptPoint::Sink)).collect::<Vec<_>>());
    out.done()
}

fn trial(trial: &Trial) -> Value {
    json!({
        "scripts": trial.scripts,
        "mode": trial.mode,
        "percent": trial.percent,
        "max_error_percent": trial.max_error_percent,
    })
}

/// The whole `tenant.yaml`; sections without items are left out.
pub fn manifest(manifest: &TenantManifest) -> Value {
    let mut out = Fields::default();
    out.put("tenant", tenant(&manifest.tenant));
    out.filled("channels", manifest.channels.iter().map(channel).collect::<Vec<_>>());
    out.filled("campaigns", manifest.campaigns.iter().map(campaign).collect::<Vec<_>>());
    out.filled("ads", manifest.ads.iter().map(ad).collect::<Vec<_>>());
    out.filled("extensions", extensions(manifest));
    out.done()
}

/// Whole seconds as a whole number.
fn seconds(span: Span) -> Value {
    match span.as_micros() % 1_000_000 {
        0 => (span.as_micros() / 1_000_000).into(),
        _ => span.as_secs_f64().into(),
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }
    fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
    /// Left out when there is nothing in it.
    fn filled(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let empty = match &value {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            other => other.is_null(),
        };
        if !empty {
            self.put(key, value);
        }
    }
    fn done(self) -> Value {
        Value::Object(self.0)
    }
}
