//! Addresses that count one event of one shown ad when they are fetched. Pure: keys and the time are inputs.
//!
//! An address carries all that its event needs, signed: no session has to be in memory, and any node can count it. What
//! it looks like, behind `/fast/{tenant}/{channel}/beacon/`:
//!
//! ```text
//! {event}/{session}/{avail}/{position}/{ad}/{country}-{device}/{expires}.{signature}
//! ```
//!
//! With `.gif` behind it the answer is a picture. A click has `?to=…` behind it, where the viewer goes; that is signed
//! with the rest, so that nobody can send viewers elsewhere in our name.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use super::{Signature, SignatureError, SigningKey, signature::to_base36};
use crate::domain::{AvailId, CountedBy, DeviceType, Event, EventType, Moment, Money, Slug};

/// Tells these signatures from those of ad segments.
const PURPOSE: &str = "beacon";

/// Stands before a name that the caller gave its viewer's session; hexadecimal digits of ours never begin so.
const GIVEN: char = 'n';

/// The ad part when there is none; no slug begins so.
const NO_AD: &str = "-";

/// The country part when the country is unknown.
const NOWHERE: &str = "00";

/// Bytes of a caller's name of a session. A UUID has 36; the name stands in every address.
pub const MAX_SESSION_NAME: usize = 128;

/// Whose ads these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A session that the caller named: its ads share one history.
    Named(Box<str>),
    /// One that nobody will ask for again, by a random number; or a session of ours, by its own.
    Anonymous(u64),
    /// A session of ours whose viewer the caller named.
    Viewer(u64, Box<str>),
}

impl Audience {
    /// The caller's own name.
    pub fn given(&self) -> Option<&str> {
        match self {
            Self::Named(name) | Self::Viewer(_, name) => Some(name),
            Self::Anonymous(_) => None,
        }
    }

    /// Our name of the session in events and decisions: the same for the same caller's name, and of use to nobody who
    /// does not have the tenant's key.
    pub fn session(&self, key: &SigningKey) -> String {
        match self {
            Self::Named(name) => key.sign(&["audience", name], 0).as_str().to_owned(),
            Self::Anonymous(number) | Self::Viewer(number, _) => format!("{number:016x}"),
        }
    }

    fn encode(&self) -> String {
        match self {
            Self::Named(name) => format!("{GIVEN}{}", URL_SAFE_NO_PAD.encode(name.as_bytes())),
            Self::Anonymous(number) => format!("{number:016x}"),
            Self::Viewer(number, name) => {
                format!("{number:016x}{GIVEN}{}", URL_SAFE_NO_PAD.encode(name.as_bytes()))
            }
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (digits, name) = text.split_once(GIVEN).map_or((text, None), |(digits, name)| (digits, Some(name)));
        let name = match name {
            Some(encoded) => {
                let name = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
                Some(Box::<str>::from(name)).filter(|name| name.len() <= MAX_SESSION_NAME)
            }
            None => None,
        };
        if digits.is_empty() {
            return name.map(Self::Named);
        }
        let well_formed = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| well_formed)?;
        Some(name.map_or(Self::Anonymous(number), |name| Self::Viewer(number, name)))
    }
}

/// One ad in one break of one viewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Showing {
    pub channel: Slug,
    pub audience: Audience,
    /// Letters, digits, `-` and `_` only: it is a path segment.
    pub avail: AvailId,
    /// 0 for the first ad of the pod.
    pub position: u16,
    /// `None`: the break itself, for which there was no ad.
    pub ad: Option<Slug>,
    /// Two upper-case letters, or empty.
    pub geo: Box<str>,
    pub device: DeviceType,
}

/// An event of a showing.
#[derive(Clone, Debug, PartialEq)]
pub struct Beacon {
    pub event: EventType,
    pub showing: Showing,
}

impl Showing {
    /// The address of an event, from the channel on. `to` is where a click leads.
    pub fn link(&self, key: &SigningKey, event: EventType, expires: u64, ending: &str, to: Option<&str>) -> String {
        let (session, position) = (self.audience.encode(), self.position.to_string());
        let geo = if self.geo.is_empty() { NOWHERE } else { &self.geo };
        let viewer = format!("{geo}-{}", self.device.as_str());
        let (avail, ad) = (self.avail.as_str(), self.ad.as_ref().map_or(NO_AD, Slug::as_str));
        let path = [event.as_str(), &session, avail, &position, ad, &viewer];
        let signature = sign(key, self.channel.as_str(), path, to, expires);
        let mut out = format!("{}/beacon/{}/{}.{signature}{ending}", self.channel, path.join("/"), to_base36(expires));
        if let Some(to) = to {
            let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
            // Writing to a String does not fail.
            let _ = write!(out, "?to={to}");
        }
        out
    }
}

impl Beacon {
    /// Reads what [`Showing::link`] wrote: the path behind `/beacon/` without an ending, and the query's `to`.
    pub fn read(
        key: &SigningKey,
        channel: &str,
        path: &str,
        to: Option<&str>,
        now: Moment,
    ) -> Result<Self, SignatureError> {
        let parts: Vec<&str> = path.split('/').collect();
        let &[event, session, avail, position, ad, viewer, seal] = parts.as_slice() else {
            return Err(SignatureError::Malformed);
        };
        let (expires, signature) = seal.split_once('.').ok_or(SignatureError::Malformed)?;
        let signed = signed(channel, [event, session, avail, position, ad, viewer], to);
        key.verify(&signed, expires, signature, now)?;
        // Past the signature this is our own writing, maybe of an older release.
        let showing = Self::parse(channel, event, [session, avail, position, ad, viewer]);
        showing.ok_or(SignatureError::Malformed)
    }

    fn parse(channel: &str, event: &str, parts: [&str; 5]) -> Option<Self> {
        let [session, avail, position, ad, viewer] = parts;
        let (geo, device) = viewer.split_once('-')?;
        let showing = Showing {
            channel: channel.parse().ok()?,
            audience: Audience::decode(session)?,
            avail: AvailId::new(avail),
            position: position.parse().ok()?,
            ad: if ad == NO_AD { None } else { Some(ad.parse().ok()?) },
            geo: if geo == NOWHERE { Box::default() } else { geo.into() },
            device: device.parse().ok()?,
        };
        let event = EventType::ALL.into_iter().find(|known| known.as_str() == event)?;
        Some(Self { event, showing })
    }

    /// The event to be counted: once, however often it comes. `None` where there was no ad.
    /// `payer`: the campaign that pays for the ad's impressions, and what one costs.
    pub fn event(&self, tenant: &Slug, key: &SigningKey, payer: Option<(Slug, Money)>, time: Moment) -> Option<Event> {
        let showing = &self.showing;
        let (campaign, price) = payer.unzip();
        let price = price.filter(|_| self.event == EventType::Impression).unwrap_or_default();
        let event = Event {
            channel: Some(showing.channel.clone()),
            session: showing.audience.session(key),
            viewer: showing.audience.given().map(Into::into),
            avail: showing.avail.clone(),
            pod_position: showing.position,
            ad: Some(showing.ad.clone()?),
            campaign,
            device: showing.device,
            geo: showing.geo.clone(),
            counted_by: Some(CountedBy::Client),
            price,
            ..Event::new(tenant.clone(), self.event, time)
        };
        Some(event.identified())
    }
}

fn sign(key: &SigningKey, channel: &str, path: [&str; 6], to: Option<&str>, expires: u64) -> Signature {
    key.sign(&signed(channel, path, to), expires)
}

fn signed<'a>(channel: &'a str, path: [&'a str; 6], to: Option<&'a str>) -> [&'a str; 9] {
    let [event, session, avail, position, ad, viewer] = path;
    [PURPOSE, channel, event, session, avail, position, ad, viewer, to.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPIRES: u64 = 1_780_000_000;
    const NOW: Moment = Moment(1_779_999_000_000_000);

    fn key() -> SigningKey {
        SigningKey::new(&[9; 32])
    }

    fn showing() -> Showing {
        Showing {
            channel: "news".parse().expect("a slug"),
            audience: Audience::Named("anna/1?".into()),
            avail: AvailId::new("mid-1"),
            position: 2,
            ad: Some("cola-30".parse().expect("a slug")),
            geo: "ID".into(),
            device: DeviceType::SmartTv,
        }
    }

    /// The part of an address behind `/beacon/`.
    fn path(link: &str) -> &str {
        link.split_once("/beacon/").expect("a beacon").1
    }

    #[test]
    fn an_address_comes_back_as_the_event_that_it_was_made_for() {
        let link = showing().link(&key(), EventType::FirstQuartile, EXPIRES, "", None);
        assert!(
            link.starts_with("news/beacon/first_quartile/nYW5uYS8xPw/mid-1/2/cola-30/ID-smart-tv/tfrksg."),
            "{link}"
        );
        assert!(link.len() < 110, "{}", link.len());
        let beacon = Beacon::read(&key(), "news", path(&link), None, NOW).expect("ours");
        assert_eq!(beacon, Beacon { event: EventType::FirstQuartile, showing: showing() });
        let event = beacon.event(&"acme".parse().expect("a slug"), &key(), None, NOW).expect("an ad");
        assert_eq!((event.viewer.as_deref(), event.session.len()), (Some("anna/1?"), 16));
        assert_eq!((event.counted_by, event.pod_position, &*event.geo), (Some(CountedBy::Client), 2, "ID"));
    }

    #[test]
    fn what_is_said_of_a_break_without_an_ad_is_no_event() {
        let link = Showing { ad: None, ..showing() }.link(&key(), EventType::Error, EXPIRES, "", None);
        let beacon = Beacon::read(&key(), "news", path(&link), None, NOW).expect("ours");
        assert_eq!(
            (beacon.event(&"acme".parse().expect("a slug"), &key(), None, NOW), beacon.showing.ad),
            (None, None)
        );
    }

    #[test]
    fn nothing_in_an_address_can_be_changed() {
        let link = showing().link(&key(), EventType::Start, EXPIRES, "", None);
        let read = |channel: &str, path: &str, to| Beacon::read(&key(), channel, path, to, NOW);
        assert!(read("news", path(&link), None).is_ok());
        for (from, to) in
            [("start", "impression"), ("mid-1", "mid-2"), ("/2/", "/3/"), ("cola", "pepsi"), ("ID-", "US-")]
        {
            assert_eq!(read("news", &path(&link).replace(from, to), None), Err(SignatureError::Bad), "{from}");
        }
        assert_eq!(read("sports", path(&link), None), Err(SignatureError::Bad));
        assert_eq!(read("news", path(&link), Some("https://evil.example")), Err(SignatureError::Bad));
        assert_eq!(read("news", "start", None), Err(SignatureError::Malformed));
        let late = Beacon::read(&key(), "news", path(&link), None, Moment(NOW.0 + 2_000_000_000));
        assert_eq!(late, Err(SignatureError::Expired));
    }

    #[test]
    fn a_click_leads_where_it_was_signed_for_and_nowhere_else() {
        let target = "https://shop.example.com/a?b=c&d=é#f";
        let link = showing().link(&key(), EventType::Click, EXPIRES, "", Some(target));
        let (link, query) = link.split_once('?').expect("a query");
        let to = form_urlencoded::parse(query.as_bytes()).next().expect("one parameter");
        assert_eq!((&*to.0, &*to.1), ("to", target));
        assert!(Beacon::read(&key(), "news", path(link), Some(target), NOW).is_ok());
        for other in [None, Some(""), Some("https://evil.example")] {
            assert_eq!(Beacon::read(&key(), "news", path(link), other, NOW), Err(SignatureError::Bad), "{other:?}");
        }
    }

    #[test]
    fn sessions_of_one_name_are_one_session_within_a_tenant_and_others_are_not() {
        let named = |name: &str| Audience::Named(name.into());
        assert_eq!(named("anna").session(&key()), named("anna").session(&key()));
        assert_ne!(named("anna").session(&key()), named("ben").session(&key()));
        assert_ne!(named("anna").session(&key()), named("anna").session(&SigningKey::new(&[8; 32])));
        assert_eq!(Audience::Anonymous(10).session(&key()), "000000000000000a");
    }

    proptest! {
        #[test]
        fn every_audience_survives_its_address(name in ".{0,32}", number: u64) {
            let viewer = Audience::Viewer(number, name.as_str().into());
            for audience in [Audience::Named(name.as_str().into()), Audience::Anonymous(number), viewer] {
                let encoded = audience.encode();
                prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
                prop_assert_eq!(Audience::decode(&encoded), Some(audience));
            }
        }

        #[test]
        fn no_path_panics(path in ".{0,80}", to in proptest::option::of(".{0,20}")) {
            prop_assert!(Beacon::read(&key(), "news", &path, to.as_deref(), NOW).is_err());
        }
    }
}
