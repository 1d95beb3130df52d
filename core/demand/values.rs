//! What the macros in tags and beacons stand for: facts of the viewer, the break and the ad.
//!
//! Beside those of VAST there are those for tags: `[session.…]`, `[avail.…]`, `[player_params.…]`. Some facts come from
//! player parameters by the names that players and ad servers use for them: `gdpr`, `gdpr_consent`, `us_privacy`, `gpp`,
//! `gpp_sid`, `coppa`, `lmt`, `ifa`, `ifa_type`, `app_bundle`, `domain`, `page_url`, `content_id`, `content_uri`.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};
use url::Url;

use super::{ad::Tracking, limits::MAX_URL_BYTES, source::Source, viewer::ViewerContext};
use crate::{
    domain::{Moment, Span},
    media::{
        vast::{
            AdType, ErrorCode, InLine, UniversalAdId,
            macros::{self, Fact, MacroValues},
        },
        vmap::VmapErrorCode,
    },
    secret::hex,
};

/// How we present ourselves.
const SERVER_AGENT: &str = concat!("cuetone/", env!("CARGO_PKG_VERSION"));

/// Types that can be played.
const MEDIA_TYPES: [&str; 2] = ["application/vnd.apple.mpegurl", "application/x-mpegurl"];

/// `[PLACEMENTTYPE]` of ads in a stream (AdCOM, "Placement Subtypes - Video").
const IN_STREAM: u8 = 1;

/// Tells apart the random numbers of URLs that are sent together; odd, so that they differ in every digit.
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// Facts of one URL, or of several that are sent together.
#[derive(Clone)]
pub struct Values<'a> {
    pub source: &'a Source,
    pub context: &'a ViewerContext,
    pub now: Moment,
    pub random: u64,
    pub code: Option<ErrorCode>,
    pub ad: AdValues<'a>,
    pub(super) facts: Arc<Facts>,
}

/// Facts of one ad.
#[derive(Clone, Debug, Default)]
pub struct AdValues<'a> {
    pub universal_ids: &'a [UniversalAdId],
    pub serving_id: Option<&'a str>,
    pub categories: Vec<String>,
    /// From 1.
    pub sequence: Option<u32>,
    /// The media file's address.
    pub asset: Option<Cow<'a, str>>,
    /// How much of the ad has been shown.
    pub playhead: Option<Span>,
}

impl<'a> AdValues<'a> {
    pub(super) fn of(ad: &'a InLine, sequence: Option<u32>) -> Self {
        let named = ad.creatives.iter().find(|creative| !creative.universal_ids.is_empty());
        Self {
            universal_ids: named.map_or(&[], |creative| &creative.universal_ids),
            serving_id: ad.ad_serving_id.as_deref(),
            categories: ad.categories.iter().map(|category| category.code.clone()).collect(),
            sequence,
            asset: None,
            playhead: None,
        }
    }

    /// The facts of an ad that plays, so far.
    pub fn playing(tracking: &'a Tracking, sequence: u32, playhead: Span) -> Self {
        Self {
            universal_ids: &tracking.universal_ids,
            serving_id: tracking.ad_serving_id.as_deref(),
            categories: tracking.categories.iter().map(|category| category.code.clone()).collect(),
            sequence: Some(sequence),
            asset: Some(tracking.media_url.as_str().into()),
            playhead: Some(playhead),
        }
    }
}

/// What does not change while a break is asked for.
#[derive(Clone)]
pub(super) struct Facts {
    others: BTreeMap<String, String>,
    regulations: Vec<String>,
    media_types: Vec<String>,
    transaction: String,
}

impl Facts {
    pub(super) fn of(source: &Source, context: &ViewerContext) -> Self {
        let avail = &context.avail;
        let params = context.viewer.params.iter();
        let mut others: BTreeMap<String, String> =
            params.map(|(name, value)| (format!("player_params.{name}"), value.to_string())).collect();
        let own = [
            ("session.viewer_id", context.viewer.session_id.as_deref().unwrap_or_default().to_owned()),
            ("session.geo", context.viewer.geo.to_string()),
            ("session.device", context.viewer.device.as_str().to_owned()),
            ("session.tenant", source.tenant.to_string()),
            ("session.channel", context.channel.to_string()),
            ("avail.id", avail.id.to_string()),
            ("avail.position", avail.position.as_str().to_owned()),
        ];
        others.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let given = [("USPRIVACY", "us_privacy"), ("GPPSTRING", "gpp"), ("GPPSECTIONID", "gpp_sid")];
        let given =
            given.into_iter().filter_map(|(name, param)| Some((name.to_owned(), context.param(param)?.to_owned())));
        others.extend(given);
        let applies = |name: &&str| context.param(name).is_some_and(is_true);
        Self {
            others,
            regulations: ["coppa", "gdpr"].into_iter().filter(applies).map(str::to_owned).collect(),
            media_types: MEDIA_TYPES.map(str::to_owned).into(),
            transaction: transaction(context),
        }
    }

    /// For error URLs of a VMAP break (VMAP 1.0.1, 2.5).
    pub(super) fn with_break_error(&self, code: VmapErrorCode, message: &str) -> Self {
        let mut facts = self.clone();
        facts.others.insert("ERROR_CODE".to_owned(), code.to_string());
        facts.others.insert("ERROR_MESSAGE".to_owned(), message.to_owned());
        facts
    }
}

impl Values<'_> {
    /// The address that a template stands for, if it is one.
    pub(super) fn url(&self, template: &str) -> Option<Url> {
        let filled = macros::expand(template.trim(), &self.macros());
        let filled = if filled.starts_with("//") { format!("https:{filled}") } else { filled };
        (filled.len() <= MAX_URL_BYTES).then(|| Url::parse(&filled).ok()).flatten()
    }

    /// The same facts for another URL: it has a random number of its own.
    pub(super) fn next(&mut self) {
        self.random = self.random.wrapping_add(STRIDE);
    }

    fn macros(&self) -> MacroValues<'_> {
        let Self { context, ad, facts, .. } = self;
        let limited = ["lmt", "is_lat"].into_iter().find_map(|name| context.param(name)).map(is_true);
        // Who does not want to be tracked is not named.
        let ifa = |value| if limited == Some(true) { Fact::Withheld } else { Fact::from(value) };
        MacroValues {
            now: self.now,
            random: self.random,
            error: self.code,
            position: Some(context.avail.position),
            break_duration: Some(context.avail.duration),
            avail_index: context.place.number.map(|number| number.saturating_sub(1)),
            avail_metadata: Some(&context.avail.metadata),
            ad_categories: &ad.categories,
            placement: Some(IN_STREAM),
            transaction_id: Some(&facts.transaction),
            ad_type: Some(AdType::Video),
            pod_sequence: ad.sequence,
            universal_ids: ad.universal_ids,
            ad_serving_id: ad.serving_id,
            asset_uri: ad.asset.as_deref(),
            ad_playhead: ad.playhead,
            content_id: context.param("content_id"),
            content_uri: context.param("content_uri"),
            domain: context.param("domain").into(),
            page_url: context.param("page_url").into(),
            app_bundle: context.param("app_bundle").into(),
            device_ip: context.client.address.into(),
            device_ua: context.client.user_agent.as_deref().into(),
            ifa: ifa(context.param("ifa")),
            ifa_type: ifa(context.param("ifa_type")),
            limit_ad_tracking: limited,
            regulations: &facts.regulations,
            gdpr_consent: context.param("gdpr_consent").into(),
            session_id: Some(&context.session),
            media_mimes: &facts.media_types,
            server_ua: Some(SERVER_AGENT),
            others: Some(&facts.others),
            ..MacroValues::default()
        }
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

/// One name for all requests of a break, as a UUID of version 8 (RFC 9562, 5.8).
fn transaction(context: &ViewerContext) -> String {
    let digest = Sha256::new_with_prefix(&*context.session).chain_update(context.avail.id.as_str()).finalize();
    let digits = hex(digest.get(..16).unwrap_or_default());
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}
