//! Decisions for whoever has a break to fill: in the tenant's turn, off the async threads, with the viewer's history,
//! with budget held, explained, written down, and tried anew by scripts on trial.
//!
//! [`decision`](crate::decision) decides; this gathers what it is asked with and sees to what follows. Deliberately does
//! not know sessions, playlists or HTTP.

mod exposures;
mod log;
mod spend;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use self::spend::Purse;
pub use self::{
    exposures::{Exposures, Viewing},
    log::DecisionLog,
};
use crate::{
    decision::{
        self, ChannelPolicy, CreativeLookup, Decision, DecisionRecord, DecisionRequest, Detail, Exposure, ExternalAd,
        Filler, Trace,
    },
    domain::{AdType, Avail, Clock, Moment, Slug, Span, Viewer},
    extension::Counters,
    ledger::Ledger,
    registry::{ChannelRuntime, TenantRuntime, TrialRuntime},
};

/// How long a break waits for the tenant's decisions before it. Then content plays.
const PATIENCE: Duration = Duration::from_millis(300);

/// Decisions made anew because budget was gone between looking and taking. Each names a campaign that the next one does
/// without; a pod has a dozen at most.
const MAX_ROUNDS: usize = 16;

/// How long a break waits for the ledger to lease more, where a campaign that could fill it has nothing here, and how
/// often it looks. A lease takes a few milliseconds.
const LEASE_PATIENCE: Duration = Duration::from_millis(100);
const LEASE_LOOK: Duration = Duration::from_millis(5);

/// Budget stays held until the break is over and for this long, so that a player may be behind.
const HOLD_AFTER: Span = Span::from_secs(120);

/// One break to be filled.
pub struct Ask {
    pub tenant: Arc<TenantRuntime>,
    pub channel: Arc<ChannelRuntime>,
    /// Our name of the viewer's session.
    pub session: String,
    pub viewer: Viewer,
    pub avail: Arc<Avail>,
    /// Which ads compete: linear ones for the stream, non-linear ones for what is over it.
    pub ad_type: AdType,
    pub creatives: Arc<dyn CreativeLookup + Send + Sync>,
    /// What the channel's ad server offers for this break.
    pub external: Arc<[ExternalAd]>,
    /// Decides as if it were then; `None`: now.
    pub at: Option<Moment>,
    /// Explains every candidate.
    pub explain: bool,
    /// The viewer is going to be shown this: holds budget and counts for caps. Otherwise it is only a question.
    pub hold: bool,
}

pub struct Decided {
    pub decision: Decision,
}

/// What a [`Decider`] works with.
pub struct Parts {
    pub exposures: Exposures,
    pub ledger: Arc<Ledger>,
    pub log: Arc<DecisionLog>,
    pub clock: Arc<dyn Clock>,
}

pub struct Decider(Parts);

/// A question with all that is known when it is decided.
struct Question {
    ask: Ask,
    now: Moment,
    seed: u64,
    history: Vec<Exposure>,
    counters: Counters,
    detail: Detail,
}

/// What came of deciding once.
enum Attempt {
    Decided(Box<Decision>),
    /// Time is left over, and these campaigns could fill it if they had a lease here.
    Starved(Vec<Slug>),
}

impl Decider {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self(parts))
    }

    /// Begins to read what a viewer has seen before, so that the first break need not wait for it.
    pub fn expect(self: &Arc<Self>, tenant: &TenantRuntime, viewer: Option<&str>, session: &str) {
        let Some(viewer) = viewer.map(ToOwned::to_owned).filter(|_| tenant.remembers_viewers) else { return };
        let (decider, tenant, session) = (self.clone(), tenant.manifest.tenant.slug.clone(), session.to_owned());
        tokio::spawn(async move {
            let viewing = decider.0.exposures.of(&tenant, Some(&viewer), &session);
            decider.0.exposures.history(&viewing, &tenant, Some(&viewer), &session, decider.0.clock.now()).await;
        });
    }

    /// Knows no longer what a viewer was given; the name is the caller's or one of our sessions'.
    pub fn forget(&self, tenant: &Slug, name: &str) {
        self.0.exposures.forget(tenant, name);
    }

    /// Never fails: where nothing can be decided in time the pod is empty.
    pub async fn decide(self: &Arc<Self>, ask: Ask) -> Decided {
        let tenant = ask.tenant.manifest.tenant.slug.clone();
        let outcome = |name: &'static str| {
            metrics::counter!("cuetone_decisions_total", "tenant" => tenant.to_string(), "outcome" => name)
                .increment(1);
        };
        let now = ask.at.unwrap_or_else(|| self.0.clock.now());
        let turn = tokio::time::timeout(PATIENCE, ask.tenant.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            outcome("no_turn");
            tracing::warn!(%tenant, avail = %ask.avail.id, "no turn for a decision in time: content plays");
            return Decided { decision: nothing(&ask, now) };
        };
        let started = Instant::now();
        let named = ask.viewer.session_id.clone();
        let viewing = self.0.exposures.of(&tenant, named.as_deref(), &ask.session);
        let history = self.0.exposures.history(&viewing, &tenant, named.as_deref(), &ask.session, now).await;
        // Explaining costs a text for each ad: where there are many, only who asks gets it.
        let detail = if ask.explain || ask.tenant.index.len() <= EXPLAINED { Detail::Full } else { Detail::Brief };
        let counters = ask.tenant.counters.now();
        let question = Arc::new(Question { seed: seed(&ask), ask, now, history, counters, detail });
        let mut patient = question.ask.hold;
        let decided = loop {
            let (decider, asked) = (self.clone(), question.clone());
            // Scripts run off the async threads: one that hangs until its deadline holds up nobody else.
            match question.ask.tenant.lane.run(move || decider.decide_now(&asked, patient)).await {
                Ok(Attempt::Decided(decision)) => break Some(*decision),
                Ok(Attempt::Starved(campaigns)) => self.await_lease(&tenant, &campaigns).await,
                Err(error) => {
                    tracing::warn!(%tenant, avail = %question.ask.avail.id, %error, "no decision: content plays");
                    break None;
                }
            }
            patient = false;
        };
        drop(turn);
        let Some(decision) = decided else {
            outcome("failed");
            return Decided { decision: nothing(&question.ask, now) };
        };
        metrics::histogram!("cuetone_decision_seconds").record(started.elapsed().as_secs_f64());
        outcome(if decision.pod.is_empty() { "empty" } else { "filled" });
        let ask = &question.ask;
        if ask.hold {
            viewing.add(
                &ask.session,
                now,
                decision.pod.iter().map(|picked| (picked.ad.clone(), picked.campaign.clone())),
            );
        }
        ask.channel.traces.add(decision.trace.clone());
        Decided { decision }
    }

    /// Until one of these campaigns has something to give here, or it takes too long.
    async fn await_lease(&self, tenant: &Slug, campaigns: &[Slug]) {
        let until = Instant::now() + LEASE_PATIENCE;
        while Instant::now() < until {
            let lines = self.0.ledger.tenant(tenant);
            if campaigns.iter().any(|campaign| lines.spend(campaign).available != Some(0)) {
                return;
            }
            tokio::time::sleep(LEASE_LOOK).await;
        }
    }

    /// Decides until all that was picked could be paid for. One who is patient rather waits than leaves time unsold.
    fn decide_now(self: &Arc<Self>, question: &Arc<Question>, patient: bool) -> Attempt {
        let ask = &question.ask;
        let trial = ask.channel.trial.as_ref();
        let canary = trial.filter(|trial| trial.decides_for(&ask.session));
        let policy = canary.map_or(&ask.channel.policy, |trial| &trial.policy);
        let mut purse = Purse::new(&self.0.ledger, ask, question.now + ask.avail.duration + HOLD_AFTER);
        let (mut decision, mut record) = question.decide(policy, &purse);
        if patient && decision.filler != Filler::None {
            let starved = purse.starved();
            if !starved.is_empty() {
                return Attempt::Starved(starved);
            }
        }
        for _ in 0..MAX_ROUNDS {
            if !ask.hold || purse.pay(&decision) {
                break;
            }
            (decision, record) = question.decide(policy, &purse);
        }
        if let Some(record) = record {
            self.0.log.add(DecisionRecord { trial: canary.is_some(), ..*record });
        }
        if let Some(trial) = canary {
            watched(trial, &decision.trace, false);
        }
        self.shadow(question, &decision);
        Attempt::Decided(Box::new(decision))
    }

    /// Scripts that decide in the shadow: nobody waits for them, and nobody is shown what they chose.
    fn shadow(self: &Arc<Self>, question: &Arc<Question>, decision: &Decision) {
        let ask = &question.ask;
        if ask.channel.trial.as_ref().is_none_or(|trial| !trial.shadows(&ask.session)) {
            return;
        }
        let chosen: Vec<Slug> = decision.pod.iter().map(|picked| picked.ad.clone()).collect();
        let (decider, question) = (self.clone(), question.clone());
        let lane = ask.tenant.lane.clone();
        let tried = move || {
            let ask = &question.ask;
            let Some(trial) = &ask.channel.trial else { return };
            let (other, _) =
                question.ask_scripts(&trial.policy, &Purse::new(&decider.0.ledger, ask, question.now), false);
            watched(trial, &other.trace, other.pod.iter().map(|picked| &picked.ad).ne(chosen.iter()));
        };
        tokio::spawn(async move { lane.run(tried).await });
    }
}

/// Tenants with this many ads at most have every decision explained.
const EXPLAINED: usize = 1_000;

impl Question {
    /// Whether this decision is one of those that the channel has written down.
    fn logged(&self) -> bool {
        let percent = u64::from(self.ask.channel.channel.decision_log_percent);
        self.ask.hold && self.ask.ad_type == AdType::Linear && self.seed % 100 < percent
    }

    fn decide(&self, policy: &ChannelPolicy, purse: &Purse<'_>) -> (Decision, Option<Box<DecisionRecord>>) {
        self.ask_scripts(policy, purse, self.logged())
    }

    fn ask_scripts(
        &self,
        policy: &ChannelPolicy,
        purse: &Purse<'_>,
        logged: bool,
    ) -> (Decision, Option<Box<DecisionRecord>>) {
        let started = Instant::now();
        let counters = self.counters.afresh();
        let request = DecisionRequest {
            session: &self.ask.session,
            viewer: &self.ask.viewer,
            avail: &self.ask.avail,
            now: self.now,
            seed: self.seed,
            history: &self.history,
            spend: purse,
            external: &self.ask.external,
            counters: &counters,
            detail: self.detail,
            micros: &|| u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        let tenant = &self.ask.tenant;
        let (index, creatives) = (tenant.index_of(self.ask.ad_type), &*self.ask.creatives);
        if !logged {
            return (decision::decide(index, policy, &request, creatives), None);
        }
        let (decision, record) = decision::record(tenant.version, index, policy, &request, creatives);
        (decision, Some(Box::new(record)))
    }
}

/// Notes how the tried scripts did in a decision; `different`: they chose other ads than those that serve. Where one was not
/// run because its tenant's quota is used up or the server is too busy, nothing is known of it.
fn watched(trial: &TrialRuntime, trace: &Trace, different: bool) {
    let tried = trace.scripts.iter().filter(|script| trial.tries(&script.name) && script.judged > 0);
    let (calls, errors) =
        tried.fold((0, 0), |(calls, errors), script| (calls + 1, errors + u64::from(script.failed > 0)));
    trial.watch.decided(calls, errors, different);
    for (what, count) in [("decided", 1), ("different", u64::from(different)), ("calls", calls), ("errors", errors)] {
        metrics::counter!("cuetone_trial_total", "tenant" => trace.tenant.to_string(), "what" => what).increment(count);
    }
}

/// The same for a session and avail, whenever and wherever it is asked: a decision can be replayed.
fn seed(ask: &Ask) -> u64 {
    let digest = Sha256::new_with_prefix(&ask.session).chain_update(ask.avail.id.as_str()).finalize();
    digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

fn nothing(ask: &Ask, now: Moment) -> Decision {
    let filler = Filler::Content { rest: ask.avail.duration };
    let trace = Trace {
        time: now,
        session: ask.session.clone(),
        viewer: ask.viewer.clone(),
        tenant: ask.tenant.manifest.tenant.slug.clone(),
        channel: ask.channel.channel.slug.clone(),
        avail: (&*ask.avail).into(),
        pod: Vec::new(),
        filler: filler.clone(),
        candidates: Vec::new(),
        scripts: Vec::new(),
        counters: Default::default(),
    };
    Decision { pod: Vec::new(), filler, outcomes: Vec::new(), trace }
}
