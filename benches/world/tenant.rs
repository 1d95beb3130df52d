//! The tenant: as many ads as wanted, all of them equal, so that viewers are given different ones.

use std::fmt::Write as _;

use cuetone::{
    bundle::BundleFiles,
    decision::ChannelPolicy,
    domain::{DemandOrder, DeviceType, Viewer},
    registry::Compiled,
};

use super::TENANT;

/// Ten-second creatives of the demo.
const CREATIVES: [&str; 3] = ["red", "green", "yellow"];

/// Which targeting scripts the tenant mounts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    None,
    /// All five that are shipped.
    Shipped,
}

pub fn bundle(origin: &str, ads: usize, scripts: Scripts) -> BundleFiles {
    let mut yaml = format!(
        "tenant:\n  slug: {TENANT}\n  name: Bench\n  timezone: Europe/Berlin\n  currency: EUR\n  allowed_domains: [\"*\"]\n  \
         rate_limit_per_minute: 100000000\nchannels:\n"
    );
    for (slug, segments) in [("live", 10), ("dvr", 200)] {
        let _ = write!(
            yaml,
            "  - slug: {slug}\n    name: {slug}\n    hls_manifest_url: {origin}/live/{segments}/master.m3u8\n    \
             ad_break_strategy: scte35\n    fill_strategy: best_effort\n    mid_break_join: ads\n    \
             labels: {{ rating: PG, genre: news }}\n"
        );
    }
    yaml.push_str("campaigns:\n  - { slug: all, name: All, status: active, cpm: \"10.00\", priority: 5 }\nads:\n");
    for (number, creative) in (0..ads).zip(CREATIVES.iter().cycle()) {
        let _ = write!(
            yaml,
            "  - slug: ad-{number:05}\n    name: Ad {number}\n    campaign: all\n    duration_seconds: 10\n    \
             creative: {{ hls: {origin}/demo/ads/{creative}/master.m3u8 }}\n    \
             labels: {{ geo: \"US, CA\", category: food, hours: \"0-24\" }}\n"
        );
    }
    if scripts == Scripts::Shipped {
        yaml.push_str("extensions:\n  targeting:\n");
        for name in ["geo", "device", "daypart", "frequency", "brand_safety"] {
            let _ = writeln!(yaml, "    - {{ use: shipped:targeting/{name} }}");
        }
    }
    BundleFiles { files: [("tenant.yaml".to_owned(), yaml.into())].into() }
}

/// A television in the country that the ads are for.
pub fn viewer() -> Viewer {
    Viewer { geo: "US".into(), device: DeviceType::SmartTv, ..Viewer::default() }
}

/// How the first channel of a bundle chooses.
pub fn policy(compiled: &Compiled) -> ChannelPolicy {
    let channel = compiled.manifest.channels.first().expect("a channel");
    ChannelPolicy {
        tenant: compiled.manifest.tenant.slug.clone(),
        channel: channel.slug.clone(),
        labels: channel.labels.clone(),
        config: channel.config.clone(),
        targeting: compiled.targeting.clone(),
        fill: compiled.fills.first().expect("a fill strategy").clone(),
        fallback: compiled.fallback.clone(),
        slate: None,
        order: DemandOrder::OwnFirst,
    }
}
