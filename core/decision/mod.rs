//! Which ads play in a break, for whom, and why.
//!
//! Pure: time, seed, what the session has seen and the creatives' state come in, a [`Decision`] comes out, the same
//! one for the same inputs. The order is fixed (status, flight, creative, declared rules, scripts, caps, budget, order,
//! fill); every policy in it is the tenant's. It does not know script engines, HTTP or storage: it calls the traits of
//! `extension::point` and checks what they answer.

pub mod index;
pub mod local_time;
mod mount;
mod pipeline;
mod pod;
mod rules;
mod scripts;
#[cfg(test)]
mod tests;
pub mod trace;

pub use index::{CandidateIndex, IndexError};
pub use mount::{ChannelPolicy, CreativeLookup, MountedFill, MountedRule, SkipReason};
pub use pipeline::{Decision, DecisionRequest, PickedAd, decide};
pub use rules::{CompiledRules, Facts};
pub use trace::{AdTrace, Filler, Outcome, ScriptTrace, Stage, Trace};
