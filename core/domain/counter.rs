//! Counters: numbers of a tenant that its rules and fill strategies may read, and what a tenant grants of them.
//!
//! A name says what is counted, since when, and of what: `impressions.today`, `clicks.hour.campaign.summer-sale`,
//! `completes.today.ad.cola-30s`. Does not know where the numbers come from.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Slug;

/// What is counted: valid traffic, as reports have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    Impressions,
    Completes,
    Clicks,
}

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CounterPeriod {
    /// The hour that a clock shows in UTC.
    Hour,
    /// The day on the tenant's calendar.
    Today,
}

/// Of what, if not of the whole tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CounterSubject {
    Channel,
    Campaign,
    Ad,
}

/// The name of one counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterName {
    pub counted: Counted,
    pub period: CounterPeriod,
    pub of: Option<(CounterSubject, Slug)>,
}

/// The counters that an extension may read: one, or with `*` for the slug those of all channels, campaigns or ads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CounterGrant {
    pub counted: Counted,
    pub period: CounterPeriod,
    /// Without a slug: of all.
    pub of: Option<(CounterSubject, Option<Slug>)>,
}

/// Why a text names no counter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no counter: {FORM}")]
pub struct CounterError(String);

/// How counters are written.
const FORM: &str =
    "write impressions, completes or clicks, .hour or .today, and perhaps .channel, .campaign or .ad with a slug";

/// Characters of a wrong name that an error repeats.
const SHOWN: usize = 80;

/// Stands for any slug in a grant.
const ANY: &str = "*";

impl CounterGrant {
    /// Grants of every counter there is: for whoever tries an extension by hand.
    pub fn all() -> Vec<Self> {
        let subjects = CounterSubject::ALL.map(|subject| Some((subject, None)));
        let of: Vec<_> = std::iter::once(None).chain(subjects).collect();
        let every = |counted| CounterPeriod::ALL.map(|period| (counted, period));
        let pairs = Counted::ALL.into_iter().flat_map(every);
        pairs.flat_map(|(counted, period)| of.iter().map(move |of| Self { counted, period, of: of.clone() })).collect()
    }

    pub fn covers(&self, name: &CounterName) -> bool {
        let of = match (&self.of, &name.of) {
            (None, None) => true,
            (Some((granted, slug)), Some((asked, of))) => {
                granted == asked && slug.as_ref().is_none_or(|slug| slug == of)
            }
            _ => false,
        };
        of && self.counted == name.counted && self.period == name.period
    }
}

impl Counted {
    pub const ALL: [Self; 3] = [Self::Impressions, Self::Completes, Self::Clicks];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Impressions => "impressions",
            Self::Completes => "completes",
            Self::Clicks => "clicks",
        }
    }
}

impl CounterPeriod {
    pub const ALL: [Self; 2] = [Self::Hour, Self::Today];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Today => "today",
        }
    }
}

impl CounterSubject {
    pub const ALL: [Self; 3] = [Self::Channel, Self::Campaign, Self::Ad];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Campaign => "campaign",
            Self::Ad => "ad",
        }
    }
}

impl TryFrom<String> for CounterGrant {
    type Error = CounterError;
    fn try_from(text: String) -> Result<Self, CounterError> {
        text.parse()
    }
}

impl From<CounterGrant> for String {
    fn from(grant: CounterGrant) -> Self {
        grant.to_string()
    }
}

impl FromStr for CounterGrant {
    type Err = CounterError;
    fn from_str(text: &str) -> Result<Self, CounterError> {
        parse(text).ok_or_else(|| CounterError(text.chars().take(SHOWN).collect()))
    }
}

impl FromStr for CounterName {
    type Err = CounterError;
    fn from_str(text: &str) -> Result<Self, CounterError> {
        let CounterGrant { counted, period, of } = text.parse()?;
        let of = match of {
            None => None,
            Some((subject, Some(slug))) => Some((subject, slug)),
            Some((_, None)) => return Err(CounterError(text.chars().take(SHOWN).collect())),
        };
        Ok(Self { counted, period, of })
    }
}

fn parse(text: &str) -> Option<CounterGrant> {
    let mut parts = text.splitn(4, '.');
    let (counted, period) = (parts.next()?, parts.next()?);
    let counted = Counted::ALL.into_iter().find(|known| known.as_str() == counted)?;
    let period = CounterPeriod::ALL.into_iter().find(|known| known.as_str() == period)?;
    let of = match parts.next() {
        None => None,
        Some(subject) => {
            let subject = CounterSubject::ALL.into_iter().find(|known| known.as_str() == subject)?;
            let slug = parts.next()?;
            Some((subject, if slug == ANY { None } else { Some(slug.parse().ok()?) }))
        }
    };
    Some(CounterGrant { counted, period, of })
}

impl fmt::Display for CounterGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.counted.as_str(), self.period.as_str())?;
        let Some((subject, slug)) = &self.of else { return Ok(()) };
        write!(f, ".{}.{}", subject.as_str(), slug.as_ref().map_or(ANY, Slug::as_str))
    }
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of.clone().map(|(subject, slug)| (subject, Some(slug)));
        CounterGrant { counted: self.counted, period: self.period, of }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_grants_are_read_as_they_are_written() {
        for text in ["impressions.today", "clicks.hour.campaign.summer-sale", "completes.today.ad.cola-30s"] {
            assert_eq!(text.parse::<CounterName>().map(|name| name.to_string()).as_deref(), Ok(text));
            assert_eq!(text.parse::<CounterGrant>().map(|grant| grant.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(
            "clicks.hour.ad.*".parse::<CounterGrant>().map(|grant| grant.to_string()).as_deref(),
            Ok("clicks.hour.ad.*")
        );
        for text in [
            "",
            "impressions",
            "impressions.week",
            "impressions.today.ad",
            "clicks.hour.ad.A B",
            "views.hour",
            "clicks.hour.ad.",
        ] {
            assert!(text.parse::<CounterGrant>().is_err(), "{text}");
        }
        assert!("clicks.hour.ad.*".parse::<CounterName>().is_err(), "no single counter is meant");
    }

    #[test]
    fn a_grant_covers_what_it_names_and_nothing_else() {
        let covers = |grant: &str, name: &str| {
            grant.parse::<CounterGrant>().expect("a grant").covers(&name.parse().expect("a name"))
        };
        assert!(covers("clicks.hour.ad.*", "clicks.hour.ad.cola"));
        assert!(covers("clicks.hour.ad.cola", "clicks.hour.ad.cola"));
        assert!(covers("clicks.hour", "clicks.hour"));
        for name in ["clicks.hour", "clicks.today.ad.cola", "impressions.hour.ad.cola", "clicks.hour.campaign.cola"] {
            assert!(!covers("clicks.hour.ad.*", name), "{name}");
        }
        assert!(!covers("clicks.hour.ad.cola", "clicks.hour.ad.cola-2"));
        let all = CounterGrant::all();
        for name in ["clicks.hour", "completes.today.channel.news", "impressions.hour.campaign.a", "clicks.today.ad.b"]
        {
            assert_eq!(all.iter().filter(|grant| grant.covers(&name.parse().expect("a name"))).count(), 1, "{name}");
        }
        assert!(!covers("clicks.hour", "clicks.hour.ad.cola"), "sums of the tenant are not those of its ads");
    }
}
