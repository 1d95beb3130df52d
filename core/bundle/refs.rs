//! What one part of a bundle says about another: slugs used twice, campaigns and slates that do not exist.

use std::collections::HashMap;

use super::reader::{Context, Item};
use crate::domain::{Ad, AdType, Campaign, Channel, Creative, Slug, Status};

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
