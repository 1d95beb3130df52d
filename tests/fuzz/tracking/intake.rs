//! Of `core/tracking/intake`, what an event goes through before the journal.

#[path = "../../../core/tracking/intake/judge.rs"]
pub mod judge;
#[path = "../../../core/tracking/intake/networks.rs"]
pub mod networks;
#[path = "../../../core/tracking/intake/privacy.rs"]
pub mod privacy;
#[path = "../../../core/tracking/intake/read.rs"]
pub mod read;
#[path = "../../../core/tracking/intake/report.rs"]
pub mod report;
#[path = "../../../core/tracking/intake/traffic.rs"]
pub mod traffic;

pub use judge::{Catalogue, Judge};
pub use privacy::Consent;
pub use report::Batch;
pub use traffic::TrafficLists;
