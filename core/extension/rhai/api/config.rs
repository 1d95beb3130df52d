//! A script's configuration: what the tenant wrote under `config:`.

use std::sync::Arc;

use parking_lot::RwLock;
use rhai::{Array, Dynamic, ImmutableString, Map};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::extension::rhai::{
    registrar::{Effect::Pure, Registrar},
    value::{int, map_from_json, to_value},
};

/// Reads like a map; keys that are absent are `()`, so that `config.limit ?? 3` gives a default.
#[derive(Clone, Debug, Default)]
pub struct Config(Arc<Map>);

impl Config {
    /// What is not an object reads as empty.
    pub fn new(value: &Value, extra: &[(&str, f64)]) -> Self {
        let mut map = value.as_object().map(map_from_json).unwrap_or_default();
        for (key, number) in extra {
            map.insert((*key).into(), (*number).into());
        }
        Self(Arc::new(map))
    }

    fn get(&self, key: &str) -> Dynamic {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), to_value(value))))
    }
}

/// The last configuration a script was called with, converted. Callers pass the same one over and over.
#[derive(Debug, Default)]
pub struct ConfigCache(RwLock<Option<(Value, [f64; 2], Config)>>);

impl ConfigCache {
    pub fn get(&self, value: &Value, extra: &[(&str, f64)]) -> Config {
        let mut numbers = [f64::NAN; 2];
        for (slot, (_, number)) in numbers.iter_mut().zip(extra) {
            *slot = *number;
        }
        let bits = |numbers: &[f64; 2]| numbers.map(f64::to_bits);
        if let Some((known, known_numbers, config)) = &*self.0.read()
            && known == value
            && bits(known_numbers) == bits(&numbers)
        {
            return config.clone();
        }
        let config = Config::new(value, extra);
        *self.0.write() = Some((value.clone(), numbers, config.clone()));
        config
    }
}

pub fn register(api: &mut Registrar<'_>) {
    api.value::<Config>("Config", "What the tenant wrote under `config:`. Absent keys are `()`: `config.limit ?? 3`.");
    api.engine().register_indexer_get(|config: &mut Config, key: ImmutableString| config.get(&key));
    api.group("Labels and config")
        .function(
            Pure,
            "contains(config, key) -> bool",
            "Also written `key in config`.",
            |config: &mut Config, key: ImmutableString| config.0.contains_key(key.as_str()),
        )
        .function(Pure, "get(config, key)", "The entry, or `()`.", |config: &mut Config, key: ImmutableString| {
            config.get(&key)
        })
        .function(Pure, "keys(config) -> array", "The keys, sorted.", |config: &mut Config| -> Array {
            config.0.keys().map(|key| key.as_str().into()).collect()
        })
        .function(Pure, "len(config) -> int", "How many entries there are.", |config: &mut Config| int(config.0.len()));
}
