//! One decision, from all ads of the tenant to a pod.
//!
//! Never fails: a script that does costs its own rule or its own answer, and the trace says so.

use std::collections::BTreeMap;

use super::{
    AdTrace, CandidateIndex, ChannelPolicy, CreativeLookup, Facts, Filler, Outcome, ScriptTrace, Stage, Trace,
    index::{IndexedAd, IndexedCampaign},
    pod, scripts,
    trace::PodTrace,
};
use crate::{
    domain::{Avail, CapPeriod, Moment, Slug, Span, Viewer},
    extension::point::{Candidate, RequestContext},
};

/// What a decision answers.
#[derive(Clone, Copy)]
pub struct DecisionRequest<'a> {
    pub session: &'a str,
    pub viewer: &'a Viewer,
    pub avail: &'a Avail,
    pub now: Moment,
    /// Orders what is otherwise equal.
    pub seed: u64,
    /// How often this session has been given each ad before.
    pub seen: &'a BTreeMap<Slug, u32>,
    /// A monotonic count of microseconds, for the trace only.
    pub micros: &'a dyn Fn() -> u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PickedAd {
    /// Its place in the [`CandidateIndex`].
    pub index: usize,
    pub ad: Slug,
    pub campaign: Option<Slug>,
    /// As measured.
    pub duration: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// In play order; never longer than the avail, never an ad twice.
    pub pod: Vec<PickedAd>,
    /// What fills the rest.
    pub filler: Filler,
    pub trace: Trace,
}

/// Ads that may still be chosen; both lists go together.
pub(super) struct Running<'a> {
    pub places: Vec<usize>,
    pub candidates: Vec<Candidate<'a>>,
}

/// How each ad's way ended, and what scripts cost.
pub(super) struct Notes {
    fates: Vec<Option<(Outcome, Stage, String)>>,
    pub scripts: Vec<ScriptTrace>,
}

impl Notes {
    pub fn set(&mut self, place: usize, outcome: Outcome, stage: Stage, reason: String) {
        if let Some(fate) = self.fates.get_mut(place) {
            *fate = Some((outcome, stage, reason));
        }
    }
    pub fn drop(&mut self, place: usize, stage: Stage, reason: String) {
        self.set(place, Outcome::Dropped, stage, reason);
    }
}

impl<'a> Running<'a> {
    /// Keeps those for which `judge` knows no reason to go.
    pub fn sift(
        &mut self,
        notes: &mut Notes,
        outcome: Outcome,
        mut judge: impl FnMut(usize, usize, &Candidate<'a>) -> Option<(Stage, String)>,
    ) {
        let before = std::mem::replace(self, Self { places: Vec::new(), candidates: Vec::new() });
        for (at, (place, candidate)) in before.places.into_iter().zip(before.candidates).enumerate() {
            match judge(at, place, &candidate) {
                Some((stage, reason)) => notes.set(place, outcome, stage, reason),
                None => {
                    self.places.push(place);
                    self.candidates.push(candidate);
                }
            }
        }
    }
}

/// Decides one break for one viewer.
pub fn decide(
    index: &CandidateIndex,
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    creatives: &dyn CreativeLookup,
) -> Decision {
    let context = RequestContext {
        tenant: policy.tenant.as_str(),
        channel: policy.channel.as_str(),
        channel_labels: &policy.labels,
        viewer: request.viewer,
        avail: request.avail,
        now: index.local_time(request.now),
        seed: request.seed,
    };
    let mut notes = Notes { fates: vec![None; index.len()], scripts: Vec::new() };
    let mut running = eligible(index, policy, request, &context, creatives, &mut notes);
    scripts::run(index, policy, request, &context, &mut running, &mut notes);
    let allowed = caps_and_budget(index, request, &mut running, &mut notes);
    pod::offer(index, request, &allowed, &mut running, &mut notes);
    let pod = pod::fill(policy, request, &context, &running, &mut notes);
    finish(index, policy, request, creatives, pod, notes)
}

/// Status, flight, creative, declared rules.
fn eligible<'a>(
    index: &'a CandidateIndex,
    policy: &'a ChannelPolicy,
    request: &DecisionRequest<'a>,
    context: &RequestContext<'a>,
    creatives: &dyn CreativeLookup,
    notes: &mut Notes,
) -> Running<'a> {
    let facts = Facts { viewer: request.viewer, channel: policy.channel.as_str(), now: context.now };
    let mut running = Running { places: Vec::new(), candidates: Vec::new() };
    for (place, ad) in index.ads.iter().enumerate() {
        let campaign = index.campaign_of(ad);
        match check(ad, campaign, &facts, creatives) {
            Ok(duration) => {
                running.places.push(place);
                running.candidates.push(Candidate {
                    id: ad.slug.as_str(),
                    campaign: campaign.map(|campaign| campaign.slug.as_str()),
                    duration,
                    priority: ad.priority,
                    cpm_micros: ad.cpm_micros,
                    score: 0.0,
                    labels: &ad.labels,
                    seen: request.seen.get(&ad.slug).copied().unwrap_or(0),
                });
            }
            Err((stage, reason)) => notes.drop(place, stage, reason),
        }
    }
    running
}

fn check(
    ad: &IndexedAd,
    campaign: Option<&IndexedCampaign>,
    facts: &Facts<'_>,
    creatives: &dyn CreativeLookup,
) -> Result<Span, (Stage, String)> {
    if let Some((stage, reason)) = ad.never {
        return Err((stage, reason.to_owned()));
    }
    if let Some(off) = campaign.and_then(|campaign| campaign.off(facts.now.moment)) {
        return Err(off);
    }
    let duration = creatives.check(&ad.slug).map_err(|reason| (Stage::Creative, reason.to_string()))?;
    if !duration.is_positive() {
        return Err((Stage::Creative, "the creative has no length".into()));
    }
    match ad.rules.first_failure(facts) {
        Some(reason) => Err((Stage::Rule, reason)),
        None => Ok(duration),
    }
}

/// How many more ads of each campaign this pod may have; nothing where no cap is declared.
///
/// Every period counts what the session has been given: sessions end after minutes without a request, so an hour or a
/// day that spans sessions is undercounted until viewers are counted across sessions.
fn caps_and_budget(
    index: &CandidateIndex,
    request: &DecisionRequest<'_>,
    running: &mut Running<'_>,
    notes: &mut Notes,
) -> Vec<Option<u32>> {
    let mut seen = vec![0_u32; index.campaigns.len()];
    for (ad, count) in request.seen {
        let campaign = index.position(ad).and_then(|place| index.ads.get(place)).and_then(|ad| ad.campaign);
        if let Some(total) = campaign.and_then(|at| seen.get_mut(at)) {
            *total = total.saturating_add(*count);
        }
    }
    let caps = index.campaigns.iter().zip(&seen).map(|(campaign, seen)| {
        campaign.cap.map(|cap| match cap.per {
            CapPeriod::Pod => cap.impressions,
            CapPeriod::Session | CapPeriod::Hour | CapPeriod::Day | CapPeriod::Flight => {
                cap.impressions.saturating_sub(*seen)
            }
        })
    });
    let allowed: Vec<Option<u32>> = caps.collect();
    running.sift(notes, Outcome::Dropped, |_, place, _| {
        let at = index.ads.get(place)?.campaign?;
        let campaign = index.campaigns.get(at)?;
        if allowed.get(at) == Some(&Some(0)) {
            let given = seen.get(at).copied().unwrap_or(0);
            return Some((Stage::Cap, format!("{}: {given} given", cap_text(campaign))));
        }
        campaign.budget_spent.then(|| (Stage::Budget, format!("the budget of campaign {} is spent", campaign.slug)))
    });
    allowed
}

/// `campaign summer-sale is capped at 3 per hour`.
pub(super) fn cap_text(campaign: &IndexedCampaign) -> String {
    let period = campaign.cap.map_or("", |cap| match cap.per {
        CapPeriod::Pod => "pod",
        CapPeriod::Session => "session",
        CapPeriod::Hour => "hour",
        CapPeriod::Day => "day",
        CapPeriod::Flight => "flight",
    });
    let impressions = campaign.cap.map_or(0, |cap| cap.impressions);
    format!("campaign {} is capped at {impressions} per {period}", campaign.slug)
}

fn finish(
    index: &CandidateIndex,
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    creatives: &dyn CreativeLookup,
    chosen: Vec<(usize, Span)>,
    mut notes: Notes,
) -> Decision {
    let mut pod = Vec::with_capacity(chosen.len());
    let all = chosen.len();
    for (at, (place, duration)) in chosen.into_iter().enumerate() {
        let Some(ad) = index.ads.get(place) else { continue };
        notes.set(place, Outcome::Chosen, Stage::Fill, format!("{} of {all} in the pod", at + 1));
        let campaign = index.campaign_of(ad).map(|campaign| campaign.slug.clone());
        pod.push(PickedAd { index: place, ad: ad.slug.clone(), campaign, duration });
    }
    let rest = request.avail.duration - pod.iter().map(|picked| picked.duration).sum();
    let slate = policy.slate.as_ref().filter(|slate| creatives.check(slate).is_ok());
    let filler = match slate {
        _ if !rest.is_positive() => Filler::None,
        Some(slate) => Filler::Slate { ad: slate.clone(), rest },
        None => Filler::Content { rest },
    };
    let fates = index.ads.iter().zip(notes.fates).map(|(ad, fate)| {
        let unknown = || (Outcome::Left, Stage::Fill, "the fill strategy left it out".to_owned());
        let (outcome, stage, reason) = fate.unwrap_or_else(unknown);
        AdTrace { ad: ad.slug.clone(), outcome, stage, reason }
    });
    let listed = pod.iter().map(|picked| PodTrace {
        ad: picked.ad.clone(),
        duration: picked.duration,
        campaign: picked.campaign.clone(),
    });
    let trace = Trace {
        time: request.now,
        session: request.session.to_owned(),
        viewer: request.viewer.clone(),
        tenant: policy.tenant.clone(),
        channel: policy.channel.clone(),
        avail: request.avail.into(),
        pod: listed.collect(),
        filler: filler.clone(),
        candidates: fates.collect(),
        scripts: notes.scripts,
    };
    Decision { pod, filler, trace }
}
