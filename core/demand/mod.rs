//! Demand of others: ads that external ad servers give, by VAST and VMAP.
//!
//! [`Demand::resolve`] asks a source for a viewer's break: it follows wrappers within one deadline, keeps pods in order,
//! replaces what fails, and answers with ads whose creatives are loaded and measured. [`Demand::prefetch`] does so ahead
//! of the break and [`Demand::take`] gives the answer, so that no playlist waits. An [`Order`] keeps what it takes to
//! tell third parties of an ad, and [`Demand::send`] does.
//!
//! Every address goes through `outbound` and its guard. Deliberately does not know tenants' campaigns, which ads win, or
//! when a break is due.

mod ad;
mod ask;
mod chain;
mod failure;
mod filler;
mod fire;
mod gate;
pub mod limits;
mod order;
mod play;
mod prefetch;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod viewer;
mod vmap;
mod walk;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use url::Url;

pub use self::{
    ad::{ResolvedAd, Tracking},
    failure::{Failure, Outcome},
    filler::Filler,
    fire::Sent,
    order::{Order, Told},
    source::{Owner, Source},
    values::{AdValues, Values},
    viewer::{BreakPlace, Client, Fits, ViewerContext},
    vmap::Break,
};
use self::{
    fire::Beacons,
    gate::Gates,
    limits::PREFETCH_MEDIA_TIME,
    prefetch::{Key, Prefetches},
    values::Facts,
    walk::{Patience, Walk},
};
use crate::{creatives::Creatives, domain::Clock, extension::Monotonic, outbound::Outbound};

/// What an ad server gave for one break.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// In the order in which they are to play; each fits the break by itself.
    pub ads: Vec<ResolvedAd>,
    pub outcome: Outcome,
    /// What came to nothing, for whoever asks why.
    pub failures: Vec<Failure>,
    /// The VMAP break that the ads are of: it has beacons of its own.
    pub of_break: Option<Break>,
}

impl Resolution {
    fn weight(&self) -> usize {
        self.ads.iter().map(|ad| size_of::<ResolvedAd>() + ad.tracking.weight()).sum::<usize>()
            + self.of_break.as_ref().map_or(0, Break::weight)
    }
}

/// What [`Demand`] works with.
pub struct Parts {
    pub outbound: Outbound,
    pub creatives: Arc<Creatives>,
    pub clock: Arc<dyn Clock>,
    /// For cool-downs.
    pub monotonic: Monotonic,
    /// For cache busters.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

pub struct Demand {
    outbound: Outbound,
    creatives: Arc<Creatives>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Fn() -> u64 + Send + Sync>,
    gates: Gates,
    prefetches: Arc<Prefetches>,
    beacons: Beacons,
}

impl Demand {
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { outbound, creatives, clock, monotonic, random } = parts;
        Arc::new(Self {
            beacons: Beacons::new(outbound.clone()),
            gates: Gates::new(monotonic),
            prefetches: Arc::new(Prefetches::new()),
            outbound,
            creatives,
            clock,
            random,
        })
    }

    /// Asks the source for ads, now. Answers within `deadline`, whatever the ad server does; error URLs are told in the
    /// background.
    pub async fn resolve(&self, source: &Source, context: &ViewerContext, deadline: Duration) -> Resolution {
        let until = Instant::now() + deadline;
        self.ask("resolve", source, context, Patience { tags: until, media: until, hurry: None }).await
    }

    /// Begins to ask the source for a viewer's next break, unless that is under way or done. Costs a look-up then, and
    /// may be called with every playlist. `session` is any text that names the viewer, or the viewer and the break where
    /// several are known ahead.
    pub fn prefetch(self: &Arc<Self>, session: &str, source: &Source, context: impl FnOnce() -> ViewerContext) {
        let Some(started) = self.prefetches.start(Key::new(session, source), self.clock.now()) else { return };
        let (demand, source, context) = (self.clone(), source.clone(), context());
        tokio::spawn(async move {
            let tags = Instant::now() + source.timeout;
            let patience = Patience { tags, media: tags + PREFETCH_MEDIA_TIME, hurry: Some(started.hurry()) };
            let resolution = demand.ask("prefetch", &source, &context, patience).await;
            started.done(resolution, demand.clock.now());
        });
    }

    /// The answer that was prefetched, if it is there within that time. An ad server's answer is for one break: it is
    /// given once. One that is not there in time is kept for the next break.
    pub async fn take(&self, session: &str, source: &Source, within: Duration) -> Option<Resolution> {
        let key = Key::new(session, source);
        let taken = self.prefetches.take(&key, within, || self.clock.now()).await;
        let outcome = if taken.is_some() { "taken" } else { "missed" };
        metrics::counter!("cuetone_prefetches_total", "outcome" => outcome).increment(1);
        taken
    }

    /// What macros of this viewer's URLs stand for now.
    pub fn values<'a>(&self, source: &'a Source, context: &'a ViewerContext) -> Values<'a> {
        self.values_of(source, context, Arc::new(Facts::of(source, context)))
    }

    fn values_of<'a>(&self, source: &'a Source, context: &'a ViewerContext, facts: Arc<Facts>) -> Values<'a> {
        let (now, random) = (self.clock.now(), (self.random)());
        Values { source, context, now, random, code: None, ad: AdValues::default(), facts }
    }

    /// Sends beacons with their macros filled, as from the viewer: best effort, in the background.
    pub fn fire<'u>(&self, urls: impl IntoIterator<Item = &'u str>, values: &Values<'_>) {
        self.beacons.fire(urls, values, &values.context.client, values.source.forwarded_for);
    }

    /// Sends one beacon of an order, and waits for what becomes of it.
    pub async fn send(&self, order: &Order, url: &Url) -> Sent {
        let sent = fire::send(&self.outbound, url, &order.headers()).await;
        fire::count(sent.as_str());
        sent
    }

    async fn ask(
        &self,
        call: &'static str,
        source: &Source,
        context: &ViewerContext,
        patience: Patience,
    ) -> Resolution {
        let begun = Instant::now();
        let walked = Walk::new(self, source, context, patience).run().await;
        let outcome = match walked.failures.first() {
            _ if !walked.ads.is_empty() => Outcome::Filled,
            Some(failure) => failure.outcome,
            None => Outcome::NoAd,
        };
        let tenant = source.tenant.to_string();
        metrics::counter!("cuetone_demand_total", "tenant" => tenant, "outcome" => outcome.as_str()).increment(1);
        metrics::histogram!("cuetone_demand_seconds", "call" => call).record(begun.elapsed().as_secs_f64());
        Resolution { ads: walked.ads, outcome, failures: walked.failures, of_break: walked.of_break }
    }
}
