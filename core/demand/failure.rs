//! What can go wrong between a tag and an ad, and the code of VAST for it (4.2, 2.3.6.3).

use std::fmt;

use crate::{
    creatives::{CreativeError, NotReady},
    domain::Span,
    media::vast::ErrorCode,
    outbound::OutboundError,
    stitch::ladder::Unfit,
};

/// How asking an ad server ended: for metrics, and for whoever asks why a break had no ads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Filled,
    /// It had no ad, and said so.
    NoAd,
    Timeout,
    /// It could not be reached, or answered with an error.
    Unreachable,
    Malformed,
    WrapperLimit,
    /// Something led to an address that is not public.
    RefusedAddress,
    /// Ads came, and none could be played here.
    Unplayable,
    /// Ads came, and their creatives were not loaded in time.
    NotReady,
    /// It failed too often lately and was not asked.
    Resting,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::NoAd => "no_ad",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
            Self::WrapperLimit => "wrapper_limit",
            Self::RefusedAddress => "refused_address",
            Self::Unplayable => "unplayable",
            Self::NotReady => "not_ready",
            Self::Resting => "resting",
        }
    }
}

/// One ad, wrapper or tag that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: ErrorCode,
    pub outcome: Outcome,
    /// A sentence for people. Names hosts, never paths, queries or viewers.
    pub reason: Box<str>,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, outcome: Outcome, reason: impl fmt::Display) -> Self {
        Self { code, outcome, reason: reason.to_string().into() }
    }

    pub(super) fn no_ad() -> Self {
        Self::new(ErrorCode::NoAdAfterWrapper, Outcome::NoAd, "the ad server had no ad")
    }

    pub(super) fn unplayable(code: ErrorCode, reason: impl fmt::Display) -> Self {
        Self::new(code, Outcome::Unplayable, reason)
    }

    pub(super) fn too_long(duration: Span, avail: Span) -> Self {
        Self::unplayable(ErrorCode::Duration, format_args!("the ad lasts {duration} s, the break {avail} s"))
    }

    pub(super) fn late() -> Self {
        Self::new(ErrorCode::WrapperTimeout, Outcome::Timeout, "the time for the answer was used up")
    }

    /// A tag that gave no response.
    pub(super) fn of_request(error: &OutboundError) -> Self {
        let (code, outcome) = match error {
            OutboundError::Deadline { .. } => (ErrorCode::WrapperTimeout, Outcome::Timeout),
            OutboundError::Address { .. } => (ErrorCode::Wrapper, Outcome::RefusedAddress),
            OutboundError::TooLarge { .. } => (ErrorCode::Wrapper, Outcome::Malformed),
            error if error.is_refusal() => (ErrorCode::Wrapper, Outcome::Malformed),
            _ => (ErrorCode::WrapperTimeout, Outcome::Unreachable),
        };
        Self::new(code, outcome, error)
    }
}

impl From<NotReady> for Failure {
    fn from(error: NotReady) -> Self {
        let (code, outcome) = match &error {
            NotReady::Loading => (ErrorCode::MezzanineDownloading, Outcome::NotReady),
            NotReady::Failed(CreativeError::Status(404 | 410)) => (ErrorCode::FileNotFound, Outcome::Unplayable),
            NotReady::Failed(CreativeError::Fetch(OutboundError::Deadline { .. })) => {
                (ErrorCode::FileTimeout, Outcome::NotReady)
            }
            NotReady::Failed(CreativeError::Fetch(OutboundError::Address { .. })) => {
                (ErrorCode::Linear, Outcome::RefusedAddress)
            }
            NotReady::Failed(CreativeError::Fetch(_) | CreativeError::Status(_)) => {
                (ErrorCode::Linear, Outcome::Unplayable)
            }
            NotReady::Failed(_) => (ErrorCode::FileUnplayable, Outcome::Unplayable),
        };
        Self::new(code, outcome, error)
    }
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        Self::unplayable(ErrorCode::FileUnplayable, unfit)
    }
}
