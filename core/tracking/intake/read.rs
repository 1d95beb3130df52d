//! One report to one event: what it must say, what it may say, and what makes it one event.
//!
//! The first mistake of an event is told by the member's name; the others of its batch count all the same.

use std::{borrow::Cow, net::IpAddr};

use serde_json::Value;

use super::{
    Catalogue, Judge,
    privacy::{Consent, hidden, keep_address},
    report::{Member, Report, Scalar},
};
use crate::{
    domain::{
        AdType, Attribution, AvailId, Beaconing, CountedBy, DeviceType, Entity, Event, EventId, EventType, Moment,
        More, Slug, Span,
    },
    geo::country_code,
    media::datetime,
};

/// How far a reporter's clock may be ahead of ours. Its events count as happening now.
pub const MAX_AHEAD: Span = Span::from_secs(5 * 60);

/// How late an event may be told: devices that were off the net for a month are counted by nobody any more.
pub const MAX_AGE: Span = Span::from_secs(31 * 24 * 3600);

/// Bytes of names (sessions, viewers, breaks, entities) and of keys.
pub const MAX_NAME: usize = 128;

/// Bytes of a User-Agent or a referrer that are kept.
const MAX_KEPT: usize = 512;

/// Bytes of an attribution's parameter.
const MAX_UTM: usize = 256;

/// Places of a pod: more ads than an hour has.
const MAX_POSITION: i64 = 1_000;

/// Names and values of `metadata` together, and how deep it may be nested: a note, not a document.
pub const MAX_METADATA: usize = 4_096;
const MAX_METADATA_DEPTH: usize = 5;

/// The largest `value`: a trillion, so that millionths of many sum up without overflow.
const MAX_VALUE: f64 = 1e12;

/// Why an event is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub field: Cow<'static, str>,
    pub reason: Cow<'static, str>,
}

/// An event that is taken.
#[derive(Clone, Debug)]
pub struct Read {
    pub event: Event,
    /// It said no time: ours was taken.
    pub time_assumed: bool,
    /// It is of a kind that its channel counts by itself: kept, on nobody's bill.
    pub counted_elsewhere: bool,
}

fn refuse<T>(member: Member, reason: impl Into<Cow<'static, str>>) -> Result<T, Refused> {
    Err(Refused { field: member.name().into(), reason: reason.into() })
}

/// As much of somebody's text as belongs into an answer.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(64)).unwrap_or_default()
}

impl Report<'_> {
    /// Text that is not empty; numbers are the names that some clients give things.
    fn text(&self, member: Member, max: usize) -> Result<Option<Cow<'_, str>>, Refused> {
        let text: Cow<'_, str> = match self.get(member) {
            Scalar::Absent => return Ok(None),
            Scalar::Text(text) => Cow::Borrowed(&**text),
            Scalar::Integer(number) => Cow::Owned(number.to_string()),
            Scalar::Number(_) | Scalar::Truth(_) | Scalar::Other => return refuse(member, "expected text"),
        };
        if text.is_empty() || text.len() > max || text.bytes().any(|byte| byte.is_ascii_control()) {
            return refuse(member, format!("expected one line of 1 to {max} bytes"));
        }
        Ok(Some(text))
    }

    /// The same, cut instead of refused: it comes from a viewer's device.
    fn cut(&self, member: Member, max: usize) -> Result<Option<Box<str>>, Refused> {
        match self.get(member) {
            Scalar::Absent => Ok(None),
            Scalar::Text(text) if text.is_empty() => Ok(None),
            Scalar::Text(text) => Ok(Some(text.get(..text.floor_char_boundary(max)).unwrap_or_default().into())),
            _ => refuse(member, "expected text"),
        }
    }

    fn integer(&self, member: Member, low: i64, high: i64) -> Result<Option<i64>, Refused> {
        let number = match self.get(member) {
            Scalar::Absent => return Ok(None),
            Scalar::Integer(number) => Some(*number),
            Scalar::Text(text) => text.parse().ok(),
            _ => None,
        };
        match number.filter(|number| (low..=high).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => refuse(member, format!("expected a whole number from {low} to {high}")),
        }
    }

    fn consent(&self, consent: &mut Consent) -> Result<(), Refused> {
        for (member, signal) in [
            (Member::DoNotTrack, "dnt"),
            (Member::Lmt, "lmt"),
            (Member::Gpc, "gpc"),
            (Member::Gdpr, "gdpr"),
            (Member::GdprConsent, "gdpr_consent"),
            (Member::UsPrivacy, "us_privacy"),
            (Member::Gpp, "gpp"),
        ] {
            // Strings of consent are text; the others are 0 or 1, however written.
            let flag = !matches!(member, Member::GdprConsent | Member::UsPrivacy | Member::Gpp);
            let known = match self.get(member) {
                Scalar::Absent => true,
                Scalar::Text(text) => consent.signal(signal, text),
                Scalar::Truth(truth) if flag => consent.signal(signal, if *truth { "1" } else { "0" }),
                Scalar::Integer(number) if flag => consent.signal(signal, if *number == 1 { "1" } else { "0" }),
                Scalar::Truth(_) | Scalar::Integer(_) | Scalar::Number(_) | Scalar::Other => false,
            };
            if !known {
                return refuse(member, if flag { "expected text, 0 or 1" } else { "expected text" });
            }
        }
        Ok(())
    }

    fn attribution(&self) -> Result<Option<Attribution>, Refused> {
        let attribution = Attribution {
            utm_source: self.cut(Member::UtmSource, MAX_UTM)?,
            utm_medium: self.cut(Member::UtmMedium, MAX_UTM)?,
            utm_campaign: self.cut(Member::UtmCampaign, MAX_UTM)?,
            utm_term: self.cut(Member::UtmTerm, MAX_UTM)?,
            utm_content: self.cut(Member::UtmContent, MAX_UTM)?,
            referrer: self.cut(Member::Referrer, MAX_KEPT)?,
        };
        Ok((attribution != Attribution::default()).then_some(attribution))
    }

    fn entity(&self) -> Result<Option<Entity>, Refused> {
        match (self.text(Member::EntityType, MAX_NAME)?, self.text(Member::EntityId, MAX_NAME)?) {
            (None, None) => Ok(None),
            (Some(kind), Some(id)) => Ok(Some(Entity { kind: kind.into(), id: id.into() })),
            (Some(_), None) => refuse(Member::EntityId, "is required beside entity_type"),
            (None, Some(_)) => refuse(Member::EntityType, "is required beside entity_id"),
        }
    }

    fn value(&self) -> Result<Option<i64>, Refused> {
        let number = match self.get(Member::Value) {
            Scalar::Absent => return Ok(None),
            Scalar::Integer(number) => *number as f64,
            Scalar::Number(number) => *number,
            Scalar::Text(text) => text.parse().unwrap_or(f64::NAN),
            Scalar::Truth(_) | Scalar::Other => f64::NAN,
        };
        if !(-MAX_VALUE..=MAX_VALUE).contains(&number) {
            return refuse(Member::Value, "expected a number from -1e12 to 1e12");
        }
        Ok(Some(Span::from_secs_f64(number).as_micros()))
    }

    /// When it happened; `None` where it does not say.
    fn time(&self, now: Moment) -> Result<Option<Moment>, Refused> {
        let time = match self.get(Member::Timestamp) {
            Scalar::Absent => return Ok(None),
            Scalar::Text(text) => datetime::parse(text).ok(),
            Scalar::Integer(millis) => Some(Moment::from_millis(*millis)),
            _ => None,
        };
        let Some(time) = time else {
            return refuse(
                Member::Timestamp,
                "expected a date and time such as 2026-06-01T20:00:00Z, or milliseconds since 1970",
            );
        };
        if time > now + MAX_AHEAD {
            return refuse(Member::Timestamp, "is more than five minutes in the future");
        }
        if time < now - MAX_AGE {
            return refuse(Member::Timestamp, "is more than 31 days ago");
        }
        Ok(Some(time))
    }
}

impl Judge {
    /// Reads a report of a tenant's. `asked` is what the request that brought it says of consent.
    pub fn read(
        &self,
        tenant: &dyn Catalogue,
        report: &mut Report<'_>,
        asked: Consent,
        now: Moment,
    ) -> Result<Read, Refused> {
        if report.shapeless {
            return Err(Refused { field: "".into(), reason: "an event must be an object".into() });
        }
        if let Some(strange) = &report.strange {
            let field = shown(strange).to_owned().into();
            return Err(Refused {
                field,
                reason: "is unknown, or there twice; /api/openapi.json names what is known".into(),
            });
        }
        let settings = tenant.tenant();
        let event_type = event_type(tenant, report)?;
        let Some(session) = report.text(Member::Session, MAX_NAME)? else {
            return refuse(Member::Session, "is required");
        };
        let ad = match report.text(Member::Ad, MAX_NAME)? {
            Some(slug) => match tenant.ad(&slug) {
                Some(ad) => Some(ad),
                None => return refuse(Member::Ad, format!("there is no ad `{}`", shown(&slug))),
            },
            None if matches!(event_type, EventType::Custom(_)) => None,
            None => return refuse(Member::Ad, "is required"),
        };
        let channel = match report.text(Member::Channel, MAX_NAME)? {
            Some(slug) => match tenant.channel(&slug) {
                Some(channel) => Some(channel),
                None => return refuse(Member::Channel, format!("there is no channel `{}`", shown(&slug))),
            },
            None => None,
        };
        let avail = report.text(Member::Break, MAX_NAME)?;
        let position = report.integer(Member::PodPosition, 0, MAX_POSITION)?.unwrap_or(0);
        let said = report.time(now)?;
        let key = report.text(Member::Key, MAX_NAME)?;
        let entity = report.entity()?;
        let error_code = report.integer(Member::ErrorCode, 100, 999)?;
        if error_code.is_some() && event_type != EventType::Error {
            return refuse(Member::ErrorCode, "belongs to events of the type error");
        }
        let agent = report.cut(Member::UserAgent, MAX_KEPT)?;
        let known_agent = agent.as_deref().map(|agent| self.traffic.agent(agent));
        let address = address(report)?;
        let geo = self.country(report, address)?;
        let device = device(report)?.or(known_agent.map(|agent| agent.device)).unwrap_or_default();
        let viewer = report.text(Member::Viewer, MAX_NAME)?;
        let mut consent = asked;
        report.consent(&mut consent)?;
        let private = consent.withholds(&settings.privacy);

        let mut event = Event::new(settings.slug.clone(), event_type, said.unwrap_or(now).min(now));
        event.received = now;
        event.channel = channel.map(|channel| channel.slug.clone());
        event.avail = AvailId::new(avail.as_deref().unwrap_or_default());
        event.pod_position = u16::try_from(position).unwrap_or(u16::MAX);
        event.ad = ad.map(|ad| ad.slug.clone());
        event.device = device;
        event.geo = geo;
        event.counted_by = Some(CountedBy::Api);
        event.traffic = self.traffic.judge(known_agent, address);
        event.error_code = error_code.and_then(|code| u16::try_from(code).ok());
        event.value = report.value()?;
        event.session = if private { hidden(tenant.viewer_key(), &session) } else { session.clone().into_owned() };
        // Caps count for whoever is named; a session's name is one as long as there is no better.
        event.viewer = (!private).then(|| viewer.unwrap_or(session)).map(Into::into);
        event.id = identity(&event, entity.as_ref(), key.as_deref(), said);

        let attribution = report.attribution()?;
        let properties = metadata(report)?;
        let more = More {
            entity,
            attribution: attribution.filter(|_| !private),
            address: address
                .filter(|_| !private)
                .and_then(|address| keep_address(settings.privacy.address, tenant.viewer_key(), address)),
            user_agent: agent.filter(|_| !private),
            properties: if private { serde_json::Map::new() } else { properties },
        };
        event.more = (more != More::default()).then(|| Box::new(more));

        // A companion comes along with an ad of its campaign, which is what is paid for.
        let campaign = ad.filter(|ad| ad.ad_type != AdType::Companion).and_then(|ad| ad.campaign.clone());
        let counts_itself = channel.is_some_and(|channel| channel.beaconing != Beaconing::Client);
        let counted_elsewhere = counts_itself && server_counts(event_type);
        if !counted_elsewhere {
            if event_type == EventType::Impression {
                event.price = tenant.impression_price(campaign.as_ref());
            }
            event.campaign = campaign;
        }
        Ok(Read { event, time_assumed: said.is_none(), counted_elsewhere })
    }

    fn country(&self, report: &Report<'_>, address: Option<IpAddr>) -> Result<Box<str>, Refused> {
        match report.get(Member::Geo) {
            Scalar::Absent => Ok(address.and_then(|address| self.geo.as_ref()?.country(address)).unwrap_or_default()),
            Scalar::Text(text) if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) => {
                Ok(country_code(text).unwrap_or_default())
            }
            _ => refuse(Member::Geo, "expected two letters (ISO 3166-1 alpha-2)"),
        }
    }
}

/// What a channel that counts for itself counts.
fn server_counts(event_type: EventType) -> bool {
    matches!(
        event_type,
        EventType::Impression
            | EventType::Start
            | EventType::FirstQuartile
            | EventType::Midpoint
            | EventType::ThirdQuartile
            | EventType::Complete
    )
}

fn event_type(tenant: &dyn Catalogue, report: &Report<'_>) -> Result<EventType, Refused> {
    let Some(name) = report.text(Member::EventType, MAX_NAME)? else {
        return refuse(Member::EventType, "is required");
    };
    let own = &tenant.tenant().event_types;
    match name.parse() {
        Ok(EventType::Custom(custom)) if own.contains(&custom) => Ok(EventType::Custom(custom)),
        Ok(known) if EventType::ALL.contains(&known) => Ok(known),
        _ => {
            let known = EventType::ALL.iter().map(EventType::as_str).chain(own.iter().map(|own| own.as_str()));
            let known = known.collect::<Vec<_>>().join(", ");
            refuse(Member::EventType, format!("unknown event type `{}`: known are {known}", shown(&name)))
        }
    }
}

/// What makes it one event: the reporter's key, else session, break, place, ad and type; where no break is named, the
/// time stands for it.
fn identity(event: &Event, entity: Option<&Entity>, key: Option<&str>, said: Option<Moment>) -> EventId {
    if let Some(key) = key {
        return EventId::of_key(&event.tenant, key);
    }
    if !event.avail.as_str().is_empty() {
        let (ad, kind) = (event.ad.as_ref(), event.event_type);
        return EventId::of_showing(&event.tenant, &event.session, &event.avail, event.pod_position, ad, kind);
    }
    // No key that is given has such a sign in it.
    let (ad, kind) = (event.ad.as_ref().map_or("", Slug::as_str), event.event_type.as_str());
    let (entity_kind, entity) = entity.map_or(("", ""), |entity| (&*entity.kind, &*entity.id));
    let time = said.map_or(0, Moment::as_micros);
    let channel = event.channel.as_ref().map_or("", Slug::as_str);
    EventId::of_key(
        &event.tenant,
        &format!("{}\0{channel}\0{ad}\0{kind}\0{entity_kind}\0{entity}\0{time}", event.session),
    )
}

fn address(report: &Report<'_>) -> Result<Option<IpAddr>, Refused> {
    match report.get(Member::Address) {
        Scalar::Absent => Ok(None),
        Scalar::Text(text) => match text.parse() {
            Ok(address) => Ok(Some(address)),
            // It is somebody's address, or part of one: not to be repeated.
            Err(_) => refuse(Member::Address, "expected an IPv4 or IPv6 address"),
        },
        _ => refuse(Member::Address, "expected an IPv4 or IPv6 address"),
    }
}

fn device(report: &Report<'_>) -> Result<Option<DeviceType>, Refused> {
    let text = match report.get(Member::Device) {
        Scalar::Absent => return Ok(None),
        Scalar::Text(text) => text,
        _ => return refuse(Member::Device, "expected text"),
    };
    let same = |device: &DeviceType| {
        let spelled = text.bytes().map(|b| if matches!(b, b'_' | b' ') { b'-' } else { b.to_ascii_lowercase() });
        spelled.eq(device.as_str().bytes())
    };
    match DeviceType::ALL.into_iter().find(same) {
        Some(device) => Ok(Some(device)),
        None => {
            let known = DeviceType::ALL.map(DeviceType::as_str).join(", ");
            refuse(Member::Device, format!("unknown device `{}`: known are {known}", shown(text)))
        }
    }
}

fn metadata(report: &mut Report<'_>) -> Result<serde_json::Map<String, Value>, Refused> {
    if *report.get(Member::Metadata) != Scalar::Absent {
        return refuse(Member::Metadata, "expected an object");
    }
    let Some(metadata) = report.metadata.take() else { return Ok(serde_json::Map::new()) };
    let mut room = MAX_METADATA;
    let fits = metadata.iter().all(|(name, value)| take(&mut room, name.len()) && measure(value, 1, &mut room));
    if fits {
        return Ok(metadata);
    }
    refuse(Member::Metadata, format!("expected at most {MAX_METADATA} bytes, {MAX_METADATA_DEPTH} levels deep"))
}

fn take(room: &mut usize, bytes: usize) -> bool {
    // Quotes, a colon, a comma.
    let left = room.checked_sub(bytes + 4);
    *room = left.unwrap_or(0);
    left.is_some()
}

fn measure(value: &Value, depth: usize, room: &mut usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => take(room, 8),
        Value::String(text) => take(room, text.len()),
        Value::Array(items) => {
            depth < MAX_METADATA_DEPTH && take(room, 0) && items.iter().all(|item| measure(item, depth + 1, room))
        }
        Value::Object(members) => {
            depth < MAX_METADATA_DEPTH
                && take(room, 0)
                && members.iter().all(|(name, value)| take(room, name.len()) && measure(value, depth + 1, room))
        }
    }
}
