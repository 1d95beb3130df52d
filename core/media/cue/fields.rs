//! Typed reading of a marker's attributes. Names are matched in any capitalisation, because vendors differ.

use super::{
    CueError,
    signal::{Reading, interpret},
};
use crate::{
    domain::{Moment, Span},
    media::{attributes, datetime, scte35, tag},
};

/// How much of a wrong value an error repeats: enough to find it, too little to flood a log.
const QUOTED_CHARS: usize = 40;

/// Attributes that carry a whole section beside a CUE-OUT or CUE.
const SECTION_NAMES: &[&str] = &["CUE", "SCTE35"];

/// The value of a marker's tag.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a str);

impl<'a> Fields<'a> {
    /// The first of `names` that has a value.
    pub(super) fn text(self, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
        names.iter().find_map(|name| {
            let value = attributes::get_ignore_case(self.0, name)?;
            (!value.is_empty()).then_some((*name, value))
        })
    }

    /// The item that stands first without a name: the `30` of `#EXT-X-CUE-OUT:30,ID=7`.
    pub(super) fn bare(self) -> Option<&'a str> {
        attributes::attributes(self.0).next().filter(|item| item.name.is_empty()).map(|item| item.value)
    }

    pub(super) fn seconds(self, names: &[&'static str]) -> Result<Option<Span>, CueError> {
        self.text(names).map(|(name, text)| seconds(name, text)).transpose()
    }

    pub(super) fn date(self, attribute: &'static str) -> Result<Option<Moment>, CueError> {
        let text = self.text(&[attribute]);
        text.map(|(_, text)| datetime::parse(text).map_err(|reason| CueError::Date { attribute, reason })).transpose()
    }

    /// What the section in the first of `names` says.
    pub(super) fn section(self, names: &[&'static str]) -> Result<Option<Reading>, CueError> {
        self.text(names).map(|(name, text)| section(name, text)).transpose()
    }

    /// What the section in one of the usual attributes says.
    pub(super) fn usual_section(self) -> Result<Option<Reading>, CueError> {
        self.section(SECTION_NAMES)
    }

    pub(super) fn id(self) -> Option<String> {
        let names = &["ID", "BREAKID", "BREAK-ID", "EVENT-ID", "EVENTID"];
        self.text(names).map(|(_, text)| text.to_owned())
    }
}

pub(super) fn seconds(attribute: &'static str, text: &str) -> Result<Span, CueError> {
    tag::decimal_seconds(text).ok_or_else(|| CueError::Seconds { attribute, text: quoted(text) })
}

pub(super) fn section(attribute: &'static str, text: &str) -> Result<Reading, CueError> {
    let section = scte35::decode_text(text).map_err(|reason| CueError::Signal { attribute, reason })?;
    Ok(interpret(&section))
}

/// The start of a wrong value, for an error.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}
