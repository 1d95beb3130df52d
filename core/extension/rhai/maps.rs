//! The map functions that scripts have.

use rhai::{Array, Dynamic, ImmutableString, Map};

use super::{
    guard,
    registrar::{Effect::*, Registrar},
    value::{Fallible, equal, int, storable, too_large},
};
use crate::extension::limits::MAX_MAP_ENTRIES;

pub fn register(api: &mut Registrar<'_>) {
    api.group("Maps")
        .function(Pure, "len(map) -> int", "How many entries.", |map: &mut Map| int(map.len()))
        .function(Pure, "is_empty(map) -> bool", "Whether there is none.", |map: &mut Map| map.is_empty())
        .function(
            Pure,
            "contains(map, key) -> bool",
            "Also written `key in map`.",
            |map: &mut Map, key: ImmutableString| map.contains_key(key.as_str()),
        )
        .function(Pure, "get(map, key)", "The entry, or `()`.", |map: &mut Map, key: ImmutableString| {
            map.get(key.as_str()).cloned().unwrap_or_default()
        })
        .function(
            Changes,
            "set(map, key, value)",
            "Sets an entry.",
            |map: &mut Map, key: ImmutableString, value: Dynamic| set(map, &key, value),
        )
        .function(Changes, "remove(map, key)", "Takes the entry out.", |map: &mut Map, key: ImmutableString| {
            map.remove(key.as_str()).unwrap_or_default()
        })
        .function(Pure, "keys(map) -> array", "The keys, sorted.", |map: &mut Map| keys(map))
        .function(Pure, "values(map) -> array", "The values, in the order of their keys.", |map: &mut Map| values(map))
        .function(Pure, "+(map, map)", "", |a: Map, b: Map| merge(a, b))
        .function(Changes, "+=(map, map)", "", |a: &mut Map, b: Map| {
            *a = merge(std::mem::take(a), b)?;
            Ok::<_, Box<rhai::EvalAltResult>>(())
        })
        .function(
            Changes,
            "mixin(map, other)",
            "Takes over the other map's entries. Also written `+=`.",
            |a: &mut Map, b: Map| {
                *a = merge(std::mem::take(a), b)?;
                Ok::<_, Box<rhai::EvalAltResult>>(())
            },
        )
        .function(Pure, "==(map, map)", "", |a: Map, b: Map| equal(&Dynamic::from_map(a), &Dynamic::from_map(b)))
        .function(Pure, "!=(map, map)", "", |a: Map, b: Map| {
            equal(&Dynamic::from_map(a), &Dynamic::from_map(b)).map(|same| !same)
        });
}

fn set(map: &mut Map, key: &str, value: Dynamic) -> Fallible<()> {
    if map.len() >= MAX_MAP_ENTRIES && !map.contains_key(key) {
        return too_large("Size of object map");
    }
    map.insert(key.into(), storable(value)?);
    Ok(())
}

fn keys(map: &Map) -> Fallible<Array> {
    guard::charge(map.len().saturating_mul(8))?;
    Ok(map.keys().map(|key| key.as_str().into()).collect())
}

fn values(map: &Map) -> Fallible<Array> {
    guard::charge(map.len().saturating_mul(8))?;
    Ok(map.values().cloned().collect())
}

fn merge(mut a: Map, b: Map) -> Fallible<Map> {
    guard::charge(b.len().saturating_mul(8))?;
    if a.len().saturating_add(b.len()) > MAX_MAP_ENTRIES {
        return too_large("Size of object map");
    }
    a.extend(b);
    Ok(a)
}
