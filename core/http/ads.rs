//! Ads for players and stitchers that are not ours: decided as for our own playlists, handed out with addresses that
//! count what is seen of them. The wire shapes are its callers'.

use std::sync::Arc;

use axum::http::request::Parts;

use super::{Player, beacon, error::Problem};
use crate::{
    creatives::{Creatives, Readiness},
    decider::Ask,
    decision::{CreativeLookup, Decision, Facts, SkipReason},
    domain::{
        Ad, AdType, Avail, AvailId, AvailKind, Campaign, Creative, EventType, ImageCreative, Moment, Position, Slug,
        Span, Viewer,
    },
    media::multivariant::RenditionKind,
    registry::{ChannelRuntime, TenantRuntime},
    stitch::ladder,
    tracking::{Audience, Showing, SigningKey},
};

/// Companions get places of their own behind the pod's, this many for each ad: events are told apart by place.
const COMPANION_PLACES: u16 = 100;

/// Seconds for which [`Links::steady`] gives the same addresses.
const STEADY: u64 = 300;

/// A break somewhere else that is to be filled.
pub struct Break {
    pub tenant: Arc<TenantRuntime>,
    pub channel: Arc<ChannelRuntime>,
    pub viewer: Viewer,
    pub audience: Audience,
    pub avail: AvailId,
    pub position: Position,
    pub duration: Span,
    /// Linear ads, or a non-linear one over the content.
    pub ad_type: AdType,
    /// Decides as if it were then, without consequences; `None`: now.
    pub at: Option<Moment>,
    pub explain: bool,
}

/// What a break is filled with.
pub struct Filled {
    /// In play order.
    pub ads: Vec<ShownAd>,
    pub decision: Decision,
    /// Of the break itself: what a "no ad" answer reports with.
    pub nothing: Showing,
}

/// An ad in its place.
pub struct ShownAd {
    pub ad: Ad,
    pub campaign: Option<Campaign>,
    pub duration: Span,
    pub media: Media,
    pub companions: Vec<ShownCompanion>,
    pub showing: Showing,
}

pub enum Media {
    Stream { url: String, creative: Arc<ladder::Creative> },
    Picture(ImageCreative),
}

pub struct ShownCompanion {
    pub ad: Ad,
    pub picture: ImageCreative,
    pub showing: Showing,
}

/// The renditions with pictures, as the playlist lists them.
pub fn variants(creative: &ladder::Creative) -> impl Iterator<Item = &ladder::Rung> {
    creative.rungs.iter().filter(|rung| rung.spec.kind == RenditionKind::Variant)
}

/// Writes addresses that count.
pub struct Links {
    /// Up to and with the tenant: `https://ads.example.com/fast/acme/`.
    base: String,
    key: SigningKey,
    /// Seconds since the epoch.
    expires: u64,
    /// Seconds.
    life: u64,
}

impl Links {
    pub fn new(player: &Player, tenant: &TenantRuntime, parts: &Parts) -> Result<Self, Problem> {
        let base = format!("{}/fast/{}/", player.base_url(parts)?, tenant.manifest.tenant.slug);
        let now = u64::try_from(player.clock.now().as_secs()).unwrap_or(0);
        let life = player.link_life.as_secs();
        Ok(Self { base, key: tenant.url_key.clone(), expires: now + life, life })
    }

    /// With addresses that stay the same for some minutes: for those who ask again and again.
    #[must_use]
    pub fn steady(self) -> Self {
        Self { expires: self.expires.next_multiple_of(STEADY), ..self }
    }

    /// How long these addresses are good, in seconds.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// A name of this one showing, the same wherever it is reported.
    pub fn serving_id(&self, showing: &Showing) -> String {
        format!("{}-{}-{}", showing.audience.session(&self.key), showing.avail, showing.position)
    }

    /// Counts an event; answers nothing.
    pub fn plain(&self, showing: &Showing, event: EventType) -> String {
        self.with(showing, event, "", None)
    }

    /// Counts an event; answers a picture.
    pub fn pixel(&self, showing: &Showing, event: EventType) -> String {
        self.with(showing, event, beacon::PIXEL, None)
    }

    /// Counts a click and leads on.
    pub fn click(&self, showing: &Showing, to: &str) -> String {
        self.with(showing, EventType::Click, "", Some(to))
    }

    fn with(&self, showing: &Showing, event: EventType, ending: &str, to: Option<&str>) -> String {
        format!("{}{}", self.base, showing.link(&self.key, event, self.expires, ending, to))
    }
}

impl Break {
    /// Decides which ads play.
    pub async fn fill(self, player: &Player) -> Filled {
        let start = self.at.unwrap_or_else(|| player.clock.now());
        let avail = Avail {
            id: self.avail.clone(),
            start,
            duration: self.duration,
            kind: AvailKind::Insert,
            position: self.position,
            closed: true,
            source: "request".to_owned(),
            metadata: Default::default(),
        };
        let creatives: Arc<dyn CreativeLookup + Send + Sync> = match self.ad_type {
            AdType::NonLinear => Arc::new(Pictures { tenant: self.tenant.clone(), whole: self.duration }),
            AdType::Linear | AdType::Companion => {
                Arc::new(Streams { tenant: self.tenant.clone(), creatives: player.creatives.clone() })
            }
        };
        let ask = Ask {
            tenant: self.tenant.clone(),
            channel: self.channel.clone(),
            session: self.audience.session(&self.tenant.url_key),
            viewer: self.viewer.clone(),
            avail: Arc::new(avail),
            ad_type: self.ad_type,
            creatives,
            external: Arc::from([]),
            at: self.at,
            explain: self.explain,
            hold: self.at.is_none(),
        };
        let decision = player.decider.decide(ask).await.decision;
        let picked = decision.pod.iter().enumerate();
        let ads = picked.filter_map(|(place, picked)| {
            let place = u16::try_from(place).ok()?;
            self.shown(player, place, &picked.ad, picked.duration, start)
        });
        Filled { ads: ads.collect(), nothing: self.showing(0, None), decision }
    }

    /// `None` for what has been taken away since the decision, or is not ours.
    fn shown(&self, player: &Player, place: u16, slug: &Slug, duration: Span, now: Moment) -> Option<ShownAd> {
        let ad = self.tenant.ad(slug.as_str())?.clone();
        let campaign = ad.campaign.as_ref().and_then(|slug| self.tenant.campaign(slug)).cloned();
        let media = match ad.creative.as_ref()? {
            Creative::Image(picture) => Media::Picture(picture.clone()),
            Creative::Hls(url) => match player.creatives.readiness(self.tenant.creative_url(slug)?) {
                Readiness::Ready(creative) => Media::Stream { url: url.clone(), creative },
                Readiness::Loading | Readiness::Failed(_) => return None,
            },
        };
        let companions = campaign.as_ref().map(|campaign| self.companions(place, &campaign.slug, now));
        let duration = if self.ad_type == AdType::NonLinear { ad.duration } else { duration };
        let showing = self.showing(place, Some(slug.clone()));
        Some(ShownAd { ad, campaign, duration, media, companions: companions.unwrap_or_default(), showing })
    }

    fn companions(&self, place: u16, campaign: &Slug, now: Moment) -> Vec<ShownCompanion> {
        let facts = Facts {
            viewer: &self.viewer,
            channel: self.channel.channel.slug.as_str(),
            now: self.tenant.index.local_time(now),
        };
        let found = self.tenant.companions.of(campaign, &facts).filter_map(|slug| self.tenant.ad(slug.as_str()));
        let pictures = found.filter_map(|ad| match &ad.creative {
            Some(Creative::Image(picture)) => Some((ad.clone(), picture.clone())),
            Some(Creative::Hls(_)) | None => None,
        });
        let first = place.saturating_add(1).saturating_mul(COMPANION_PLACES);
        let placed = (first..first.saturating_add(COMPANION_PLACES)).zip(pictures);
        placed
            .map(|(place, (ad, picture))| ShownCompanion {
                showing: self.showing(place, Some(ad.slug.clone())),
                ad,
                picture,
            })
            .collect()
    }

    fn showing(&self, position: u16, ad: Option<Slug>) -> Showing {
        Showing {
            channel: self.channel.channel.slug.clone(),
            audience: self.audience.clone(),
            avail: self.avail.clone(),
            position,
            ad,
            geo: self.viewer.geo.clone(),
            device: self.viewer.device,
        }
    }
}

/// Linear ads, as they were measured. Whoever asked from elsewhere plays any ladder.
struct Streams {
    tenant: Arc<TenantRuntime>,
    creatives: Arc<Creatives>,
}

impl CreativeLookup for Streams {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        let url = self.tenant.creative_url(ad).ok_or_else(|| SkipReason::new("no HLS creative"))?;
        match self.creatives.readiness(url) {
            Readiness::Ready(creative) => Ok(creative.duration()),
            Readiness::Loading => Err(SkipReason::new("creative not loaded yet")),
            Readiness::Failed(reason) => Err(SkipReason::new(format!("creative cannot be used: {reason}"))),
        }
    }
}

/// Non-linear ads. Each has the break to itself: there is one place over the content.
struct Pictures {
    tenant: Arc<TenantRuntime>,
    whole: Span,
}

impl CreativeLookup for Pictures {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        match self.tenant.ad(ad.as_str()).and_then(|ad| ad.creative.as_ref()) {
            Some(Creative::Image(_)) => Ok(self.whole),
            Some(Creative::Hls(_)) | None => Err(SkipReason::new("no picture")),
        }
    }
}
