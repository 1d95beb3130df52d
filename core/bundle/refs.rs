//! What one part of a bundle says about another: slugs used twice, campaigns and slates that do not exist.

use std::collections::HashMap;

use super::ScriptPoint;
use super::reader::{Context, Item};
use crate::domain::{
    Ad, AdType, Campaign, Channel, Creative, ExtensionRef, RuleOperator, RuleType, RuleValue, Slug, Status,
    TenantManifest,
};

pub(super) fn check(context: &Context<'_>, channels: &[Item<Channel>], campaigns: &[Item<Campaign>], ads: &[Item<Ad>]) {
    unique(context, channels.iter().map(|item| (&item.value.slug, &item.path)));
    unique(context, campaigns.iter().map(|item| (&item.value.slug, &item.path)));
    unique(context, ads.iter().map(|item| (&item.value.slug, &item.path)));
    let by_slug: HashMap<&str, &Ad> = ads.iter().map(|item| (item.value.slug.as_str(), &item.value)).collect();
    for Item { path, value: channel } in channels {
        if let Some(slate) = &channel.slate {
            let field = format!("{path}.slate");
            match by_slug.get(slate.as_str()) {
                Some(ad) => check_slate(context, &field, ad),
                None => context.known(&field, "ads", slate.as_str()),
            }
        }
    }
}

fn unique<'a>(context: &Context<'_>, slugs: impl Iterator<Item = (&'a Slug, &'a String)>) {
    let mut first = HashMap::new();
    for (slug, path) in slugs {
        if let Some(earlier) = first.get(slug) {
            context.error(
                &format!("{path}.slug"),
                format!("`{slug}` is already the slug of {earlier}"),
                "another slug",
            );
        } else {
            first.insert(slug, path);
        }
    }
}

/// A slate is an ad that can be stitched at any time.
fn check_slate(context: &Context<'_>, field: &str, ad: &Ad) {
    let wrong = if !matches!(ad.creative, Some(Creative::Hls(_))) {
        "has no HLS creative"
    } else if ad.ad_type != AdType::Linear {
        "is not linear"
    } else if ad.status != Status::Active {
        "is inactive"
    } else {
        return;
    };
    let message = format!("the slate `{}` {wrong}", ad.slug);
    context.error(field, message, "an active linear ad with `creative: { hls: … }`");
}

/// What items say of others that are gone: for items that nobody reads anew because they did not change.
pub(super) fn dangling(context: &Context<'_>, manifest: &TenantManifest) {
    let file = |field: &dyn Fn() -> String, point: ScriptPoint, source: &ExtensionRef| {
        if let ExtensionRef::File(path) = source
            && !context.files.has(path)
        {
            context.error(&field(), format!("there is no file `{path}` in the bundle"), point.expected());
        }
    };
    for channel in &manifest.channels {
        let field = |name: &str| format!("channels[{}].{name}", channel.slug);
        file(&|| field("ad_break_strategy"), ScriptPoint::Detector, &channel.detector);
        file(&|| field("fill_strategy"), ScriptPoint::Fill, &channel.fill);
    }
    for ad in &manifest.ads {
        if let Some(campaign) = ad.campaign.as_ref().filter(|slug| !context.has("campaigns", slug.as_str())) {
            context.known(&format!("ads[{}].campaign", ad.slug), "campaigns", campaign.as_str());
        }
        for (at, rule) in ad.rules.iter().enumerate() {
            let field = || format!("ads[{}].rules[{at}].value", ad.slug);
            let values = match &rule.value {
                RuleValue::One(one) => std::slice::from_ref(one),
                RuleValue::Many(many) => many.as_slice(),
                RuleValue::Range { .. } => &[],
            };
            match rule.kind {
                RuleType::Channel if rule.operator != RuleOperator::Contains => {
                    for slug in values.iter().filter(|slug| !context.has("channels", slug)) {
                        context.known(&field(), "channels", slug);
                    }
                }
                RuleType::Script => values
                    .iter()
                    .for_each(|name| file(&field, ScriptPoint::Targeting, &super::scripts::extension_ref(name))),
                _ => {}
            }
        }
    }
    for script in manifest.trial.iter().flat_map(|trial| trial.scripts.iter().flat_map(|(from, to)| [from, to])) {
        let field = || format!("extensions.trial.scripts.{script}");
        file(&field, ScriptPoint::Targeting, &super::scripts::extension_ref(script));
    }
    for extension in manifest.counters.keys() {
        let field = || format!("extensions.counters.{extension}");
        file(&field, ScriptPoint::Targeting, &super::scripts::extension_ref(extension));
    }
    let mounts =
        [("targeting", ScriptPoint::Targeting, &manifest.targeting), ("sinks", ScriptPoint::Sink, &manifest.sinks)];
    for (list, point, mounted) in mounts {
        for (at, mounted) in mounted.iter().enumerate() {
            file(&|| format!("extensions.{list}[{at}].use"), point, &mounted.source);
        }
    }
}
