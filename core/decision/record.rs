//! A decision written down with all that it depended on, run again, and compared.
//!
//! Pure like the decision itself: what a record is stored in, and for how long, is not known here. With the scripts and
//! the tenant's version of then a replay gives the same result, byte for byte; with others it says what they would have
//! changed. (A script that was stopped by its time limit, or not run at all, is the exception: it may finish the next time.)

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    AdOutcome, CandidateIndex, ChannelPolicy, CreativeLookup, Decision, DecisionRequest, Detail, Exposure, ExternalAd,
    Filler, SkipReason, Spend, SpendView, decide,
};
use crate::{
    domain::{Avail, Moment, Money, Slug, Span, Viewer},
    extension::Counters,
};

/// Everything needed to run a decision again, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    pub tenant: Slug,
    /// Of the tenant's state.
    pub version: i64,
    pub channel: Slug,
    /// Decided by the scripts on trial and not by those that served.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    pub session: String,
    pub viewer: Viewer,
    pub avail: Avail,
    /// Microseconds since the epoch.
    pub time: Moment,
    pub seed: u64,
    /// What the session has seen, and what counts for a frequency cap.
    pub history: Vec<Exposure>,
    /// Of the campaigns that were asked about.
    pub spend: BTreeMap<Slug, Spend>,
    /// Of the ads that were looked up.
    pub creatives: BTreeMap<Slug, CreativeAnswer>,
    pub external: Vec<ExternalAd>,
    pub external_creatives: BTreeMap<Slug, CreativeAnswer>,
    /// Those that scripts have read, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, i64>,
    /// All that could be asked, in that order; the fill strategy and its fallback last.
    pub scripts: Vec<ScriptVersion>,
    pub result: RecordedResult,
}

/// What the creative look-up said of an ad: its measured length, or why it cannot play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreativeAnswer {
    Ready(Span),
    Skipped(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptVersion {
    pub name: String,
    /// Content hash.
    pub version: String,
}

/// What a decision came to, without anything measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResult {
    pub pod: Vec<RecordedAd>,
    /// The slate that fills the rest, if one does.
    pub slate: Option<Slug>,
    /// What the pod leaves over.
    pub rest: Span,
    pub outcomes: Vec<AdOutcome>,
    /// Scripts that failed, with their errors.
    pub failures: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAd {
    pub ad: Slug,
    pub campaign: Option<Slug>,
    pub duration: Span,
    pub price: Money,
    pub external: bool,
}

impl From<&Decision> for RecordedResult {
    fn from(decision: &Decision) -> Self {
        let pod = decision.pod.iter().map(|picked| RecordedAd {
            ad: picked.ad.clone(),
            campaign: picked.campaign.clone(),
            duration: picked.duration,
            price: picked.price,
            external: picked.external.is_some(),
        });
        let failed =
            decision.trace.scripts.iter().filter_map(|script| Some((script.name.clone(), script.error.clone()?)));
        let (slate, rest) = match &decision.filler {
            Filler::None => (None, Span::ZERO),
            Filler::Slate { ad, rest } => (Some(ad.clone()), *rest),
            Filler::Content { rest } => (None, *rest),
        };
        Self { pod: pod.collect(), slate, rest, outcomes: decision.outcomes.clone(), failures: failed.collect() }
    }
}

/// Decides as [`decide`] does, and writes it down. `version` is the tenant's; whose scripts these are knows the caller.
pub fn record(
    version: i64,
    index: &CandidateIndex,
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    creatives: &dyn CreativeLookup,
) -> (Decision, DecisionRecord) {
    let listening = Listening { creatives, spend: request.spend, heard: RefCell::default() };
    let counters = request.counters.afresh();
    let asked = DecisionRequest { spend: &listening, counters: &counters, ..*request };
    let decision = decide(index, policy, &asked, &listening);
    let Heard { creatives, external: external_creatives, spend } = listening.heard.into_inner();
    let scripts = index.ad_scripts.iter().map(|script| &script.mounted).chain(policy.targeting.iter());
    let scripts = scripts.map(|mounted| (&mounted.name, &mounted.version));
    let fills = [&policy.fill, &policy.fallback].map(|mounted| (&mounted.name, &mounted.version));
    let scripts = scripts.chain(fills);
    let record = DecisionRecord {
        tenant: policy.tenant.clone(),
        version,
        channel: policy.channel.clone(),
        trial: false,
        session: request.session.to_owned(),
        viewer: request.viewer.clone(),
        avail: request.avail.clone(),
        time: request.now,
        seed: request.seed,
        history: request.history.iter().filter(|exposure| matters(index, exposure)).cloned().collect(),
        spend,
        creatives,
        external: request.external.to_vec(),
        external_creatives,
        counters: counters.noted(),
        scripts: scripts
            .map(|(name, version)| ScriptVersion { name: name.clone(), version: version.clone() })
            .collect(),
        result: RecordedResult::from(&decision),
    };
    (decision, record)
}

/// Scripts are told how often the session saw an ad; caps count a campaign's ads over sessions.
fn matters(index: &CandidateIndex, exposure: &Exposure) -> bool {
    let own = || index.ads.get(index.position(&exposure.ad)?)?.campaign;
    let campaign = match &exposure.campaign {
        Some(slug) => index.campaign_position(slug),
        None => own(),
    };
    exposure.this_session
        || campaign.and_then(|at| index.campaigns.get(at)).is_some_and(|indexed| !indexed.caps.is_empty())
}

/// Runs a decision again, of this index with this policy.
///
/// What the record does not know, because other scripts or rules ask about other ads than those of then, is taken to
/// be as good as it gets: such a creative plays as long as declared, such a campaign has spent nothing, such a counter is
/// not known.
pub fn replay(record: &DecisionRecord, index: &CandidateIndex, policy: &ChannelPolicy) -> Decision {
    let remembered = Remembered { record, index };
    let counters = Counters::new(Arc::new(record.counters.clone()));
    let request = DecisionRequest {
        session: &record.session,
        viewer: &record.viewer,
        avail: &record.avail,
        now: record.time,
        seed: record.seed,
        history: &record.history,
        spend: &remembered,
        external: &record.external,
        counters: &counters,
        detail: Detail::Brief,
        micros: &|| 0,
    };
    decide(index, policy, &request, &remembered)
}

/// What a replay changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// In play order.
    pub before: Vec<Slug>,
    pub after: Vec<Slug>,
    /// In `after` and not in `before`, and the other way round; in play order.
    pub added: Vec<Slug>,
    pub removed: Vec<Slug>,
    /// Time filled with ads.
    pub filled_before: Span,
    pub filled_after: Span,
    /// Of counted impressions, if all count.
    pub revenue_before: Money,
    pub revenue_after: Money,
}

impl Difference {
    /// The same ads in the same order.
    pub fn is_none(&self) -> bool {
        self.before == self.after
    }
}

/// What changes from the recorded decision to another for the same break.
pub fn difference(record: &DecisionRecord, decision: &Decision) -> Difference {
    let result = RecordedResult::from(decision);
    let ads = |result: &RecordedResult| -> Vec<Slug> { result.pod.iter().map(|ad| ad.ad.clone()).collect() };
    let filled = |result: &RecordedResult| result.pod.iter().map(|ad| ad.duration).sum();
    let revenue = |result: &RecordedResult| {
        Money::from_micros(result.pod.iter().fold(0, |sum, ad| ad.price.micros().saturating_add(sum)))
    };
    let (before, after) = (ads(&record.result), ads(&result));
    let without = |these: &[Slug], those: &[Slug]| {
        let those: BTreeSet<&Slug> = those.iter().collect();
        these.iter().filter(|ad| !those.contains(ad)).cloned().collect()
    };
    Difference {
        added: without(&after, &before),
        removed: without(&before, &after),
        filled_before: filled(&record.result),
        filled_after: filled(&result),
        revenue_before: revenue(&record.result),
        revenue_after: revenue(&result),
        before,
        after,
    }
}

/// Hands questions on and keeps the answers.
struct Listening<'a> {
    creatives: &'a dyn CreativeLookup,
    spend: &'a dyn SpendView,
    heard: RefCell<Heard>,
}

#[derive(Default)]
struct Heard {
    creatives: BTreeMap<Slug, CreativeAnswer>,
    external: BTreeMap<Slug, CreativeAnswer>,
    spend: BTreeMap<Slug, Spend>,
}

impl From<&Result<Span, SkipReason>> for CreativeAnswer {
    fn from(answer: &Result<Span, SkipReason>) -> Self {
        match answer {
            Ok(duration) => Self::Ready(*duration),
            Err(reason) => Self::Skipped(reason.to_string()),
        }
    }
}

impl From<&CreativeAnswer> for Result<Span, SkipReason> {
    fn from(answer: &CreativeAnswer) -> Self {
        match answer {
            CreativeAnswer::Ready(duration) => Ok(*duration),
            CreativeAnswer::Skipped(reason) => Err(SkipReason::new(reason.clone())),
        }
    }
}

impl CreativeLookup for Listening<'_> {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        let answer = self.creatives.check(ad);
        self.heard.borrow_mut().creatives.insert(ad.clone(), CreativeAnswer::from(&answer));
        answer
    }
    fn check_external(&self, ad: &ExternalAd) -> Result<Span, SkipReason> {
        let answer = self.creatives.check_external(ad);
        self.heard.borrow_mut().external.insert(ad.slug.clone(), CreativeAnswer::from(&answer));
        answer
    }
}

impl SpendView for Listening<'_> {
    fn spend(&self, campaign: &Slug) -> Spend {
        let spend = self.spend.spend(campaign);
        self.heard.borrow_mut().spend.insert(campaign.clone(), spend);
        spend
    }
}

/// Answers from a record.
struct Remembered<'a> {
    record: &'a DecisionRecord,
    index: &'a CandidateIndex,
}

impl CreativeLookup for Remembered<'_> {
    fn check(&self, ad: &Slug) -> Result<Span, SkipReason> {
        if let Some(known) = self.record.creatives.get(ad) {
            return known.into();
        }
        let indexed = self.index.position(ad).and_then(|place| self.index.ads.get(place));
        indexed.map(|ad| ad.duration).ok_or_else(|| SkipReason::new("the ad is not there any more"))
    }
    fn check_external(&self, ad: &ExternalAd) -> Result<Span, SkipReason> {
        self.record.external_creatives.get(&ad.slug).map_or(Ok(ad.duration), Into::into)
    }
}

impl SpendView for Remembered<'_> {
    fn spend(&self, campaign: &Slug) -> Spend {
        self.record.spend.get(campaign).copied().unwrap_or_default()
    }
}
