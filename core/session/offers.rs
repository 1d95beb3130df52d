//! What ad servers offer for a viewer's breaks: asked ahead of them, taken when they are decided.
//!
//! Two kinds: a channel's own ad server, whose ads compete with the tenant's, and tags of single ads, which give those
//! their creatives. Knows when to ask; how to ask is `demand`'s business.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::Session;
use crate::{
    decision::{ExternalAd, PickedAd},
    demand::{BreakPlace, Demand, Fits, Owner, ResolvedAd, Source, Tracking, ViewerContext},
    domain::{Avail, AvailId, AvailKind, Moment, Position, Slug, Span},
    registry::{ChannelRuntime, TenantRuntime},
};

/// How long a live viewer's playlist waits for an answer that was not asked for in time. Then own ads play.
const LIVE_PATIENCE: Duration = Duration::from_millis(300);

/// What is on offer for one break.
#[derive(Default)]
pub struct Offers {
    /// The channel's ad server's, in its order.
    pub external: Vec<ResolvedAd>,
    /// What tags gave for own ads.
    pub tagged: Vec<(Slug, ResolvedAd, Arc<Source>)>,
    /// Where the external ads are from.
    pub server: Option<Arc<Source>>,
    /// Priority of external ads.
    priority: i32,
}

impl Offers {
    pub fn external_ad(&self, slug: &Slug) -> Option<&ResolvedAd> {
        self.external.iter().find(|ad| ad.slug == *slug)
    }

    pub fn tagged(&self, ad: &Slug) -> Option<&ResolvedAd> {
        self.tagged.iter().find(|(tagged, ..)| tagged == ad).map(|(_, resolved, _)| resolved)
    }

    /// The ad server that gave an ad, and what it wants to know of it.
    pub fn tracked(&self, picked: &PickedAd) -> Option<(Arc<Source>, Arc<Tracking>)> {
        if picked.external.is_some() {
            return Some((self.server.clone()?, self.external_ad(&picked.ad)?.tracking.clone()));
        }
        let (_, resolved, source) = self.tagged.iter().find(|(tagged, ..)| *tagged == picked.ad)?;
        Some((source.clone(), resolved.tracking.clone()))
    }

    /// As a decision is to see the ad server's ads.
    pub fn candidates(&self) -> Arc<[ExternalAd]> {
        let ads = self.external.iter().map(|ad| ExternalAd {
            slug: ad.slug.clone(),
            duration: ad.duration,
            priority: self.priority,
            cpm_micros: ad.cpm.map_or(0, |cpm| cpm.micros()),
            category: ad.category.as_deref().map(ToOwned::to_owned),
            labels: ad.labels.clone(),
            sequence: ad.sequence,
        });
        ads.collect()
    }
}

/// Who is to be asked for this viewer: the channel's ad server and the tags of ads that may play here by their rules.
fn sources<'a>(
    session: &'a Session,
    tenant: &'a TenantRuntime,
    channel: &'a ChannelRuntime,
    now: Moment,
) -> Vec<&'a Source> {
    let tags = tenant.tags.allowed(&session.viewer, session.channel(), tenant.index.local_time(now));
    channel.ad_server.iter().chain(tags).collect()
}

/// Asks ahead of the next break. Costs a look-up a source when that was done already.
pub fn prefetch(
    demand: &Arc<Demand>,
    session: &Arc<Session>,
    tenant: &TenantRuntime,
    channel: &ChannelRuntime,
    avail: Option<&Arc<Avail>>,
    now: Moment,
) {
    if !tenant.has_demand(channel) {
        return;
    }
    for source in sources(session, tenant, channel, now) {
        let key = key(session, avail.map(|avail| &**avail));
        demand.prefetch(&key, source, || context(session, avail.cloned().unwrap_or_else(|| expected(channel))));
    }
}

/// Takes what was asked for. A film is written once: its viewer waits as long as the ad server may take.
pub async fn take(
    demand: &Arc<Demand>,
    session: &Arc<Session>,
    tenant: &TenantRuntime,
    channel: &ChannelRuntime,
    avail: &Arc<Avail>,
    now: Moment,
) -> Offers {
    let mut offers = Offers::default();
    if !tenant.has_demand(channel) {
        return offers;
    }
    offers.priority = channel.channel.ad_server.as_ref().map_or(0, |server| server.priority);
    let key = key(session, Some(avail));
    let asked = sources(session, tenant, channel, now).into_iter().map(|source| {
        let (key, within) = (&key, if session.lineup.ended { source.timeout } else { LIVE_PATIENCE });
        async move {
            // Not asked ahead: asked now.
            demand.prefetch(key, source, || context(session, avail.clone()));
            (source, demand.take(key, source, within).await)
        }
    });
    for (source, resolution) in join_all(asked).await {
        let ads = resolution.into_iter().flat_map(|resolution| resolution.ads);
        match &source.owner {
            Owner::Channel(_) => {
                offers.external.extend(ads.filter(|ad| ad.duration <= avail.duration));
                offers.server = Some(Arc::new(source.clone()));
            }
            Owner::Ad { ad, .. } => {
                offers.tagged.extend(ads.take(1).map(|resolved| (ad.clone(), resolved, Arc::new(source.clone()))));
            }
        }
    }
    offers
}

/// Live breaks come one after the other and take what is there; those of a title are known at once.
fn key(session: &Session, avail: Option<&Avail>) -> String {
    match avail.filter(|_| session.lineup.ended) {
        Some(avail) => format!("{}/{}", session.token.name(), avail.id),
        None => session.token.name().to_owned(),
    }
}

/// The break that will come, as far as one can know.
fn expected(channel: &ChannelRuntime) -> Arc<Avail> {
    Arc::new(Avail {
        id: AvailId::new("next"),
        start: Default::default(),
        duration: channel.channel.ad_break_duration,
        kind: AvailKind::Replace,
        position: Position::MidRoll,
        closed: false,
        source: "expected".to_owned(),
        metadata: Default::default(),
    })
}

pub(super) fn context(session: &Arc<Session>, avail: Arc<Avail>) -> ViewerContext {
    let (lineup, target) = (session.lineup.clone(), session.target_duration);
    let pre_roll = avail.position == Position::PreRoll;
    ViewerContext {
        client: session.client.clone(),
        viewer: session.viewer.clone(),
        session: session.token.name().into(),
        channel: session.channel().clone(),
        place: match session.title.get() {
            Some(title) => BreakPlace {
                offset: Some(avail.start - title.track.start()),
                content: Some(title.track.end() - title.track.start()),
                number: None,
            },
            None => BreakPlace { offset: pre_roll.then_some(Span::ZERO), ..BreakPlace::default() },
        },
        avail,
        fits: Fits(Arc::new(move |creative| creative.fits_all(&lineup.specs, target))),
    }
}
