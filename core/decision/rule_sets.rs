//! The declared rules of all ads, turned round: for each value of a dimension, which ads it lets pass.
//!
//! A value that no rule names lets pass what "any other value" does, so a set is stored only for values that rules
//! name. [`CompiledRules`](super::CompiledRules) says the same of one ad; a property test holds them together.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use super::{CompiledRules, Facts, bits::Bits, index::IndexedAd, rules::passes};
use crate::domain::{BitSet, Condition, DeviceType, Slug};

const HOURS: u32 = 24;
/// Weekdays are numbered from 1.
const DAYS: u32 = 8;
const DEVICES: u32 = 7;
const _: () = assert!(DeviceType::ALL.len() == DEVICES as usize);

pub(super) struct RuleSets {
    countries: Named,
    channels: Named,
    with_channel_rule: Box<[usize]>,
    devices: Numbered,
    hours: Numbered,
    days: Numbered,
}

/// A dimension of texts.
#[derive(Default)]
struct Named {
    sets: HashMap<Box<str>, Bits>,
    /// For texts that no rule names.
    other: Bits,
}

/// A dimension of small numbers.
struct Numbered {
    sets: Box<[Bits]>,
    /// Where the number is none that a rule could name.
    other: Bits,
}

impl RuleSets {
    /// `channels` are those that will ask.
    pub fn build(ads: &[IndexedAd], channels: &[&Slug]) -> Self {
        let ads: Vec<&CompiledRules> = ads.iter().map(|ad| &ad.rules).collect();
        let numbered = |count, read: fn(&Condition) -> Option<BitSet>| Numbered::build(&ads, count, read);
        Self {
            countries: Named::countries(&ads),
            channels: Named::channels(&ads, channels),
            with_channel_rule: (0..)
                .zip(&ads)
                .filter(|(_, rules)| rules.conditions().any(is_channel))
                .map(|(place, _)| place)
                .collect(),
            devices: numbered(DEVICES, |condition| match condition {
                Condition::Device(devices) => Some(*devices),
                _ => None,
            }),
            hours: numbered(HOURS, |condition| match condition {
                Condition::Hour(hours) => Some(*hours),
                _ => None,
            }),
            days: numbered(DAYS, |condition| match condition {
                Condition::Weekday(days) => Some(*days),
                _ => None,
            }),
        }
    }

    /// An ad passes all its rules exactly if it is in all five sets. For a channel that was not announced a set is made
    /// on the spot, from the rules of `ads`.
    pub fn passing(&self, facts: &Facts<'_>, ads: &[IndexedAd]) -> [Cow<'_, Bits>; 5] {
        let country = self.countries.sets.get(facts.viewer.geo.to_ascii_uppercase().as_str());
        let device = (0_usize..).zip(DeviceType::ALL).find(|(_, device)| *device == facts.viewer.device);
        let number = |number: i8| usize::try_from(number).unwrap_or(usize::MAX);
        let channel = match self.channels.sets.get(facts.channel) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(self.unannounced(facts, ads)),
        };
        [
            Cow::Borrowed(country.unwrap_or(&self.countries.other)),
            channel,
            Cow::Borrowed(self.devices.get(device.map_or(usize::MAX, |(at, _)| at))),
            Cow::Borrowed(self.hours.get(number(facts.now.hour))),
            Cow::Borrowed(self.days.get(number(facts.now.weekday))),
        ]
    }

    fn unannounced(&self, facts: &Facts<'_>, ads: &[IndexedAd]) -> Bits {
        let mut set = self.channels.other.clone();
        for place in &self.with_channel_rule {
            let Some(ad) = ads.get(*place) else { continue };
            let mut own = ad.rules.conditions().filter(|condition| is_channel(condition));
            set.put(*place, own.all(|condition| passes(condition, facts)));
        }
        set
    }
}

fn is_channel(condition: &Condition) -> bool {
    matches!(condition, Condition::Channel { .. } | Condition::ChannelContains(_))
}

impl Named {
    fn countries(ads: &[&CompiledRules]) -> Self {
        let lists = |condition: &Condition| match condition {
            Condition::Geo { countries, .. } => countries.clone(),
            _ => Vec::new(),
        };
        let pass = |condition: &Condition, value: Option<&str>| match condition {
            Condition::Geo { countries, wanted } => {
                value.is_some_and(|value| countries.iter().any(|country| &**country == value)) == *wanted
            }
            _ => true,
        };
        Self::build(ads, BTreeSet::new(), lists, pass)
    }

    fn channels(ads: &[&CompiledRules], channels: &[&Slug]) -> Self {
        let known: BTreeSet<Box<str>> = channels.iter().map(|slug| slug.as_str().into()).collect();
        // Which known channels a rule says anything of. Those that it names and that do not exist never ask.
        let all = known.clone();
        let lists = move |condition: &Condition| match condition {
            Condition::Channel { slugs, .. } => {
                let slugs = slugs.iter().filter(|slug| all.contains(slug.as_str()));
                slugs.map(|slug| slug.as_str().into()).collect()
            }
            Condition::ChannelContains(part) => all.iter().filter(|slug| slug.contains(&**part)).cloned().collect(),
            _ => Vec::new(),
        };
        let pass = |condition: &Condition, value: Option<&str>| match condition {
            Condition::Channel { slugs, wanted } => {
                value.is_some_and(|value| slugs.iter().any(|slug| slug.as_str() == value)) == *wanted
            }
            Condition::ChannelContains(part) => value.is_some_and(|value| value.contains(&**part)),
            _ => true,
        };
        Self::build(ads, known, lists, pass)
    }

    /// `lists` names the values of which a rule says something else than of all others; `pass` says what, of a value or
    /// of all others.
    fn build(
        ads: &[&CompiledRules],
        mut values: BTreeSet<Box<str>>,
        lists: impl Fn(&Condition) -> Vec<Box<str>>,
        pass: impl Fn(&Condition, Option<&str>) -> bool,
    ) -> Self {
        let named: Vec<BTreeSet<Box<str>>> =
            ads.iter().map(|rules| rules.conditions().flat_map(&lists).collect()).collect();
        values.extend(named.iter().flatten().cloned());
        let passes =
            |rules: &CompiledRules, value: Option<&str>| rules.conditions().all(|condition| pass(condition, value));
        let mut other = Bits::none(ads.len());
        for (place, rules) in ads.iter().enumerate() {
            other.put(place, passes(rules, None));
        }
        let mut sets: HashMap<Box<str>, Bits> = values.into_iter().map(|value| (value, other.clone())).collect();
        for ((place, rules), named) in ads.iter().enumerate().zip(named) {
            for value in named {
                if let Some(set) = sets.get_mut(&value) {
                    set.put(place, passes(rules, Some(&value)));
                }
            }
        }
        Self { sets, other }
    }
}

impl Numbered {
    fn build(ads: &[&CompiledRules], count: u32, read: fn(&Condition) -> Option<BitSet>) -> Self {
        let mut free = Bits::none(ads.len());
        let mut bound = Vec::new();
        for (place, rules) in ads.iter().enumerate() {
            let own: Vec<BitSet> = rules.conditions().filter_map(read).collect();
            free.put(place, own.is_empty());
            if !own.is_empty() {
                bound.push((place, own));
            }
        }
        let sets = (0..count).map(|number| {
            let mut set = free.clone();
            for (place, own) in &bound {
                set.put(*place, own.iter().all(|allowed| allowed.contains(number)));
            }
            set
        });
        Self { sets: sets.collect(), other: free }
    }

    fn get(&self, number: usize) -> &Bits {
        self.sets.get(number).unwrap_or(&self.other)
    }
}
