//! Many short texts in one allocation, and maps of them: labels, parameters, metadata.

use std::{collections::BTreeMap, sync::Arc};

use rhai::{Array, Dynamic, ImmutableString};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::optional;
use crate::extension::rhai::{
    registrar::{Effect::Pure, Registrar},
    value::int,
};

/// A text in a [`TextTable`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Text {
    start: u32,
    end: u32,
}

/// A run of pairs in a [`TextTable`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs {
    start: u32,
    end: u32,
}

/// Texts laid end to end: filling it costs a copy of the bytes, not an allocation per text.
#[derive(Debug, Default)]
pub struct TextTable {
    bytes: String,
    pairs: Vec<(Text, Text)>,
}

/// Positions beyond 4 GiB cannot occur: every text comes out of a tenant's bundle or one request.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

impl TextTable {
    pub fn add(&mut self, text: &str) -> Text {
        let start = narrow(self.bytes.len());
        self.bytes.push_str(text);
        Text { start, end: narrow(self.bytes.len()) }
    }

    pub fn add_pairs<'p>(&mut self, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Pairs {
        let start = narrow(self.pairs.len());
        for (key, value) in pairs {
            let pair = (self.add(key), self.add(value));
            self.pairs.push(pair);
        }
        Pairs { start, end: narrow(self.pairs.len()) }
    }

    pub fn add_map(&mut self, map: &BTreeMap<String, String>) -> Pairs {
        self.add_pairs(map.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    pub fn get(&self, text: Text) -> &str {
        self.bytes.get(text.start as usize..text.end as usize).unwrap_or_default()
    }

    pub fn iter(&self, pairs: Pairs) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs.get(pairs.start as usize..pairs.end as usize).unwrap_or_default();
        pairs.iter().map(|(key, value)| (self.get(*key), self.get(*value)))
    }

    fn find(&self, pairs: Pairs, key: &str) -> Option<&str> {
        self.iter(pairs).find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }
}

/// A map from text to text. Keys that are absent read as `()`.
#[derive(Clone, Debug)]
pub struct Labels {
    table: Arc<TextTable>,
    pairs: Pairs,
}

impl Labels {
    pub fn new(table: Arc<TextTable>, pairs: Pairs) -> Self {
        Self { table, pairs }
    }

    fn get(&self, key: &str) -> Dynamic {
        optional(self.table.find(self.pairs, key))
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_pairs(&self.table, self.pairs, serializer)
    }
}

pub fn serialize_pairs<S: Serializer>(table: &TextTable, pairs: Pairs, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (key, value) in table.iter(pairs) {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// Borrowed pairs of a table, for the JSON of what they belong to.
pub struct PairsOf<'t>(pub &'t TextTable, pub Pairs);

impl Serialize for PairsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_pairs(self.0, self.1, serializer)
    }
}

pub fn register(api: &mut Registrar<'_>) {
    api.value::<Labels>(
        "Labels",
        "Texts by name, such as an ad's labels: `ad.labels.rating` or `ad.labels[\"rating\"]`; `()` when absent.",
    );
    api.engine().register_indexer_get(|labels: &mut Labels, key: ImmutableString| labels.get(&key));
    api.group("Labels and config")
        .function(
            Pure,
            "contains(labels, key) -> bool",
            "Also written `key in labels`.",
            |labels: &mut Labels, key: ImmutableString| labels.table.find(labels.pairs, &key).is_some(),
        )
        .function(Pure, "get(labels, key)", "The text, or `()`.", |labels: &mut Labels, key: ImmutableString| {
            labels.get(&key)
        })
        .function(Pure, "keys(labels) -> array", "The names, sorted.", |labels: &mut Labels| -> Array {
            labels.table.iter(labels.pairs).map(|(key, _)| key.into()).collect()
        })
        .function(Pure, "len(labels) -> int", "How many there are.", |labels: &mut Labels| {
            int(labels.table.iter(labels.pairs).count())
        });
}
