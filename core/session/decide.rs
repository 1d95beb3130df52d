//! One decision for one viewer and avail: asked once, kept by the session, laid out as a pod.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;

use super::{
    Session, Sessions,
    aired::{self, Aired},
    offers::{self, Offers},
};
use crate::{
    creatives::{Creatives, Readiness},
    decider::Ask,
    decision::{CreativeLookup, Decision, ExternalAd, Filler, PickedAd, SkipReason},
    demand::Order,
    domain::{AdType, Avail, AvailId, AvailKind, Beaconing, Moment, Slug, Span},
    origin::Lineup,
    registry::{ChannelRuntime, TenantRuntime},
    stitch::{ladder::Creative, pod::Pod, track::Track},
    tracking::outbox::Kept,
};

/// Expiry of ad addresses is rounded up to this, so that viewers of one break share them.
const EXPIRY_STEP: u64 = 300;

/// How long a playlist waits for the disk to have what third parties are to be told. It is kept all the same.
const ORDER_PATIENCE: Duration = Duration::from_millis(250);

/// An ad that was chosen and is there: its place among these is its place in the pod.
pub(super) struct Laid<'a> {
    pub picked: &'a PickedAd,
    pub creative: Arc<Creative>,
}

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
        let laid: Vec<Laid<'_>> =
            decision.pod.iter().filter_map(|picked| Some(Laid { picked, creative: lookup.picked(picked)? })).collect();
        let pod = self.pod(session, channel, avail, track, &decision, &laid, &lookup);
        self.keep_beacons(session, avail, &laid, &lookup, &pod).await;
        self.report_decided(session, avail, &laid);
        pod
    }

    /// Keeps what ad servers gave along with their ads: for the player, or for us to fire. The playlist waits for the
    /// disk, so that no event of an ad can come before what it calls for is known; but not for long.
    async fn keep_beacons(
        &self,
        session: &Arc<Session>,
        avail: &Arc<Avail>,
        laid: &[Laid<'_>],
        lookup: &Lookup,
        pod: &Pod,
    ) {
        let from_servers: Vec<(Aired, &Slug)> = laid
            .iter()
            .zip(0..)
            .filter_map(|(laid, position)| {
                let (source, tracking) = lookup.offers.tracked(laid.picked)?;
                let duration = laid.picked.duration;
                Some((Aired { avail: avail.clone(), position, duration, source, tracking }, &laid.picked.ad))
            })
            .collect();
        if from_servers.is_empty() {
            return;
        }
        let expires = Moment(i64::try_from(pod.expires).unwrap_or(0).saturating_mul(1_000_000));
        let context = offers::context(session, avail.clone());
        let keep = |(aired, ad): &(Aired, &Slug)| {
            let order = Order::new(&aired.source, &context, &aired.tracking, aired.position, aired.duration);
            // Nobody wants to know.
            order.counts().next()?;
            Some(self.outbox.keep(&Kept {
                tenant: session.tenant(),
                session: session.token.name(),
                avail: &avail.id,
                pod_position: aired.position,
                channel: session.channel(),
                ad,
                order: &order,
                expires,
            }))
        };
        // A player that reports itself tells them itself.
        let ours = session.beaconing != Beaconing::Client;
        let kept: Vec<_> = from_servers.iter().filter(|_| ours).filter_map(keep).collect();
        if tokio::time::timeout(ORDER_PATIENCE, join_all(kept)).await.is_err() {
            metrics::counter!("cuetone_beacon_orders_slow_total").increment(1);
        }
        aired::remember(&mut session.state.lock().aired, from_servers.into_iter().map(|(aired, _)| aired));
    }

    /// The decision's ads laid out, shared with every session that decided the same.
    #[expect(clippy::too_many_arguments, reason = "one step of `decide`, split off for reading")]
    fn pod(
        &self,
        session: &Session,
        channel: &ChannelRuntime,
        avail: &Avail,
        track: &Track,
        decision: &Decision,
        laid: &[Laid<'_>],
        lookup: &Lookup,
    ) -> Arc<Pod> {
        let lineup = &session.lineup;
        let ads: Vec<_> = laid
            .iter()
            .map(|Laid { picked, creative }| (picked.ad.clone(), picked.campaign.clone(), creative.clone()))
            .collect();
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
}
