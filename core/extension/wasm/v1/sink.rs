//! A plugin as a tracking sink.

use std::sync::Arc;

use super::{
    bindings::exports::cuetone::extension::sink::{self, GuestIndices},
    request::{device, money, seconds},
};
use crate::{
    domain::{CountedBy, Event, Traffic},
    extension::{
        Counters, ExtensionError, Patience, SinkInput, SinkRequest, TrackingSink,
        wasm::plugin::{Plugin, Ran},
    },
};

pub struct Sink {
    plugin: Arc<Plugin>,
    indices: GuestIndices,
}

impl Sink {
    pub fn new(plugin: Arc<Plugin>) -> Result<Self, ExtensionError> {
        let indices = plugin.exported(GuestIndices::new)?;
        Ok(Self { plugin, indices })
    }

    /// As [`TrackingSink::deliver`], with what it cost.
    pub fn run(&self, input: &SinkInput<'_>) -> Result<Ran<Vec<SinkRequest>>, ExtensionError> {
        self.plugin.call(input.config, &Counters::default(), &Patience::default(), |mut store, instance| {
            let guest = self.indices.load(&mut store, instance)?;
            let texts: Vec<Texts> = input.events.iter().map(Texts::of).collect();
            let events: Vec<_> = input.events.iter().zip(&texts).map(|(event, texts)| texts.record(event)).collect();
            let requests = guest.call_deliver(store, &events)?;
            Ok(requests.map(|requests| requests.into_iter().map(SinkRequest::from).collect()))
        })
    }
}

impl TrackingSink for Sink {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}

/// What an event holds in another form than a text.
struct Texts {
    id: String,
    more: Option<String>,
}

impl Texts {
    fn of(event: &Event) -> Self {
        // A value made of texts and JSON can always be written.
        let more = event.more.as_ref().and_then(|more| serde_json::to_string(more).ok());
        Self { id: event.id.to_string(), more }
    }

    fn record<'a>(&'a self, event: &'a Event) -> sink::Event<'a> {
        sink::Event {
            id: &self.id,
            event_type: event.event_type.as_str(),
            time: seconds(event.time),
            received: seconds(event.received),
            tenant: event.tenant.as_str(),
            channel: event.channel.as_ref().map(|channel| channel.as_str()),
            session: &event.session,
            viewer: event.viewer.as_deref(),
            avail: event.avail.as_str(),
            pod_position: event.pod_position,
            ad: event.ad.as_ref().map(|ad| ad.as_str()),
            campaign: event.campaign.as_ref().map(|campaign| campaign.as_str()),
            device: device(event.device),
            geo: &event.geo,
            counted_by: event.counted_by.map(|by| match by {
                CountedBy::Segment => sink::CountedBy::Segment,
                CountedBy::Client => sink::CountedBy::Client,
                CountedBy::Stitch => sink::CountedBy::Stitch,
                CountedBy::Api => sink::CountedBy::Api,
            }),
            traffic: match event.traffic {
                Traffic::Valid => sink::Traffic::Valid,
                Traffic::Bot => sink::Traffic::Bot,
                Traffic::DataCentre => sink::Traffic::DataCentre,
            },
            price: money(event.price.micros()),
            error_code: event.error_code,
            value: event.value.map(money),
            more: self.more.as_deref(),
        }
    }
}

impl From<sink::OutboundRequest> for SinkRequest {
    fn from(request: sink::OutboundRequest) -> Self {
        let sink::OutboundRequest { method, url, headers, body } = request;
        Self { method, url, headers: headers.into_iter().collect(), body }
    }
}
