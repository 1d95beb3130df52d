//! Which ads play in a break, for whom, and why.
//!
//! Pure: time, seed, what the viewer was given before, what campaigns have used and the creatives' state come in, a
//! [`Decision`] comes out, the same one for the same inputs. The order is fixed:
//!
//! 1. status and flight, declared rules: bit sets of the [`CandidateIndex`], walked best ads first until there are
//!    enough;
//! 2. creatives, asked about for those only;
//! 3. targeting scripts, in batches;
//! 4. frequency caps, competitive separation, budget and pacing;
//! 5. priority and the fill strategy.
//!
//! A campaign that may have nothing more is passed over with all its ads before step 2: that changes no pod, and its
//! ads do not use up the time of scripts. Every policy in here is the tenant's. This module does not know script
//! engines, HTTP or storage: it calls the traits of `extension::point` and checks what they answer.

mod allowance;
mod bits;
mod candidates;
mod explain;
mod fate;
mod flights;
mod history;
pub mod index;
pub mod local_time;
mod mount;
mod pipeline;
mod pod;
mod record;
mod request;
mod rule_sets;
mod rules;
mod scripts;
#[cfg(test)]
mod tests;
mod tie;
pub mod trace;
mod walk;

pub use candidates::{BATCH, ENOUGH, MAX_JUDGED, MAX_OFFERED};
pub use index::{CandidateIndex, IndexError};
pub use mount::{ChannelPolicy, CreativeLookup, MountedFill, MountedRule, SkipReason};
pub use pipeline::{Decision, PickedAd, decide};
pub use record::{
    CreativeAnswer, DecisionRecord, Difference, RecordedAd, RecordedResult, ScriptVersion, difference, record, replay,
};
pub use request::{DecisionRequest, Detail, Exposure, ExternalAd, NothingSpent, Spend, SpendView};
pub use rules::{CompiledRules, Facts};
pub use trace::{AdOutcome, AdTrace, AvailTrace, Filler, Outcome, ScriptTrace, Stage, Trace};
