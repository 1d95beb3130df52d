//! One decision for one viewer and avail: asked once, kept by the session, explained in a trace.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{Session, Sessions};
use crate::{
    creatives::{Creatives, Readiness},
    decision::{self, CreativeLookup, Decision, DecisionRequest, Filler, SkipReason},
    domain::{Avail, AvailId, AvailKind, Beaconing, Event, EventType, Slug, Span},
    origin::Lineup,
    registry::{ChannelRuntime, TenantRuntime},
    stitch::{ladder::Creative, pod::Pod, track::Track},
};

/// How long a viewer's playlist waits for the tenant's decisions before it. Then content plays.
const PATIENCE: Duration = Duration::from_millis(300);

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
struct Lookup<'a> {
    creatives: &'a Creatives,
    tenant: &'a TenantRuntime,
    lineup: &'a Lineup,
    target_duration: u32,
}

impl Lookup<'_> {
    fn find(&self, ad: &Slug) -> Result<Arc<Creative>, SkipReason> {
        let url = self.tenant.creative_url(ad).ok_or_else(|| SkipReason::new("no HLS creative"))?;
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
}

impl CreativeLookup for Lookup<'_> {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        self.find(ad).map(|creative| creative.duration())
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
        let outcome = |name: &'static str| {
            metrics::counter!("cuetone_decisions_total", "tenant" => session.tenant().to_string(), "outcome" => name)
                .increment(1);
        };
        let turn = tokio::time::timeout(PATIENCE, tenant.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            outcome("no_turn");
            tracing::warn!(tenant = %session.tenant(), avail = %avail.id, "no turn for a decision in time: content plays");
            return Arc::default();
        };
        let started = Instant::now();
        let job = {
            let (session, tenant, channel, avail) = (session.clone(), tenant.clone(), channel.clone(), avail.clone());
            let creatives = self.creatives.clone();
            let now = self.clock.now();
            let seed = self.seed(&session, &avail);
            move || {
                let _turn = turn;
                let lookup = Lookup {
                    creatives: &creatives,
                    tenant: &tenant,
                    lineup: &session.lineup,
                    target_duration: session.target_duration,
                };
                let seen: BTreeMap<Slug, u32> = session.state.lock().seen.iter().cloned().collect();
                let request = DecisionRequest {
                    session: session.token.name(),
                    viewer: &session.viewer,
                    avail: &avail,
                    now,
                    seed,
                    seen: &seen,
                    micros: &|| u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
                };
                decision::decide(&tenant.index, &channel.policy, &request, &lookup)
            }
        };
        // Scripts run off the async threads: one that hangs until its deadline holds up nobody else.
        let Ok(decision) = tokio::task::spawn_blocking(job).await else {
            outcome("failed");
            return Arc::default();
        };
        metrics::histogram!("cuetone_decision_seconds").record(started.elapsed().as_secs_f64());
        let pod = self.pod(session, tenant, channel, avail, track, &decision);
        outcome(if decision.pod.is_empty() { "empty" } else { "filled" });
        self.note(session, channel, avail, decision);
        pod
    }

    /// The decision's ads laid out, shared with every session that decided the same.
    fn pod(
        &self,
        session: &Session,
        tenant: &TenantRuntime,
        channel: &ChannelRuntime,
        avail: &Avail,
        track: &Track,
        decision: &Decision,
    ) -> Arc<Pod> {
        let lineup = &session.lineup;
        let lookup = Lookup { creatives: &self.creatives, tenant, lineup, target_duration: session.target_duration };
        let find = |ad: &Slug| lookup.find(ad).ok();
        let picked = decision.pod.iter().filter_map(|picked| Some((picked, find(&picked.ad)?)));
        let ads: Vec<_> = picked.map(|(picked, found)| (picked.ad.clone(), picked.campaign.clone(), found)).collect();
        let wants_slate = matches!(decision.filler, Filler::Slate { .. }) && avail.kind == AvailKind::Replace;
        let slate =
            channel.policy.slate.as_ref().filter(|_| wants_slate).and_then(|slug| Some((slug.clone(), find(slug)?)));
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

    /// Remembers what was decided: for caps, for whoever asks why, and as impressions where the channel counts so.
    fn note(&self, session: &Session, channel: &ChannelRuntime, avail: &Avail, decision: Decision) {
        {
            let mut state = session.state.lock();
            for picked in &decision.pod {
                match state.seen.iter_mut().find(|(ad, _)| *ad == picked.ad) {
                    Some((_, count)) => *count += 1,
                    None => {
                        state.seen.reserve_exact(1);
                        state.seen.push((picked.ad.clone(), 1));
                    }
                }
            }
        }
        // As the session's addresses are made: a reload in between must not count twice, or not at all.
        if session.channel.channel.beaconing == Beaconing::Stitch {
            let event = |(position, picked): (usize, &decision::PickedAd)| Event {
                tenant: session.tenant().clone(),
                channel: session.channel().clone(),
                session: session.token.name().to_owned(),
                viewer: session.viewer.session_id.clone(),
                avail: avail.id.clone(),
                pod_position: u16::try_from(position).unwrap_or(u16::MAX),
                ad: picked.ad.clone(),
                campaign: picked.campaign.clone(),
                event_type: EventType::Impression,
                time: self.clock.now(),
                device: session.viewer.device,
                geo: session.viewer.geo.clone(),
                counted_by: Beaconing::Stitch,
            };
            let events = decision.pod.iter().enumerate().map(event).collect();
            // Queued at once and in order; nobody waits for the disk here.
            drop(self.journal.record(events));
        }
        channel.traces.add(decision.trace);
    }

    /// The same for a session and avail, whenever and wherever it is asked: a decision can be replayed.
    fn seed(&self, session: &Session, avail: &Avail) -> u64 {
        let digest = Sha256::new_with_prefix(session.token.name()).chain_update(avail.id.as_str()).finalize();
        digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }
}
