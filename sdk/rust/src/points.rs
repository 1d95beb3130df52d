//! One trait for each point, and what stands between the trait and the functions that a component exports.
//!
//! Implement the trait of your point for a type of your own and name that type to [`export!`](crate::export). A call is
//! pure: the same input, configuration and counters give the same answer. An `Err` is one failed call, with the text
//! shown to the tenant.

#[cfg(feature = "detect")]
pub use detect::*;
#[cfg(feature = "fill")]
pub use fill::*;
#[cfg(feature = "sink")]
pub use sink::*;
#[cfg(feature = "targeting")]
pub use targeting::*;

/// `point: detect`.
#[cfg(feature = "detect")]
mod detect {
    pub use crate::bindings::detect::exports::cuetone::extension::detect::{
        Channel, Cue, CueKind, Dialect, Signal, Window,
    };
    use crate::{Avail, bindings::detect::exports::cuetone::extension::detect::Guest, exported::Exported};

    pub trait BreakDetector {
        /// `known` are avails found before that may still matter: a break outlives its CUE-OUT. Answers every avail of
        /// the window, at most 500, each id once, an id always for the same break.
        fn detect(window: Window, known: Vec<Avail>, channel: Channel) -> Result<Vec<Avail>, String>;
    }

    impl<T: BreakDetector> Guest for Exported<T> {
        fn detect(window: Window, known: Vec<Avail>, channel: Channel) -> Result<Vec<Avail>, String> {
            Self::prepare();
            T::detect(window, known, channel)
        }
    }
}

/// `point: targeting`.
#[cfg(feature = "targeting")]
mod targeting {
    pub use crate::bindings::targeting::exports::cuetone::extension::targeting::Verdict;
    use crate::{
        Candidate, Request, bindings::targeting::exports::cuetone::extension::targeting::Guest, exported::Exported,
    };

    pub trait TargetingRule {
        /// One verdict for each candidate, in the order given.
        fn judge(request: Request, candidates: Vec<Candidate>) -> Result<Vec<Verdict>, String>;
    }

    impl<T: TargetingRule> Guest for Exported<T> {
        fn judge(request: Request, candidates: Vec<Candidate>) -> Result<Vec<Verdict>, String> {
            Self::prepare();
            T::judge(request, candidates)
        }
    }
}

/// `point: fill`.
#[cfg(feature = "fill")]
mod fill {
    use crate::{Candidate, Request, bindings::fill::exports::cuetone::extension::fill::Guest, exported::Exported};

    pub trait FillStrategy {
        /// Places in `candidates`, in play order: none twice, no two of one category, together no longer than
        /// `request.avail.duration`. The host has sorted the candidates, best first.
        fn fill(request: Request, candidates: Vec<Candidate>) -> Result<Vec<u32>, String>;
    }

    impl<T: FillStrategy> Guest for Exported<T> {
        fn fill(request: Request, candidates: Vec<Candidate>) -> Result<Vec<u32>, String> {
            Self::prepare();
            T::fill(request, candidates)
        }
    }
}

/// `point: sink`.
#[cfg(feature = "sink")]
mod sink {
    pub use crate::bindings::sink::exports::cuetone::extension::sink::{CountedBy, Event, OutboundRequest, Traffic};
    use crate::{bindings::sink::exports::cuetone::extension::sink::Guest, exported::Exported};

    pub trait TrackingSink {
        /// Requests that the host sends, at most 1,000. An empty list sends none and moves on.
        fn deliver(events: Vec<Event>) -> Result<Vec<OutboundRequest>, String>;
    }

    impl<T: TrackingSink> Guest for Exported<T> {
        fn deliver(events: Vec<Event>) -> Result<Vec<OutboundRequest>, String> {
            Self::prepare();
            T::deliver(events)
        }
    }
}
