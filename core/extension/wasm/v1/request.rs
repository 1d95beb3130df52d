//! The request and the candidates of a decision.

use std::collections::BTreeMap;

use super::bindings::cuetone::extension::types;
use crate::{
    domain::{Avail, AvailKind, DeviceType, Moment, Position, Span},
    extension::{Candidate, RequestContext, wasm::Metadata, wasm::metadata::LeftOut},
};

/// Labels as pairs; owned by whoever makes a record of them.
pub type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// Micro-units in one.
const MICROS: f64 = 1_000_000.0;

pub fn money(micros: i64) -> f64 {
    micros as f64 / MICROS
}

pub fn seconds(moment: Moment) -> f64 {
    moment.0 as f64 / MICROS
}

pub fn length(span: Span) -> f64 {
    span.as_secs_f64()
}

pub fn pairs<K: AsRef<str>, V: AsRef<str>>(labels: &BTreeMap<K, V>) -> Pairs<'_> {
    labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
}

pub fn device(device: DeviceType) -> types::Device {
    match device {
        DeviceType::SmartTv => types::Device::SmartTv,
        DeviceType::SetTopBox => types::Device::SetTopBox,
        DeviceType::Console => types::Device::Console,
        DeviceType::Mobile => types::Device::Mobile,
        DeviceType::Tablet => types::Device::Tablet,
        DeviceType::Desktop => types::Device::Desktop,
        DeviceType::Other => types::Device::Other,
    }
}

pub fn kind(kind: AvailKind) -> types::AvailKind {
    match kind {
        AvailKind::Replace => types::AvailKind::Replace,
        AvailKind::Insert => types::AvailKind::Insert,
    }
}

pub fn position(position: Position) -> types::Position {
    match position {
        Position::PreRoll => types::Position::PreRoll,
        Position::MidRoll => types::Position::MidRoll,
        Position::PostRoll => types::Position::PostRoll,
    }
}

pub fn avail<'a>(avail: &'a Avail, metadata: &'a Pairs<'a>) -> types::AvailParam<'a> {
    types::AvailParam {
        id: avail.id.as_str(),
        start: seconds(avail.start),
        duration: length(avail.duration),
        kind: kind(avail.kind),
        position: position(avail.position),
        closed: avail.closed,
        metadata,
    }
}

/// The texts that records of a decision point to.
pub struct Texts<'a> {
    params: Pairs<'a>,
    channel: Pairs<'a>,
    avail: Pairs<'a>,
    ads: Vec<Pairs<'a>>,
}

impl<'a> Texts<'a> {
    pub fn of(request: &RequestContext<'a>, candidates: &[Candidate<'a>], plugin: &Metadata) -> Self {
        let labels = !plugin.leaves_out.contains(&LeftOut::Labels);
        Self {
            params: pairs(&request.viewer.params),
            channel: pairs(request.channel_labels),
            avail: pairs(&request.avail.metadata),
            ads: if labels { candidates.iter().map(|ad| pairs(ad.labels)).collect() } else { Vec::new() },
        }
    }

    pub fn request<'t>(&'t self, request: &'t RequestContext<'t>) -> types::Request<'t> {
        let now = request.now;
        types::Request {
            tenant: request.tenant,
            channel: request.channel,
            geo: &request.viewer.geo,
            device: device(request.viewer.device),
            session_id: request.viewer.session_id.as_deref(),
            params: &self.params,
            labels: &self.channel,
            avail: avail(request.avail, &self.avail),
            now: types::LocalTime {
                year: now.year,
                month: now.month.unsigned_abs(),
                day: now.day.unsigned_abs(),
                hour: now.hour.unsigned_abs(),
                minute: now.minute.unsigned_abs(),
                weekday: now.weekday.unsigned_abs(),
                epoch: seconds(now.moment),
            },
            seed: request.seed,
        }
    }

    pub fn candidates<'t>(&'t self, candidates: &'t [Candidate<'t>], plugin: &Metadata) -> Vec<types::Candidate<'t>> {
        let ids = !plugin.leaves_out.contains(&LeftOut::Ids);
        let record = |(at, ad): (usize, &'t Candidate<'t>)| types::Candidate {
            id: if ids { ad.id } else { "" },
            campaign: ad.campaign.filter(|_| ids),
            category: ad.category,
            duration: length(ad.duration),
            priority: ad.priority,
            cpm: money(ad.cpm_micros),
            score: ad.score,
            seen: ad.seen,
            labels: self.ads.get(at).map_or(&[], Vec::as_slice),
        };
        candidates.iter().enumerate().map(record).collect()
    }
}
