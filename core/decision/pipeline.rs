//! One decision, from all ads of the tenant to a pod.
//!
//! Never fails: a script that does costs its own rule or its own answer, and the trace says so.

use super::{
    AdOutcome, AdTrace, CandidateIndex, ChannelPolicy, CreativeLookup, DecisionRequest, Detail, Facts, Filler, Outcome,
    Trace,
    allowance::Allowances,
    candidates,
    explain::Explained,
    fate::Notes,
    pod::{Picked, Table},
    scripts::Judges,
    trace::PodTrace,
    walk::Passing,
};
use crate::{
    domain::{Money, Slug, Span},
    extension::{Patience, point::RequestContext},
};

#[derive(Clone, Debug, PartialEq)]
pub struct PickedAd {
    /// Its place in the [`CandidateIndex`]; behind its end for an external ad.
    pub index: usize,
    pub ad: Slug,
    pub campaign: Option<Slug>,
    /// As measured.
    pub duration: Span,
    /// What one counted impression costs.
    pub price: Money,
    /// Its place among the request's external ads, if it is one.
    pub external: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// In play order; never longer than the avail, never an ad twice, never two of one competitive category.
    pub pod: Vec<PickedAd>,
    /// What fills the rest.
    pub filler: Filler,
    /// Where each ad's way ended that got as far as its creative.
    pub outcomes: Vec<AdOutcome>,
    pub trace: Trace,
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
        patience: &Patience::default(),
    };
    let facts = Facts { viewer: request.viewer, channel: policy.channel.as_str(), now: context.now };
    let passing = Passing::new(index, &facts);
    let allowances = Allowances::new(index, request, context.now);
    let judges = || Judges::new(index, policy, request, &context);
    let mut notes = Notes::default();
    // A script that fails on what an ad server says of its ads still judges our own.
    let external = candidates::external(index, request, creatives, &mut judges(), &mut notes);
    let (own, passed, end) =
        candidates::own(index, request, &passing, creatives, &allowances, &mut judges(), &mut notes);
    let table = Table { index, policy, request, context: &context, allowances: &allowances };
    let chosen = table.choose(own, external, &mut notes);
    let explained = match request.detail {
        Detail::Brief => Vec::new(),
        Detail::Full => {
            Explained { index, request, facts: &facts, allowances: &allowances, passed: &passed, end: &end }.all(&notes)
        }
    };
    finish(index, policy, request, creatives, chosen, notes, explained)
}

fn finish(
    index: &CandidateIndex,
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    creatives: &dyn CreativeLookup,
    chosen: Vec<Picked>,
    notes: Notes,
    explained: Vec<AdTrace>,
) -> Decision {
    let pod: Vec<PickedAd> =
        chosen.into_iter().filter_map(|(place, duration)| picked(index, request, place, duration)).collect();
    let rest = request.avail.duration - pod.iter().map(|picked| picked.duration).sum();
    let slate = policy.slate.as_ref().filter(|slate| rest.is_positive() && creatives.check(slate).is_ok());
    let filler = match slate {
        _ if !rest.is_positive() => Filler::None,
        Some(slate) => Filler::Slate { ad: slate.clone(), rest },
        None => Filler::Content { rest },
    };
    let outcomes = notes.fates.iter().filter_map(|(place, fate)| {
        let ad = candidates::slug_at(index, request, *place)?.clone();
        Some(AdOutcome { ad, outcome: fate.outcome(), stage: fate.stage() })
    });
    let outcomes = outcomes.collect();
    let candidates = if request.detail == Detail::Full {
        explained
    } else {
        let chosen = notes.fates.iter().filter(|(_, fate)| fate.outcome() == Outcome::Chosen);
        let chosen = chosen.filter_map(|(place, fate)| {
            let ad = candidates::slug_at(index, request, *place)?.clone();
            Some(AdTrace { ad, outcome: fate.outcome(), stage: fate.stage(), reason: fate.reason() })
        });
        chosen.collect()
    };
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
        candidates,
        scripts: notes.scripts,
        counters: request.counters.noted(),
    };
    Decision { pod, filler, outcomes, trace }
}

/// An ad by its place, own or external.
fn picked(index: &CandidateIndex, request: &DecisionRequest<'_>, place: usize, duration: Span) -> Option<PickedAd> {
    if let Some(ad) = index.ads.get(place) {
        let campaign = index.campaign_of(ad);
        return Some(PickedAd {
            index: place,
            ad: ad.slug.clone(),
            campaign: campaign.map(|campaign| campaign.slug.clone()),
            duration,
            price: campaign.map_or(Money::ZERO, |campaign| campaign.price),
            external: None,
        });
    }
    let ad = candidates::external_at(index, request, place)?;
    Some(PickedAd {
        index: place,
        ad: ad.slug.clone(),
        campaign: None,
        duration,
        price: ad.impression_price(),
        external: place.checked_sub(index.len()),
    })
}
