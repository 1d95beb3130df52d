//! What makes two reports one event: its id is a hash of that.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AvailId, EventType, Slug};

/// Characters of an id as text.
pub const EVENT_ID_CHARS: usize = 22;

/// 128 bits: among as many events as there will ever be, two that share an id are not to be expected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(u128);

impl EventId {
    /// One type of event of one ad in one place of one viewer's break (MRC: counted once, a rewind adds none).
    pub fn of_showing(
        tenant: &Slug,
        session: &str,
        avail: &AvailId,
        pod_position: u16,
        ad: Option<&Slug>,
        event_type: EventType,
    ) -> Self {
        let ad = ad.map_or("", Slug::as_str);
        Self::hash([tenant.as_str(), "showing", session, avail.as_str(), ad, event_type.as_str()], pod_position)
    }

    /// What its reporter says is one event.
    pub fn of_key(tenant: &Slug, key: &str) -> Self {
        Self::hash([tenant.as_str(), "key", key, "", "", ""], 0)
    }

    /// One that comes from nothing that could come again.
    pub fn random(number: u128) -> Self {
        Self(number)
    }

    pub fn as_u128(self) -> u128 {
        self.0
    }

    fn hash(parts: [&str; 6], number: u16) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The length goes before each part: ["ab", "c"] and ["a", "bc"] are different events.
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(number.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let cut = digest.first_chunk::<16>().copied().unwrap_or_default();
        Self(u128::from_be_bytes(cut))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; EVENT_ID_CHARS];
        let written = URL_SAFE_NO_PAD.encode_slice(self.0.to_be_bytes(), &mut text);
        debug_assert_eq!(written, Ok(EVENT_ID_CHARS));
        // Base64 is ASCII.
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(u128::from_be_bytes(bytes))),
            _ => Err(format!("`{text}` is no event id: it has {EVENT_ID_CHARS} characters of base64url")),
        }
    }
}

impl TryFrom<String> for EventId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_by_session_break_place_ad_and_type() {
        let slug = |text: &str| text.parse::<Slug>().expect("a slug");
        let id = |tenant, session, avail, position, ad, event_type| {
            EventId::of_showing(&slug(tenant), session, &AvailId::new(avail), position, Some(&slug(ad)), event_type)
        };
        let one = id("acme", "s", "a", 0, "cola", EventType::Start);
        assert_eq!(one, id("acme", "s", "a", 0, "cola", EventType::Start));
        for other in [
            id("emca", "s", "a", 0, "cola", EventType::Start),
            id("acme", "sa", "", 0, "cola", EventType::Start),
            id("acme", "s", "b", 0, "cola", EventType::Start),
            id("acme", "s", "a", 1, "cola", EventType::Start),
            id("acme", "s", "a", 0, "pepsi", EventType::Start),
            id("acme", "s", "a", 0, "cola", EventType::Complete),
            EventId::of_key(&slug("acme"), "s"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!((one.to_string().len(), one.to_string().parse()), (EVENT_ID_CHARS, Ok(one)));
        assert!("short".parse::<EventId>().is_err());
        assert!("é".repeat(11).parse::<EventId>().is_err());
    }
}
