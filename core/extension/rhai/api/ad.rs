//! The ads that may still be chosen.

use std::sync::Arc;

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, NativeCallContext};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    combine::{self, Item},
    optional,
    texts::{Labels, Pairs, PairsOf, Text, TextTable},
};
use crate::extension::{
    Candidate,
    rhai::{
        guard, lists,
        registrar::{Effect::Pure, Registrar},
        value::{Fallible, fail, int, number},
    },
};

/// Micro-units in a unit of currency.
const MICROS: f64 = 1_000_000.0;

#[derive(Clone, Copy, Debug)]
struct Row {
    id: Text,
    campaign: Option<Text>,
    category: Option<Text>,
    labels: Pairs,
    duration: f64,
    priority: i32,
    cpm: f64,
    score: f64,
    seen: u32,
}

/// All candidates of one call: one row each, their texts in one place.
#[derive(Debug)]
pub struct AdTable {
    rows: Vec<Row>,
    texts: Arc<TextTable>,
}

impl AdTable {
    /// `with_labels` is false when the script cannot possibly read them.
    pub fn new(candidates: &[Candidate<'_>], with_labels: bool) -> Self {
        let mut texts = TextTable::default();
        let rows = candidates.iter().map(|ad| Row {
            id: texts.add(ad.id),
            campaign: ad.campaign.map(|campaign| texts.add(campaign)),
            category: ad.category.map(|category| texts.add(category)),
            labels: if with_labels { texts.add_map(ad.labels) } else { Pairs::default() },
            duration: ad.duration.as_secs_f64(),
            priority: ad.priority,
            cpm: ad.cpm_micros as f64 / MICROS,
            score: ad.score,
            seen: ad.seen,
        });
        let rows = rows.collect();
        Self { rows, texts: Arc::new(texts) }
    }

    pub fn index_of(&self, id: &str) -> Option<usize> {
        self.rows.iter().position(|row| self.texts.get(row.id) == id)
    }

    fn count(&self) -> usize {
        self.rows.len()
    }
}

/// One ad.
#[derive(Clone, Debug)]
pub struct Ad {
    table: Arc<AdTable>,
    index: usize,
    row: Row,
}

impl Ad {
    pub fn new(table: &Arc<AdTable>, index: usize) -> Option<Self> {
        let row = *table.rows.get(index)?;
        Some(Self { table: Arc::clone(table), index, row })
    }

    pub fn index(&self) -> usize {
        self.index
    }

    fn labels(&self) -> Labels {
        Labels::new(Arc::clone(&self.table.texts), self.row.labels)
    }
}

impl Serialize for Ad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = &self.table.texts;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", texts.get(self.row.id))?;
        map.serialize_entry("campaign", &self.row.campaign.map(|text| texts.get(text)))?;
        map.serialize_entry("category", &self.row.category.map(|text| texts.get(text)))?;
        map.serialize_entry("duration", &self.row.duration)?;
        map.serialize_entry("priority", &self.row.priority)?;
        map.serialize_entry("cpm", &self.row.cpm)?;
        map.serialize_entry("score", &self.row.score)?;
        map.serialize_entry("seen", &self.row.seen)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("labels", &PairsOf(texts, self.row.labels))?;
        map.end()
    }
}

/// The candidates, in the host's order. An ad becomes a script value when the script gets to it.
#[derive(Clone, Debug)]
pub struct Ads(pub Arc<AdTable>);

impl Ads {
    fn get(&self, index: i64) -> Fallible<Ad> {
        let wanted = if index < 0 { index.saturating_add(int(self.0.count())) } else { index };
        match usize::try_from(wanted).ok().and_then(|index| Ad::new(&self.0, index)) {
            Some(ad) => Ok(ad),
            None => fail(format!("ads[{index}]: there are only {} ads", self.0.count())),
        }
    }

    /// Ads that fill at least `goal` of `room`, both in seconds; see [`combine::combine`].
    fn combine(&self, room: f64, goal: f64) -> Fallible<Array> {
        let micros = |seconds: f64| (seconds * MICROS).round() as i64;
        let texts = &self.0.texts;
        let item =
            |row: &Row| Item { length: micros(row.duration), category: row.category.map(|text| texts.get(text)) };
        let items: Vec<Item<'_>> = self.0.rows.iter().map(item).collect();
        guard::charge(items.len().saturating_mul(32))?;
        let chosen = combine::combine(&items, micros(room), micros(goal), || guard::charge(0))?;
        Ok(chosen.into_iter().filter_map(|index| Ad::new(&self.0, index)).map(Dynamic::from).collect())
    }

    fn to_array(&self) -> Array {
        self.clone().into_iter().map(Dynamic::from).collect()
    }
}

pub struct AdsIter {
    table: Arc<AdTable>,
    next: usize,
}

impl Iterator for AdsIter {
    type Item = Ad;
    fn next(&mut self) -> Option<Ad> {
        let ad = Ad::new(&self.table, self.next);
        self.next = self.next.saturating_add(1);
        ad
    }
}

impl IntoIterator for Ads {
    type Item = Ad;
    type IntoIter = AdsIter;
    fn into_iter(self) -> AdsIter {
        AdsIter { table: self.0, next: 0 }
    }
}

impl Serialize for Ads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.clone())
    }
}

pub fn register(api: &mut Registrar<'_>) {
    api.value::<Ad>("Ad", "An ad that may be shown.")
        .property("Ad", "id", ("string", "Its slug."), |ad: &mut Ad| -> Dynamic {
            ad.table.texts.get(ad.row.id).into()
        })
        .property("Ad", "campaign", ("string or ()", "Its campaign's slug."), |ad: &mut Ad| {
            optional(ad.row.campaign.map(|text| ad.table.texts.get(text)))
        })
        .property(
            "Ad",
            "category",
            ("string or ()", "Its competitive category: a pod takes one ad of each."),
            |ad: &mut Ad| optional(ad.row.category.map(|text| ad.table.texts.get(text))),
        )
        .property("Ad", "duration", ("float", "Seconds, as measured on the creative."), |ad: &mut Ad| ad.row.duration)
        .property("Ad", "priority", ("int", "The campaign's; higher is served first."), |ad: &mut Ad| {
            i64::from(ad.row.priority)
        })
        .property(
            "Ad",
            "cpm",
            ("float", "Price of a thousand impressions, in the tenant's currency."),
            |ad: &mut Ad| ad.row.cpm,
        )
        .property("Ad", "score", ("float", "Sum of what the rules before scored."), |ad: &mut Ad| ad.row.score)
        .property("Ad", "labels", ("Labels", "The ad's own facts: `ad.labels.rating`."), |ad: &mut Ad| ad.labels())
        .property("Ad", "seen", ("int", "How often this session has been given this ad before."), |ad: &mut Ad| {
            i64::from(ad.row.seen)
        })
        .property("Ad", "index", ("int", "Its place among the candidates, from 0."), |ad: &mut Ad| int(ad.index));
    api.engine().register_fn("==", |a: Ad, b: Ad| a.index == b.index);
    api.engine().register_fn("!=", |a: Ad, b: Ad| a.index != b.index);

    api.value::<Ads>(
        "Ads",
        "The candidates, best first: `for ad in ads`, `ads[0]`, and the list functions that take a function.",
    );
    let engine = api.engine();
    engine.register_iterator::<Ads>();
    engine.register_indexer_get(|ads: &mut Ads, index: i64| ads.get(index));
    api.group("Ads")
        .function(Pure, "len(ads) -> int", "How many ads.", |ads: &mut Ads| int(ads.0.count()))
        .function(Pure, "is_empty(ads) -> bool", "Whether there is none.", |ads: &mut Ads| ads.0.rows.is_empty())
        .function(Pure, "to_array(ads) -> array", "As a list that can be sorted and changed.", |ads: &mut Ads| {
            ads.to_array()
        })
        .function(
            Pure,
            "combine(ads, room, goal) -> array",
            "The best ads that together last from `goal` to `room` seconds, one of each category; if none do, those that last longest.",
            |ads: &mut Ads, room: Dynamic, goal: Dynamic| match number(&room).zip(number(&goal)) {
                Some((room, goal)) => ads.combine(room, goal),
                None => fail("combine(room, goal) takes two numbers of seconds"),
            },
        )
        .function(
            Pure,
            "filter(ads, |ad| …) -> array",
            "The ads for which the function says true.",
            |context: NativeCallContext, ads: &mut Ads, test: FnPtr| lists::filter(context, &mut ads.to_array(), test),
        )
        .function(
            Pure,
            "map(ads, |ad| …) -> array",
            "What the function makes of each ad.",
            |context: NativeCallContext, ads: &mut Ads, body: FnPtr| lists::map(context, &mut ads.to_array(), body),
        )
        .function(
            Pure,
            "find(ads, |ad| …)",
            "The first ad for which it says true, or `()`.",
            |context: NativeCallContext, ads: &mut Ads, test: FnPtr| {
                let found = lists::first(&context, &ads.to_array(), &test)?;
                Ok::<_, Box<EvalAltResult>>(optional(found.and_then(|index| Ad::new(&ads.0, index)).map(Dynamic::from)))
            },
        )
        .function(
            Pure,
            "some(ads, |ad| …) -> bool",
            "Whether it says true for any ad.",
            |context: NativeCallContext, ads: &mut Ads, test: FnPtr| {
                lists::first(&context, &ads.to_array(), &test).map(|found| found.is_some())
            },
        );
}
