//! What it takes to fire an ad's beacons later, maybe on another node: kept as bytes, which their keeper seals.
//!
//! The same address has the same macros filled in each time it is tried: time and random number are of the event that
//! it tells of. Pure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    ad::Tracking,
    limits::MAX_FIRED,
    source::{Owner, Source},
    values::{AdValues, Facts, Values},
    viewer::{BreakPlace, Client, Fits, ViewerContext},
};
use crate::{
    domain::{Avail, EventType, Moment, Slug, Span, Viewer},
    media::vast::{ErrorCode, UniversalAdId},
};

/// One ad in one viewer's break, and whom to tell what of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    tenant: Slug,
    forwarded_for: bool,
    channel: Slug,
    session: Box<str>,
    client: Client,
    viewer: Viewer,
    avail: Avail,
    place: BreakPlace,
    /// From 1.
    sequence: u32,
    duration: Span,
    universal_ids: Vec<(String, String)>,
    serving_id: Option<String>,
    categories: Vec<String>,
    media_url: String,
    /// With macros in brackets, by what they tell of.
    addresses: Vec<(EventType, Vec<String>)>,
}

/// An event that is told of.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub event: EventType,
    pub time: Moment,
    pub random: u64,
    /// Of an error.
    pub code: Option<u16>,
}

impl Order {
    /// `position`: from 0.
    pub fn new(source: &Source, context: &ViewerContext, tracking: &Tracking, position: u16, duration: Span) -> Self {
        let urls = |event: EventType| {
            let urls = tracking.urls(event).into_iter().take(MAX_FIRED).map(str::to_owned).collect::<Vec<_>>();
            (!urls.is_empty()).then_some((event, urls))
        };
        Self {
            tenant: source.tenant.clone(),
            forwarded_for: source.forwarded_for,
            channel: context.channel.clone(),
            session: (*context.session).into(),
            client: (*context.client).clone(),
            viewer: context.viewer.clone(),
            avail: (*context.avail).clone(),
            place: context.place,
            sequence: u32::from(position) + 1,
            duration,
            universal_ids: tracking.universal_ids.iter().map(|id| (id.registry.clone(), id.value.clone())).collect(),
            serving_id: tracking.ad_serving_id.clone(),
            categories: tracking.categories.iter().map(|category| category.code.clone()).collect(),
            media_url: tracking.media_url.clone(),
            addresses: EventType::ALL.into_iter().filter_map(urls).collect(),
        }
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// How many addresses there are for each type of event; nothing: nobody wants to know.
    pub fn counts(&self) -> impl Iterator<Item = (EventType, u16)> {
        self.addresses.iter().map(|(event, urls)| (*event, u16::try_from(urls.len()).unwrap_or(u16::MAX)))
    }

    /// Headers that tell third parties of the viewer.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        self.client.headers(self.forwarded_for)
    }

    /// The address at a place among those of an event, with its macros filled; `None`: it is none.
    pub fn address(&self, told: &Told, place: u16) -> Option<Url> {
        let (_, urls) = self.addresses.iter().find(|(event, _)| *event == told.event)?;
        let template = urls.get(usize::from(place))?;
        let source = Source {
            tenant: self.tenant.clone(),
            owner: Owner::Channel(self.channel.clone()),
            template: Arc::default(),
            timeout: Default::default(),
            forwarded_for: self.forwarded_for,
            currency: Box::default(),
            cpm: None,
        };
        let context = ViewerContext {
            client: Arc::new(self.client.clone()),
            viewer: self.viewer.clone(),
            session: (*self.session).into(),
            channel: self.channel.clone(),
            avail: Arc::new(self.avail.clone()),
            place: self.place,
            fits: Fits::default(),
        };
        let ids: Vec<UniversalAdId> =
            self.universal_ids.iter().cloned().map(|(registry, value)| UniversalAdId { registry, value }).collect();
        let code = told.code.and_then(|code| ErrorCode::ALL.iter().find(|known| known.number() == code)).copied();
        let mut values = Values {
            source: &source,
            context: &context,
            now: told.time,
            random: told.random,
            // A player that names no code has told of an error all the same.
            code: (told.event == EventType::Error).then_some(code.unwrap_or(ErrorCode::Undefined)),
            ad: AdValues {
                universal_ids: &ids,
                serving_id: self.serving_id.as_deref(),
                categories: self.categories.clone(),
                sequence: Some(self.sequence),
                asset: Some(self.media_url.as_str().into()),
                playhead: Some(Span(self.duration.as_micros() / 4 * quarters(told.event))),
            },
            facts: Arc::new(Facts::of(&source, &context)),
        };
        for _ in 0..=place {
            values.next();
        }
        values.url(template)
    }
}

/// How much of the ad an event says was seen.
pub(super) fn quarters(event: EventType) -> i64 {
    match event {
        EventType::FirstQuartile => 1,
        EventType::Midpoint => 2,
        EventType::ThirdQuartile => 3,
        EventType::Complete => 4,
        _ => 0,
    }
}
