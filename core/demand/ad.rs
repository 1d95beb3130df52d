//! An ad that an ad server gave and that can be played: its creative, what it costs, and whom to tell what.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use url::Url;

use super::{
    chain::Chain,
    limits::{MAX_BEACONS, MAX_LABEL_BYTES},
    source::Source,
};
use crate::{
    domain::{EventType, Money, Slug, Span},
    media::vast::{
        self, Beacon, Companion, Icon, InLine, PricingModel, Resource, TrackingEvent, UniversalAdId, Verification,
        ViewableImpression,
    },
    secret::hex,
    stitch::ladder::Creative,
};

/// What ads of ad servers are called: this and a hash, the same whenever the same creative comes.
const SLUG_PREFIX: &str = "vast-";
const SLUG_BYTES: usize = 12;

/// What an element takes apart from its texts, roughly.
const ELEMENT_WEIGHT: usize = 256;

/// One ad of an answer.
#[derive(Clone, Debug)]
pub struct ResolvedAd {
    /// The same for the same creative in every answer; unique within one.
    pub slug: Slug,
    pub creative: Arc<Creative>,
    /// As measured.
    pub duration: Span,
    /// Its place in the ad server's pod, from 1; `None`: it stands alone.
    pub sequence: Option<u32>,
    /// Price of a thousand impressions in the tenant's currency.
    pub cpm: Option<Money>,
    /// Code of its first category.
    pub category: Option<Box<str>>,
    pub advertiser: Option<Box<str>>,
    /// Facts for scripts: `source`, `ad_system`, `ad_id`, `title`, `advertiser`, `category`, `universal_ad_id`.
    pub labels: BTreeMap<String, String>,
    /// How long its server lets the answer be kept.
    pub expires: Option<Span>,
    pub tracking: Arc<Tracking>,
}

/// Whom to tell what of one ad, and what else came with it. URLs have their macros unfilled.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    pub impressions: Vec<Beacon>,
    pub events: Vec<vast::Tracking>,
    pub click_through: Option<String>,
    pub click_tracking: Vec<Beacon>,
    pub custom_clicks: Vec<Beacon>,
    pub errors: Vec<String>,
    pub viewable: Vec<ViewableImpression>,
    pub verifications: Vec<Verification>,
    pub companions: Vec<Companion>,
    pub icons: Vec<Icon>,
    pub universal_ids: Vec<UniversalAdId>,
    /// What its server calls it, and itself.
    pub title: String,
    pub system: String,
    pub ad_id: Option<String>,
    pub ad_serving_id: Option<String>,
    pub categories: Vec<vast::Category>,
    /// The playlist that is played.
    pub media_url: String,
}

impl Tracking {
    /// URLs to fetch when an event is counted.
    pub fn urls(&self, event: EventType) -> Vec<&str> {
        let wanted: &[TrackingEvent] = match event {
            EventType::Impression => return urls_of(&self.impressions),
            EventType::Click => return urls_of(&self.click_tracking),
            EventType::Error => return self.errors.iter().map(String::as_str).collect(),
            EventType::Start => &[TrackingEvent::Loaded, TrackingEvent::CreativeView, TrackingEvent::Start],
            EventType::FirstQuartile => &[TrackingEvent::FirstQuartile],
            EventType::Midpoint => &[TrackingEvent::Midpoint],
            EventType::ThirdQuartile => &[TrackingEvent::ThirdQuartile],
            EventType::Complete => &[TrackingEvent::Complete],
            EventType::Break
            | EventType::Decided
            | EventType::Stitched
            | EventType::Budget50
            | EventType::Budget80
            | EventType::Budget100
            | EventType::Custom(_) => &[],
        };
        let fires = |tracking: &&vast::Tracking| wanted.contains(&tracking.event);
        self.events.iter().filter(fires).map(|tracking| &*tracking.url).collect()
    }

    /// Bytes that it takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let beacons = self.impressions.iter().chain(&self.click_tracking).chain(&self.custom_clicks);
        let texts = beacons.map(|beacon| beacon.url.len()).sum::<usize>()
            + self.events.iter().map(|tracking| tracking.url.len()).sum::<usize>()
            + self.errors.iter().map(String::len).sum::<usize>();
        let pictures = self.companions.iter().map(|companion| &companion.resources);
        let resources = pictures.chain(self.icons.iter().map(|icon| &icon.resources)).flatten().map(size_of_resource);
        let parameters = self.verifications.iter().filter_map(|one| one.parameters.as_ref()).map(String::len);
        let elements = self.events.len() + self.companions.len() + self.icons.len() + self.verifications.len();
        size_of::<Self>() + texts + resources.sum::<usize>() + parameters.sum::<usize>() + elements * ELEMENT_WEIGHT
    }
}

fn size_of_resource(resource: &Resource) -> usize {
    match resource {
        Resource::Html(text) | Resource::IFrame(text) => text.len(),
        Resource::Static { mime, url } => mime.len() + url.len(),
    }
}

/// What an ad was found to be, before its creative is known.
pub(super) struct Found<'a> {
    pub id: Option<&'a str>,
    pub inline: &'a InLine,
    pub creative: &'a vast::Creative,
    pub linear: &'a vast::Linear,
    pub chain: &'a Chain,
    pub media: Url,
}

impl Found<'_> {
    /// Its name among creatives: outlives tokens in the address where the ad says which creative it is. Named by tenant
    /// and server then, so that nobody can pass off a creative of his own as another's.
    pub(super) fn creative_key(&self, source: &Source) -> Arc<str> {
        match known_ids(self.creative).next() {
            Some(id) => {
                let origin = self.media.origin().ascii_serialization();
                format!("{}|{}|{}|{origin}{}", source.tenant, id.registry, id.value, self.media.path()).into()
            }
            None => self.media.as_str().into(),
        }
    }

    pub(super) fn slug(&self) -> Option<Slug> {
        let mut digest = Sha256::new();
        match known_ids(self.creative).next() {
            Some(id) => digest.update(format!("{}|{}", id.registry, id.value)),
            None => {
                let mut plain = self.media.clone();
                plain.set_query(None);
                digest.update(format!("{}|{plain}", self.id.unwrap_or_default()));
            }
        }
        let hash = hex(digest.finalize().get(..SLUG_BYTES).unwrap_or_default());
        named(&hash, None)
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([("source".to_owned(), "vast".to_owned())]);
        let universal = known_ids(self.creative).next().map(|id| id.value.as_str());
        let facts = [
            ("ad_system", Some(self.inline.common.system.name.as_str())),
            ("ad_id", self.id),
            ("title", Some(self.inline.title.as_str())),
            ("advertiser", self.inline.advertiser.as_deref()),
            ("category", self.inline.categories.first().map(|category| category.code.as_str())),
            ("universal_ad_id", universal),
        ];
        for (name, value) in facts {
            if let Some(value) = value.and_then(label) {
                labels.insert(name.to_owned(), value.into());
            }
        }
        labels
    }

    /// The price that the server nearest to us named; it is the one that pays.
    pub(super) fn cpm(&self, source: &Source) -> Option<Money> {
        let prices = self.chain.hops().map(|hop| &hop.common).chain([&self.inline.common]);
        let named = prices.filter_map(|common| common.pricing.as_ref()).find(|pricing| {
            pricing.model == PricingModel::Cpm && pricing.currency.eq_ignore_ascii_case(&source.currency)
        });
        named.map(|pricing| pricing.price).filter(|price| price.micros() >= 0).or(source.cpm)
    }

    /// Everything that the ad and the wrappers around it want to know.
    pub(super) fn tracking(&self) -> Tracking {
        let Self { inline, linear, creative, chain, .. } = self;
        let commons = || chain.hops().map(|hop| &hop.common).chain([&inline.common]);
        let clicks = || chain.linears().map(|linear| &linear.clicks).chain([&linear.clicks]);
        let own_companions = inline.creatives.iter().filter_map(|c| c.companions.as_ref()).flat_map(|c| &c.ads);
        let through = linear.clicks.through.as_ref().or_else(|| clicks().find_map(|clicks| clicks.through.as_ref()));
        Tracking {
            impressions: some(commons().flat_map(|common| &common.impressions)),
            events: some(chain.linears().flat_map(|linear| &linear.tracking).chain(&linear.tracking)),
            click_through: through.map(|beacon| beacon.url.clone()),
            click_tracking: some(clicks().flat_map(|clicks| &clicks.tracking)),
            custom_clicks: some(clicks().flat_map(|clicks| &clicks.custom)),
            errors: some(chain.errors().chain(&inline.common.errors)),
            viewable: some(commons().filter_map(|common| common.viewable.as_ref())),
            verifications: some(commons().flat_map(|common| &common.verifications)),
            companions: some(own_companions.chain(chain.companions())),
            icons: some(linear.icons.iter().chain(chain.linears().flat_map(|linear| &linear.icons))),
            universal_ids: known_ids(creative).cloned().collect(),
            title: label(&inline.title).unwrap_or_default().into(),
            system: label(&inline.common.system.name).unwrap_or_default().into(),
            ad_id: self.id.map(str::to_owned),
            ad_serving_id: inline.ad_serving_id.clone(),
            categories: inline.categories.clone(),
            media_url: self.media.to_string(),
        }
    }
}

/// Ids that tell creatives apart; `unknown` is what a server writes that has none.
fn known_ids(creative: &vast::Creative) -> impl Iterator<Item = &UniversalAdId> {
    let known = |text: &str| !text.is_empty() && !text.eq_ignore_ascii_case("unknown");
    creative.universal_ids.iter().filter(move |id| known(id.value.trim()) && known(id.registry.trim()))
}

fn urls_of(beacons: &[Beacon]) -> Vec<&str> {
    beacons.iter().map(|beacon| &*beacon.url).collect()
}

fn some<'a, T: Clone + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    all.take(MAX_BEACONS).cloned().collect()
}

/// A text as scripts and reports see it; `None` when there is nothing to see.
pub(super) fn label(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    let cut = text.floor_char_boundary(MAX_LABEL_BYTES.min(text.len()));
    (cut > 0).then(|| text.get(..cut).unwrap_or_default().into())
}

fn named(hash: &str, count: Option<u32>) -> Option<Slug> {
    let suffix = count.map(|count| format!("-{count}")).unwrap_or_default();
    format!("{SLUG_PREFIX}{hash}{suffix}").parse().ok()
}

/// Makes slugs unique: an ad server may give one creative twice in a pod, and each is an impression of its own.
pub(super) fn tell_apart(ads: &mut [ResolvedAd]) {
    let mut seen: BTreeMap<Slug, u32> = BTreeMap::new();
    for ad in ads {
        match seen.entry(ad.slug.clone()) {
            Entry::Vacant(first) => drop(first.insert(1)),
            Entry::Occupied(mut again) => {
                *again.get_mut() += 1;
                let hash = ad.slug.as_str().trim_start_matches(SLUG_PREFIX).to_owned();
                if let Some(slug) = named(&hash, Some(*again.get())) {
                    ad.slug = slug;
                }
            }
        }
    }
}
