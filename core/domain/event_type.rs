//! What an event says happened, what made it count, and whether a person was there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Beaconing;

/// Longest name of a type that a tenant registers.
pub const MAX_CUSTOM_TYPE: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EventType {
    Impression,
    Start,
    FirstQuartile,
    Midpoint,
    ThirdQuartile,
    Complete,
    Click,
    Error,
    /// A break of a viewer's stream came up for decision; `value` is its length.
    Break,
    /// An ad was chosen for a place in it; `value` is the ad's length.
    Decided,
    /// That ad was put into the viewer's playlist.
    Stitched,
    /// Half of a campaign's budget is spent.
    Budget50,
    /// Four fifths of it are.
    Budget80,
    /// What is left of it pays no further impression.
    Budget100,
    /// One that the tenant registered.
    Custom(CustomType),
}

impl EventType {
    /// Of a viewer's player, in the order in which they happen: what may be reported.
    pub const ALL: [Self; 8] = [
        Self::Impression,
        Self::Start,
        Self::FirstQuartile,
        Self::Midpoint,
        Self::ThirdQuartile,
        Self::Complete,
        Self::Click,
        Self::Error,
    ];

    /// What only this server says.
    pub const OWN: [Self; 6] =
        [Self::Break, Self::Decided, Self::Stitched, Self::Budget50, Self::Budget80, Self::Budget100];

    /// Told of a campaign instead of a viewer.
    pub fn is_about_budget(self) -> bool {
        matches!(self, Self::Budget50 | Self::Budget80 | Self::Budget100)
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Custom(name) => name.as_str(),
            known => known.known_name(),
        }
    }

    /// Empty for a tenant's own type.
    fn known_name(self) -> &'static str {
        match self {
            Self::Impression => "impression",
            Self::Start => "start",
            Self::FirstQuartile => "first_quartile",
            Self::Midpoint => "midpoint",
            Self::ThirdQuartile => "third_quartile",
            Self::Complete => "complete",
            Self::Click => "click",
            Self::Error => "error",
            Self::Break => "break",
            Self::Decided => "decided",
            Self::Stitched => "stitched",
            Self::Budget50 => "budget_50",
            Self::Budget80 => "budget_80",
            Self::Budget100 => "budget_100",
            Self::Custom(_) => "",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Any well-formed name; whether a tenant has registered it is not known here.
impl FromStr for EventType {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().chain(Self::OWN).find(|known| known.known_name() == name);
        known.map_or_else(|| name.parse().map(Self::Custom), Ok)
    }
}

impl TryFrom<String> for EventType {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.as_str().to_owned()
    }
}

/// The name of a tenant's own type: `a-z 0-9 _`, starting with a letter. Small enough to be copied about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomType([u8; MAX_CUSTOM_TYPE]);

impl CustomType {
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_CUSTOM_TYPE);
        self.0.get(..end).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for CustomType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CustomType {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let starts = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        if !letters || !starts || name.len() > MAX_CUSTOM_TYPE {
            return Err(format!(
                "`{name}` is no event type: use 1 to {MAX_CUSTOM_TYPE} of a-z, 0-9 and _, starting with a letter"
            ));
        }
        let mut bytes = [0; MAX_CUSTOM_TYPE];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Ok(Self(bytes))
    }
}

/// What made an event count. Reports show it: a server's count is not a player's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountedBy {
    /// The player fetched the ad segment that shows it.
    Segment,
    /// The player fetched an address of ours that says so.
    Client,
    /// We put the ad into the playlist.
    Stitch,
    /// Somebody told the API.
    Api,
}

impl CountedBy {
    pub const ALL: [Self; 4] = [Self::Segment, Self::Client, Self::Stitch, Self::Api];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Client => "client",
            Self::Stitch => "stitch",
            Self::Api => "api",
        }
    }
}

impl From<Beaconing> for CountedBy {
    fn from(mode: Beaconing) -> Self {
        match mode {
            Beaconing::Segment => Self::Segment,
            Beaconing::Client => Self::Client,
            Beaconing::Stitch => Self::Stitch,
        }
    }
}

/// Who seems to be at the other end (MRC: general invalid traffic). All of it is kept, only the valid is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    #[default]
    Valid,
    /// Its User-Agent is on the list of robots.
    Bot,
    /// Its address belongs to a data centre.
    DataCentre,
}

impl Traffic {
    pub const ALL: [Self; 3] = [Self::Valid, Self::Bot, Self::DataCentre];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Bot => "bot",
            Self::DataCentre => "data_centre",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_by_the_name_that_it_writes() {
        for known in EventType::ALL.into_iter().chain(EventType::OWN) {
            assert_eq!(known.as_str().parse(), Ok(known));
        }
        let own: EventType = "trailer_opened".parse().expect("a name");
        assert_eq!((own.as_str(), own), ("trailer_opened", "trailer_opened".parse().expect("a name")));
        let longest = "a".repeat(MAX_CUSTOM_TYPE);
        assert_eq!(longest.parse::<EventType>().expect("a name").as_str(), longest);
        for wrong in ["", "9lives", "_x", "Impression", "a-b", "é", &"a".repeat(MAX_CUSTOM_TYPE + 1)] {
            assert!(wrong.parse::<EventType>().is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_string(&EventType::Budget50).expect("text"), "\"budget_50\"");
    }
}
