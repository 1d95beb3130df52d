//! Reports as they are sent: JSON read in one pass, borrowed from the body, so that one bad event spoils no other.
//!
//! Members that are known are kept as they are, whatever they are; what they should be is judged event by event in
//! [`super::read`]. Names are those of the API, and the camelCase that older clients write. Knows no tenant.

use std::{borrow::Cow, fmt};

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Events of one body.
pub const MAX_EVENTS: usize = 1_000;

/// Makes the list of members: its place in a report, its name, and what else it is called.
macro_rules! members {
    ($($member:ident $name:literal $(| $alias:literal)*),+ $(,)?) => {
        /// A member of a report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Member { $($member),+ }

        impl Member {
            /// By the names that are documented.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$member, $name)),+];

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $alias)* => Some(Self::$member),)+
                    _ => None,
                }
            }
        }

        const MEMBERS: usize = [$($name),+].len();
    };
}

members! {
    Tenant "tenant_id" | "tenantId",
    EventType "event_type" | "eventType",
    Session "session_id" | "sessionId",
    Ad "ad_id" | "adId",
    Channel "channel_id" | "channelId",
    Break "break_id" | "breakId" | "avail_id" | "availId",
    PodPosition "pod_position" | "podPosition",
    Timestamp "timestamp",
    Viewer "viewer_id" | "viewerId" | "user_id" | "userId",
    Device "device_type" | "deviceType",
    Geo "geo_country" | "geoCountry",
    Address "ip_address" | "ipAddress",
    UserAgent "user_agent" | "userAgent",
    ErrorCode "error_code" | "errorCode",
    Value "value",
    EntityType "entity_type" | "entityType",
    EntityId "entity_id" | "entityId",
    UtmSource "utm_source" | "utmSource",
    UtmMedium "utm_medium" | "utmMedium",
    UtmCampaign "utm_campaign" | "utmCampaign",
    UtmTerm "utm_term" | "utmTerm",
    UtmContent "utm_content" | "utmContent",
    Referrer "referrer",
    DoNotTrack "dnt" | "do_not_track" | "doNotTrack",
    Lmt "lmt",
    Gpc "gpc",
    Gdpr "gdpr",
    GdprConsent "gdpr_consent" | "gdprConsent",
    UsPrivacy "us_privacy" | "usPrivacy",
    Gpp "gpp",
    Key "idempotency_key" | "idempotencyKey",
    Metadata "metadata" | "properties",
}

impl Member {
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(member, _)| *member == self).map_or("", |(_, name)| name)
    }
}

/// What stands at a member.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing, or null.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Integer(i64),
    Number(f64),
    Truth(bool),
    /// A list, an object, or a number beyond all measure.
    Other,
}

/// One event of a body.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    members: [Scalar<'a>; MEMBERS],
    pub metadata: Option<Map<String, Value>>,
    /// A name that nobody knows, or one that is there twice: the first such.
    pub strange: Option<Cow<'a, str>>,
    /// It is no object at all.
    pub shapeless: bool,
}

/// A body.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// Whose all events are that do not say it themselves.
    pub tenant: Option<Cow<'a, str>>,
    /// `None` where the member is missing.
    pub events: Option<Vec<Report<'a>>>,
    /// A member that nobody knows.
    pub strange: Option<Cow<'a, str>>,
    /// There are more than [`MAX_EVENTS`]; those beyond were not read.
    pub too_many: bool,
}

impl<'a> Report<'a> {
    fn new() -> Self {
        Self { members: std::array::from_fn(|_| Scalar::Absent), metadata: None, strange: None, shapeless: false }
    }

    pub fn get(&self, member: Member) -> &Scalar<'a> {
        const ABSENT: &Scalar<'static> = &Scalar::Absent;
        self.members.get(member as usize).unwrap_or(ABSENT)
    }
}

impl<'a> Batch<'a> {
    /// Reads a body. An error is one of JSON itself: nothing of it can be used then.
    pub fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

/// A name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        reader.deserialize_str(Reads)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Absent)
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Truth(truth))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Integer(number))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
                Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Number(number))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Scalar<'de>, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        reader.deserialize_any(Reads)
    }
}

/// What is no object is read past and noted.
macro_rules! shapeless {
    ($value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de> Deserialize<'de> for Report<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Reads {
            fn shapeless<'a>() -> Report<'a> {
                Report { shapeless: true, ..Report::new() }
            }
        }
        impl<'de> Visitor<'de> for Reads {
            type Value = Report<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Report<'de>, A::Error> {
                let mut report = Report::new();
                let mut seen = [false; MEMBERS];
                while let Some(Name(name)) = members.next_key()? {
                    let known = Member::named(&name);
                    let first = known.and_then(|member| seen.get_mut(member as usize));
                    let twice = first.is_none_or(|seen| std::mem::replace(seen, true));
                    match known {
                        Some(Member::Metadata) if !twice => match members.next_value()? {
                            Value::Object(map) => report.metadata = Some(map),
                            Value::Null => {}
                            _ => report.set(Member::Metadata, Scalar::Other),
                        },
                        Some(member) if !twice => report.set(member, members.next_value()?),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                            report.strange.get_or_insert(name);
                        }
                    }
                }
                Ok(report)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Report<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Self::shapeless())
            }
            shapeless!(Self::shapeless());
        }
        reader.deserialize_any(Reads)
    }
}

impl<'a> Report<'a> {
    fn set(&mut self, member: Member, value: Scalar<'a>) {
        if let Some(place) = self.members.get_mut(member as usize) {
            *place = value;
        }
    }
}

/// The list of events; those beyond the limit are counted and not read.
struct Reports<'a> {
    events: Vec<Report<'a>>,
    too_many: bool,
}

impl<'de> Deserialize<'de> for Reports<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Reports<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Reports<'de>, A::Error> {
                let mut reports = Reports { events: Vec::new(), too_many: false };
                while reports.events.len() < MAX_EVENTS {
                    let Some(event) = items.next_element()? else { return Ok(reports) };
                    reports.events.push(event);
                }
                while items.next_element::<IgnoredAny>()?.is_some() {
                    reports.too_many = true;
                }
                Ok(reports)
            }
        }
        reader.deserialize_seq(Reads)
    }
}

impl<'de> Deserialize<'de> for Batch<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Batch<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the member `events`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Batch<'de>, A::Error> {
                let mut batch = Batch::default();
                while let Some(Name(name)) = members.next_key()? {
                    match &*name {
                        "events" if batch.events.is_none() => {
                            let Reports { events, too_many } = members.next_value()?;
                            batch.events = Some(events);
                            batch.too_many = too_many;
                        }
                        "tenant_id" | "tenantId" if batch.tenant.is_none() => match members.next_value()? {
                            Scalar::Text(text) => batch.tenant = Some(text),
                            Scalar::Integer(number) => batch.tenant = Some(number.to_string().into()),
                            Scalar::Absent => {}
                            _ => return Err(de::Error::custom("tenant_id: expected text")),
                        },
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                            batch.strange.get_or_insert(name);
                        }
                    }
                }
                Ok(batch)
            }
        }
        reader.deserialize_map(Reads)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(event: &str) -> Report<'static> {
        let body: &'static str = Box::leak(format!("{{\"events\":[{event}]}}").into_boxed_str());
        let batch = Batch::parse(body.as_bytes()).expect("JSON");
        batch.events.expect("events").remove(0)
    }

    #[test]
    fn members_are_known_by_both_spellings_and_read_without_copies() {
        let report = one(r#"{"adId":"cola","session_id":7,"lmt":true,"value":1.5,"geo_country":null,"gpp":[]}"#);
        assert!(matches!(report.get(Member::Ad), Scalar::Text(Cow::Borrowed("cola"))));
        assert_eq!(*report.get(Member::Session), Scalar::Integer(7));
        assert_eq!(*report.get(Member::Lmt), Scalar::Truth(true));
        assert_eq!(*report.get(Member::Value), Scalar::Number(1.5));
        assert_eq!((report.get(Member::Geo), report.get(Member::Gpp)), (&Scalar::Absent, &Scalar::Other));
        assert_eq!(one(r#"{"ad_id":"é\u00e9"}"#).get(Member::Ad), &Scalar::Text("éé".into()));
        assert_eq!(Member::ALL.len(), MEMBERS);
        for (member, name) in Member::ALL {
            assert_eq!((Member::named(name), member.name()), (Some(*member), *name));
        }
    }

    #[test]
    fn what_is_strange_is_noted_by_name_and_spoils_nothing_else() {
        let body = br#"{"events":[{"colour":{"a":[1]},"ad_id":"a"},7,[],"x",null,{"ad_id":"a","adId":"b"}],"more":1}"#;
        let batch = Batch::parse(body).expect("JSON");
        let events = batch.events.expect("events");
        assert_eq!(events[0].strange.as_deref(), Some("colour"));
        assert_eq!(events[0].get(Member::Ad), &Scalar::Text("a".into()));
        assert!(events[1..5].iter().all(|event| event.shapeless));
        assert_eq!(events[5].strange.as_deref(), Some("adId"), "twice");
        assert_eq!((batch.strange.as_deref(), batch.too_many), (Some("more"), false));
    }

    #[test]
    fn only_so_many_events_are_read() {
        let body = format!("{{\"events\":[{}]}}", vec!["{}"; MAX_EVENTS + 1].join(","));
        let batch = Batch::parse(body.as_bytes()).expect("JSON");
        assert_eq!((batch.events.map(|events| events.len()), batch.too_many), (Some(MAX_EVENTS), true));
        for bad in ["", "[]", "{\"events\":{}}", "{\"events\":[{]}", "{\"tenant_id\":[],\"events\":[]}"] {
            assert!(Batch::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Batch::parse(b"{}").expect("JSON").events.is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in "[\\[\\]{}:,\"a-z0-9_. -]{0,200}") {
            let _fine = Batch::parse(body.as_bytes());
        }
    }
}
