//! Of `core/tracking`, what reads: reports, and the journal's files.

#[path = "../../core/tracking/journal/frame.rs"]
pub mod frame;
pub mod intake;
#[path = "../../core/tracking/journal/record.rs"]
pub mod record;
#[path = "../../core/tracking/signature.rs"]
pub mod signature;

pub use signature::SigningKey;
