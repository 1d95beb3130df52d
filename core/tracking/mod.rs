//! What viewers saw: proved by the segments they fetched, written once, handed to the tenants' sinks.
//!
//! `segment` says which events a fetched ad segment proves, `beacon` makes and reads addresses that count one event,
//! `signature` signs both (all pure); `intake` is what every event goes through on its way in; `journal` acknowledges
//! events and carries them into the database; `sinks` delivers them by cursor; `outbox` tells third parties of them.
//! `rollup` sums them up, `report` tells the sums, `counters` keeps some of them where rules can read them. Knows neither playlists nor HTTP routes.

pub mod beacon;
pub mod counters;
#[cfg(test)]
mod crowd_tests;
pub mod intake;
pub mod journal;
pub mod outbox;
pub mod report;
pub mod rollup;
pub mod segment;
pub mod signature;
pub mod sinks;

pub use beacon::{Audience, Beacon, MAX_SESSION_NAME, Showing};
pub use counters::CounterBoard;
pub use intake::{Facts, Intake};
pub use journal::{Journal, JournalError, Recorded};
pub use outbox::Outbox;
pub use rollup::Rollups;
pub use segment::events_of;
pub use signature::{Signature, SignatureError, SigningKey};
pub use sinks::{SinkRunner, SinkSpec};
