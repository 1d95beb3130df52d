//! A VMAP document as typed values. The numbers of chapters are those of VMAP 1.0.1.

use std::{fmt, str::FromStr};

use crate::{
    domain::Span,
    media::vast::{Extension, Offset, Vast, VastError, value},
};

/// A document (2.2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vmap {
    pub breaks: Vec<AdBreak>,
    pub extensions: Vec<Extension>,
}

/// One break (2.3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdBreak {
    pub time_offset: TimeOffset,
    pub types: BreakTypes,
    pub id: Option<String>,
    /// The same break again after each such stretch of content.
    pub repeat_after: Option<Span>,
    /// None if the break only wants to know that it was there.
    pub source: Option<AdSource>,
    pub tracking: Vec<BreakTracking>,
    pub extensions: Vec<Extension>,
}

impl AdBreak {
    /// A break with linear ads.
    pub fn linear(time_offset: TimeOffset, source: AdSource) -> Self {
        Self {
            time_offset,
            types: BreakTypes { linear: true, ..BreakTypes::default() },
            id: None,
            repeat_after: None,
            source: Some(source),
            tracking: Vec::new(),
            extensions: Vec::new(),
        }
    }
    /// URLs to be told that something happened.
    pub fn urls(&self, event: BreakEvent) -> impl Iterator<Item = &str> {
        self.tracking.iter().filter(move |tracking| tracking.event == event).map(|tracking| tracking.url.as_str())
    }
}

/// When a break is (2.3.1, `timeOffset`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeOffset {
    Start,
    End,
    /// Since the content's beginning, or a part of its duration.
    At(Offset),
    /// The n-th place that the content has for breaks, from 1.
    Position(u32),
}

impl FromStr for TimeOffset {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        match text.strip_prefix('#') {
            Some(position) => position.parse().ok().filter(|position| *position > 0).map(Self::Position).ok_or(()),
            None if text.eq_ignore_ascii_case("start") => Ok(Self::Start),
            None if text.eq_ignore_ascii_case("end") => Ok(Self::End),
            None => value::offset(text).map(Self::At).ok_or(()),
        }
    }
}

impl fmt::Display for TimeOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::End => f.write_str("end"),
            Self::At(offset) => offset.fmt(f),
            Self::Position(position) => write!(f, "#{position}"),
        }
    }
}

/// Kinds of ads that a break takes; several may be named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BreakTypes {
    pub linear: bool,
    pub non_linear: bool,
    pub display: bool,
}

/// Where a break's ads are (2.3.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdSource {
    pub id: Option<String>,
    /// Whether a pod may be used; if not, only its first ad. The default is the player's; ours is yes.
    pub allow_multiple_ads: bool,
    /// Whether wrappers may be followed. The default is the player's; ours is yes.
    pub follow_redirects: bool,
    pub data: AdData,
}

impl AdSource {
    pub fn new(data: AdData) -> Self {
        Self { id: None, allow_multiple_ads: true, follow_redirects: true, data }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdData {
    /// In the document itself.
    Vast(Box<Vast>),
    /// In the document, and not readable: to be told to the break's error URLs. Written as a VAST without ads.
    Unreadable(VastError),
    /// At an address; the template says what is there: `vast3`, `vast4` … In 1.0 it was `vast`.
    TagUri { template: Option<String>, url: String },
    /// Neither VAST nor an address.
    Custom { template: Option<String>, text: String },
}

/// A URL to be fetched when something happens to the break (2.3.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakTracking {
    pub event: BreakEvent,
    pub url: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakEvent {
    Start,
    End,
    Error,
}

impl BreakEvent {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "breakStart",
            Self::End => "breakEnd",
            Self::Error => "error",
        }
    }
}
