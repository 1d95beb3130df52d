//! What viewers saw: proved by the segments they fetched, written once, handed to the tenants' sinks.
//!
//! `segment` says which events a fetched ad segment proves, `beacon` makes and reads addresses that count one event,
//! `signature` signs both (all pure); `journal` writes events durably in groups; `sinks` delivers them by cursor. Knows
//! neither playlists nor HTTP routes.

pub mod beacon;
#[cfg(test)]
mod crowd_tests;
pub mod journal;
pub mod segment;
pub mod signature;
pub mod sinks;

pub use beacon::{Audience, Beacon, Showing};
pub use journal::{Journal, JournalError, Recorded};
pub use segment::events_of;
pub use signature::{Signature, SignatureError, SigningKey};
pub use sinks::{SinkRunner, SinkSpec};
