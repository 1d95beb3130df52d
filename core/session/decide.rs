//! One decision for one viewer and avail: asked once, kept by the session, laid out as a pod.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Session, Sessions,
    aired::{self, Aired},
    offers::{self, Offers},
};
use crate::{
    creatives::{Creatives, Readiness},
    decider::Ask,
    decision::{CreativeLookup, Decision, ExternalAd, Filler, PickedAd, SkipReason},
    domain::{AdType, Avail, AvailId, AvailKind, Beaconing, Event, EventType, Slug, Span},
    origin::Lineup,
    registry::{ChannelRuntime, TenantRuntime},
    stitch::{ladder::Creative, pod::Pod, track::Track},
};

/// Expiry of ad addresses is rounded up to this, so that viewers of one break share them.
const EXPIRY_STEP: u64 = 300;

/// What makes two pods the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PodKey {
    lineup: u64,
    tenant: Slug,
    channel: Slug,
    avail: AvailId,
    /// Ads with the content of their creatives; the slate last.
    ads: Vec<(Slug, Arc<str>)>,
    slate: bool,
    expires: u64,
}

/// Whether an ad is ready, and fits all renditions that this viewer may switch to.
struct Lookup {
    creatives: Arc<Creatives>,
    tenant: Arc<TenantRuntime>,
    lineup: Arc<Lineup>,
    target_duration: u32,
    offers: Offers,
}

impl Lookup {
    fn find(&self, ad: &Slug) -> Result<Arc<Creative>, SkipReason> {
        if let Some(tagged) = self.offers.tagged(ad) {
            return Ok(tagged.creative.clone());
        }
        let none = || match self.tenant.tags.has(ad) {
            true => SkipReason::new("its ad server gave nothing for this viewer in time"),
            false => SkipReason::new("no HLS creative"),
        };
        let url = self.tenant.creative_url(ad).ok_or_else(none)?;
        let creative = match self.creatives.readiness(url) {
            Readiness::Ready(creative) => creative,
            Readiness::Loading => return Err(SkipReason::new("creative not loaded yet")),
            Readiness::Failed(reason) => return Err(SkipReason::new(format!("creative cannot be used: {reason}"))),
        };
        match creative.fits_all(&self.lineup.specs, self.target_duration) {
            Ok(()) => Ok(creative),
            Err(unfit) => Err(SkipReason::new(unfit.to_string())),
        }
    }

    fn picked(&self, picked: &PickedAd) -> Option<Arc<Creative>> {
        match picked.external {
            Some(_) => self.offers.external_ad(&picked.ad).map(|ad| ad.creative.clone()),
            None => self.find(&picked.ad).ok(),
        }
    }
}

impl CreativeLookup for Lookup {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        self.find(ad).map(|creative| creative.duration())
    }

    fn check_external(&self, ad: &ExternalAd) -> Result<Span, SkipReason> {
        // It was loaded and fitted when it was asked for.
        Ok(ad.duration)
    }
}

impl Sessions {
    /// The pod for an avail; empty if nothing fits or anything fails.
    pub(super) async fn decide(
        &self,
        session: &Arc<Session>,
        tenant: &Arc<TenantRuntime>,
        channel: &Arc<ChannelRuntime>,
        avail: &Arc<Avail>,
        track: &Track,
    ) -> Arc<Pod> {
        let offers = offers::take(&self.demand, session, tenant, channel, avail, self.clock.now()).await;
        let external = offers.candidates();
        let lookup = Arc::new(Lookup {
            creatives: self.creatives.clone(),
            tenant: tenant.clone(),
            lineup: session.lineup.clone(),
            target_duration: session.target_duration,
            offers,
        });
        let ask = Ask {
            tenant: tenant.clone(),
            channel: channel.clone(),
            session: session.token.name().to_owned(),
            viewer: session.viewer.clone(),
            avail: avail.clone(),
            ad_type: AdType::Linear,
            creatives: lookup.clone(),
            external,
            at: None,
            explain: false,
            hold: true,
        };
        let decision = self.decider.decide(ask).await.decision;
        let pod = self.pod(session, channel, avail, track, &decision, &lookup);
        let from_servers = decision.pod.iter().enumerate().filter_map(|(position, picked)| {
            let (source, tracking) = lookup.offers.tracked(picked)?;
            let position = u16::try_from(position).ok()?;
            Some(Aired { avail: avail.clone(), position, duration: picked.duration, source, tracking })
        });
        aired::remember(&mut session.state.lock().aired, from_servers);
        self.count_stitched(session, avail, &decision);
        pod
    }

    /// The decision's ads laid out, shared with every session that decided the same.
    fn pod(
        &self,
        session: &Session,
        channel: &ChannelRuntime,
        avail: &Avail,
        track: &Track,
        decision: &Decision,
        lookup: &Lookup,
    ) -> Arc<Pod> {
        let lineup = &session.lineup;
        let picked = decision.pod.iter().filter_map(|picked| Some((picked, lookup.picked(picked)?)));
        let ads: Vec<_> = picked.map(|(picked, found)| (picked.ad.clone(), picked.campaign.clone(), found)).collect();
        let wants_slate = matches!(decision.filler, Filler::Slate { .. }) && avail.kind == AvailKind::Replace;
        let slate = channel.policy.slate.as_ref().filter(|_| wants_slate);
        let slate = slate.and_then(|slug| Some((slug.clone(), lookup.find(slug).ok()?)));
        let Some(reference) = lineup.specs.get(lineup.reference).filter(|_| !ads.is_empty() || slate.is_some()) else {
            return Arc::default();
        };
        let now = u64::try_from(self.clock.now().as_secs()).unwrap_or(0);
        let life = self.settings.link_life.as_secs() + avail.duration.to_std().as_secs();
        let expires = (now + life).next_multiple_of(EXPIRY_STEP);
        let named = ads.iter().map(|(ad, _, creative)| (ad.clone(), creative.id.clone()));
        let key = PodKey {
            lineup: lineup.id,
            tenant: session.tenant().clone(),
            channel: session.channel().clone(),
            avail: avail.id.clone(),
            ads: named.chain(slate.iter().map(|(ad, creative)| (ad.clone(), creative.id.clone()))).collect(),
            slate: slate.is_some(),
            expires,
        };
        self.pods.get_with(key, || {
            // Content resumes at a segment boundary: the slate must reach over the break's end to the next one.
            let reach = Span::from_secs(i64::from(track.target_duration.max(session.target_duration))) * 2;
            let mut pod = Pod::new(ads, slate, avail.duration + reach, reference);
            pod.id = self.next_pod.fetch_add(1, Ordering::Relaxed);
            pod.expires = expires;
            Arc::new(pod)
        })
    }

    /// Impressions where the channel counts what is put into a playlist.
    fn count_stitched(&self, session: &Session, avail: &Avail, decision: &Decision) {
        // As the session's addresses are made: a reload in between must not count twice, or not at all.
        if session.channel.channel.beaconing != Beaconing::Stitch {
            return;
        }
        let event = |(position, picked): (usize, &PickedAd)| Event {
            tenant: session.tenant().clone(),
            channel: Some(session.channel().clone()),
            session: session.token.name().to_owned(),
            viewer: session.viewer.session_id.clone(),
            avail: avail.id.clone(),
            pod_position: u16::try_from(position).unwrap_or(u16::MAX),
            ad: Some(picked.ad.clone()),
            campaign: picked.campaign.clone(),
            event_type: EventType::Impression,
            time: self.clock.now(),
            device: session.viewer.device,
            geo: session.viewer.geo.clone(),
            price: picked.price,
            counted_by: Some(Beaconing::Stitch),
        };
        let events = decision.pod.iter().enumerate().map(event).collect();
        // Queued at once and in order; nobody waits for the disk here.
        drop(self.journal.record(events));
    }
}
