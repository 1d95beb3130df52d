//! Orders what is left, offers it to the fill strategy and checks what that answers.

use std::{cmp::Ordering, sync::Arc};

use super::{
    CandidateIndex, ChannelPolicy, DecisionRequest, MountedFill, Outcome, ScriptTrace, Stage,
    pipeline::{Notes, Running, cap_text},
};
use crate::{
    domain::Span,
    extension::{
        ExtensionError,
        point::{Candidate, FillInput, RequestContext},
    },
};

/// Candidates that a fill strategy gets to see. A break holds a dozen ads; a script's time grows with the list.
pub const MAX_OFFERED: usize = 256;

/// Sorts by priority, score and price, all descending, ties by the seed; then leaves out what no strategy may take:
/// ads longer than the break, and more ads of a campaign than its cap still allows (the best stay).
pub(super) fn offer(
    index: &CandidateIndex,
    request: &DecisionRequest<'_>,
    allowed: &[Option<u32>],
    running: &mut Running<'_>,
    notes: &mut Notes,
) {
    let room = request.avail.duration;
    running.sift(notes, Outcome::Dropped, |_, _, candidate| {
        let too_long = candidate.duration > room;
        too_long.then(|| (Stage::Offer, format!("it lasts {} s, the break {room} s", candidate.duration)))
    });
    sort(running, request.seed);
    let mut allowed = allowed.to_vec();
    running.sift(notes, Outcome::Dropped, |_, place, _| {
        let at = index.ads.get(place)?.campaign?;
        match allowed.get_mut(at)?.as_mut()? {
            0 => {
                let cap = index.campaigns.get(at).map(cap_text).unwrap_or_default();
                Some((Stage::Cap, format!("{cap}: better ads of it come first")))
            }
            left => {
                *left -= 1;
                None
            }
        }
    });
    running.sift(notes, Outcome::Left, |at, _, _| {
        (at >= MAX_OFFERED).then(|| (Stage::Offer, format!("it is not among the best {MAX_OFFERED}")))
    });
}

fn sort(running: &mut Running<'_>, seed: u64) {
    let places = std::mem::take(&mut running.places);
    let candidates = std::mem::take(&mut running.candidates);
    let mut keyed: Vec<_> = places.into_iter().zip(candidates).map(|(p, c)| (tie(seed, c.id), p, c)).collect();
    keyed.sort_by(|(tie_a, place_a, a), (tie_b, place_b, b)| {
        best_first(a, b).then(tie_a.cmp(tie_b)).then(place_a.cmp(place_b))
    });
    (running.places, running.candidates) = keyed.into_iter().map(|(_, place, candidate)| (place, candidate)).unzip();
}

fn best_first(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let scores = b.score.total_cmp(&a.score);
    b.priority.cmp(&a.priority).then(scores).then(b.cpm_micros.cmp(&a.cpm_micros))
}

/// A number that looks random but is the same for the same seed and ad on every machine: FNV-1a over the ad's slug,
/// started from the seed, then the finaliser of SplitMix64 so that neighbouring seeds differ in every bit.
fn tie(seed: u64, ad: &str) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = ad.bytes().fold(FNV_OFFSET ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The strategy's pod, or the fallback's, or none: places and measured lengths, in play order.
pub(super) fn fill(
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    context: &RequestContext<'_>,
    running: &Running<'_>,
    notes: &mut Notes,
) -> Vec<(usize, Span)> {
    if running.candidates.is_empty() {
        return Vec::new();
    }
    // Where the fallback is the strategy itself there is nobody else to ask.
    let distinct = !Arc::ptr_eq(&policy.fill.strategy, &policy.fallback.strategy);
    let strategies = std::iter::once(&policy.fill).chain(distinct.then_some(&policy.fallback));
    for mounted in strategies {
        if let Ok(chosen) = ask(mounted, policy, request, context, running, notes) {
            let picked = chosen.into_iter().filter_map(|at| {
                let candidate = running.candidates.get(at)?;
                Some((*running.places.get(at)?, candidate.duration))
            });
            return picked.collect();
        }
    }
    for &place in &running.places {
        notes.set(place, Outcome::Left, Stage::Fill, "no fill strategy gave an answer that could be used".into());
    }
    Vec::new()
}

fn ask(
    mounted: &MountedFill,
    policy: &ChannelPolicy,
    request: &DecisionRequest<'_>,
    context: &RequestContext<'_>,
    running: &Running<'_>,
    notes: &mut Notes,
) -> Result<Vec<usize>, ExtensionError> {
    let started = (request.micros)();
    let input = FillInput { request: context, candidates: &running.candidates, config: &policy.config };
    let answer = mounted.strategy.fill(&input).and_then(|chosen| {
        check(&chosen, &running.candidates, request.avail.duration)
            .map_err(|message| ExtensionError::Answer { path: mounted.name.clone(), message })?;
        Ok(chosen)
    });
    let micros = (request.micros)().saturating_sub(started);
    let error = answer.as_ref().err().map(ToString::to_string);
    let script = ScriptTrace { name: mounted.name.clone(), version: mounted.version.clone(), micros, error };
    notes.scripts.push(script);
    answer
}

/// Ads that were offered, each at most once, together no longer than the break.
fn check(chosen: &[usize], candidates: &[Candidate<'_>], room: Span) -> Result<(), String> {
    let mut taken = vec![false; candidates.len()];
    let mut total = Span::ZERO;
    for &at in chosen {
        let (Some(candidate), Some(taken)) = (candidates.get(at), taken.get_mut(at)) else {
            return Err(format!("it answered {at}, but {} candidates were offered", candidates.len()));
        };
        if std::mem::replace(taken, true) {
            return Err(format!("it answered `{}` twice", candidate.id));
        }
        total += candidate.duration;
    }
    if total > room {
        return Err(format!("its pod lasts {total} s, the break {room} s"));
    }
    Ok(())
}
