//! Fills the macros of an ad's URLs for a player that fetches them itself. Pure.

use super::{
    ad::Tracking,
    order::quarters,
    source::Source,
    values::{AdValues, Facts, Values},
    viewer::ViewerContext,
};
use crate::domain::{EventType, Moment, Span};

/// One ad in one viewer's break.
pub struct Filler<'a> {
    values: Values<'a>,
    duration: Span,
}

impl<'a> Filler<'a> {
    /// `position`: from 0. `random`: the same for the same ad of a viewer, so that its URLs are the same each time.
    pub fn new(
        (source, tracking): (&'a Source, &'a Tracking),
        context: &'a ViewerContext,
        position: u16,
        duration: Span,
        (now, random): (Moment, u64),
    ) -> Self {
        let ad = AdValues::playing(tracking, u32::from(position) + 1, Span::ZERO);
        let facts = std::sync::Arc::new(Facts::of(source, context));
        Self { values: Values { source, context, now, random, code: None, ad, facts }, duration }
    }

    /// The URL that a template stands for at an event; `None`: it stands for none.
    pub fn url(&mut self, template: &str, event: EventType) -> Option<String> {
        self.values.next();
        self.values.ad.playhead = Some(Span(self.duration.as_micros() / 4 * quarters(event)));
        self.values.url(template).map(String::from)
    }
}
