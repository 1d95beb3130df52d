//! The string functions that scripts have. Same names and meanings as in Rhai's own library; those that can make much
//! out of little check the size of the result before they make it.

use rhai::{Array, Dynamic, EvalAltResult, ImmutableString};
use sha2::{Digest, Sha256};

use super::{
    guard,
    registrar::{Effect::*, Registrar},
    value::{Fallible, check_string, fail, int, to_debug, to_json, to_text, too_large},
};
use crate::extension::limits::MAX_ARRAY_ITEMS;

pub fn register(api: &mut Registrar<'_>) {
    api.group("Text")
        .function(Pure, "to_string(value) -> string", "The value as text.", |value: &mut Dynamic| to_text(value))
        .function(Pure, "to_debug(value) -> string", "The value as text, strings in quotes.", |value: &mut Dynamic| {
            to_debug(value)
        })
        .function(Pure, "to_json(value) -> string", "The value as JSON text.", |value: &mut Dynamic| to_json(value))
        .function(Pure, "+(string, value)", "", |a: &mut ImmutableString, b: Dynamic| join_two(a, &to_text(&b)?))
        .function(Pure, "+(value, string)", "", |a: &mut Dynamic, b: ImmutableString| join_two(&to_text(a)?, &b))
        .function(Pure, "+(string, string)", "", |a: &mut ImmutableString, b: ImmutableString| join_two(a, &b))
        .function(Changes, "+=(string, value)", "", |a: &mut ImmutableString, b: Dynamic| append(a, &b))
        .function(
            Changes,
            "append(string, value)",
            "Adds the value's text at the end.",
            |a: &mut ImmutableString, b: Dynamic| append(a, &b),
        );
    api.function(Pure, "len(text) -> int", "How many characters.", |text: &mut ImmutableString| count(text))
        .function(Pure, "is_empty(text) -> bool", "Whether there is nothing in it.", |text: &mut ImmutableString| {
            text.is_empty()
        })
        .function(
            Pure,
            "contains(text, part) -> bool",
            "Also written `part in text`.",
            |text: &mut ImmutableString, part: ImmutableString| {
                guard::charge(text.len()).map(|()| text.contains(part.as_str()))
            },
        )
        .function(Pure, "contains(text, character) -> bool", "", |text: &mut ImmutableString, part: char| {
            guard::charge(text.len()).map(|()| text.contains(part))
        })
        .function(
            Pure,
            "starts_with(text, part) -> bool",
            "Whether the text begins so.",
            |text: &mut ImmutableString, part: ImmutableString| text.starts_with(part.as_str()),
        )
        .function(
            Pure,
            "ends_with(text, part) -> bool",
            "Whether the text ends so.",
            |text: &mut ImmutableString, part: ImmutableString| text.ends_with(part.as_str()),
        )
        .function(
            Pure,
            "index_of(text, part) -> int",
            "Where `part` first stands, counted in characters; -1 if nowhere.",
            |text: &mut ImmutableString, part: ImmutableString| index_of(text, &part),
        )
        .function(
            Pure,
            "sub_string(text, start) -> string",
            "From character `start` to the end; a negative start counts from the end.",
            |text: &mut ImmutableString, start: i64| sub_string(text, start, i64::MAX),
        )
        .function(
            Pure,
            "sub_string(text, start, length) -> string",
            "`length` characters from `start`.",
            |text: &mut ImmutableString, start: i64, length: i64| sub_string(text, start, length),
        )
        .function(Pure, "to_upper(text) -> string", "In capitals.", |text: &mut ImmutableString| {
            recase(text, str::to_uppercase)
        })
        .function(Pure, "to_lower(text) -> string", "In small letters.", |text: &mut ImmutableString| {
            recase(text, str::to_lowercase)
        })
        .function(Changes, "trim(text)", "Removes white space at both ends, in place.", |text: &mut ImmutableString| {
            trim(text)
        })
        .function(
            Changes,
            "replace(text, old, new)",
            "Replaces every `old`, in place.",
            |text: &mut ImmutableString, old: ImmutableString, new: ImmutableString| replace(text, &old, &new),
        )
        .function(Pure, "split(text) -> array", "The words between white space.", |text: &mut ImmutableString| {
            collect(text, text.split_whitespace())
        })
        .function(
            Pure,
            "split(text, separator) -> array",
            "The parts between separators.",
            |text: &mut ImmutableString, separator: ImmutableString| {
                if separator.is_empty() {
                    fail("split: the separator is empty")
                } else {
                    collect(text, text.split(separator.as_str()))
                }
            },
        )
        .function(
            Pure,
            "url_encode(text) -> string",
            "As a part of an address: what is no letter or digit becomes %20 and the like.",
            |text: &mut ImmutableString| {
                guard::charge(text.len())?;
                check_string(text.len().saturating_mul(3))?;
                let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                Ok::<_, Box<EvalAltResult>>(ImmutableString::from(encoded.replace('+', "%20")))
            },
        )
        .function(
            Pure,
            "sha256(text) -> string",
            "The text's SHA-256 in hexadecimal digits: for receivers that want names of people hashed.",
            |text: &mut ImmutableString| {
                guard::charge(text.len().saturating_mul(2))?;
                let digest = crate::secret::hex(&Sha256::digest(text.as_bytes()));
                Ok::<_, Box<EvalAltResult>>(ImmutableString::from(digest))
            },
        )
        .function(
            Pure,
            "parse_int(text) -> int",
            "The whole number that the text spells.",
            |text: &mut ImmutableString| parse::<i64>(text, "a whole number"),
        )
        .function(
            Pure,
            "parse_float(text) -> float",
            "The number that the text spells.",
            |text: &mut ImmutableString| parse::<f64>(text, "a number"),
        );
}

fn join_two(a: &str, b: &str) -> Fallible<ImmutableString> {
    check_string(a.len().saturating_add(b.len()))?;
    Ok([a, b].concat().into())
}

fn append(text: &mut ImmutableString, value: &Dynamic) -> Fallible<()> {
    *text = join_two(text, &to_text(value)?)?;
    Ok(())
}

fn count(text: &str) -> Fallible<i64> {
    guard::charge(text.len())?;
    Ok(int(text.chars().count()))
}

fn index_of(text: &str, part: &str) -> Fallible<i64> {
    guard::charge(text.len())?;
    let before = text.find(part).and_then(|at| text.get(..at));
    Ok(before.map_or(-1, |before| int(before.chars().count())))
}

fn sub_string(text: &str, start: i64, length: i64) -> Fallible<ImmutableString> {
    guard::charge(text.len())?;
    let start = if start < 0 { int(text.chars().count()).saturating_add(start).max(0) } else { start };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let length = usize::try_from(length).unwrap_or(0);
    Ok(text.chars().skip(start).take(length).collect::<String>().into())
}

/// Changing case can lengthen a text up to threefold (`ΐ`), so the result is checked for its worst case.
fn recase(text: &str, change: impl Fn(&str) -> String) -> Fallible<ImmutableString> {
    if !text.is_ascii() {
        check_string(text.len().saturating_mul(3))?;
    }
    guard::charge(text.len())?;
    Ok(change(text).into())
}

fn trim(text: &mut ImmutableString) -> Fallible<()> {
    guard::charge(text.len())?;
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        *text = trimmed.into();
    }
    Ok(())
}

fn replace(text: &mut ImmutableString, old: &str, new: &str) -> Fallible<()> {
    guard::charge(text.len())?;
    if old.is_empty() {
        return fail("replace: the text to look for is empty");
    }
    let found = text.matches(old).count();
    let grown = found.saturating_mul(new.len().saturating_sub(old.len()));
    check_string(text.len().saturating_add(grown))?;
    if found > 0 {
        *text = text.replace(old, new).into();
    }
    Ok(())
}

fn collect<'t>(text: &str, parts: impl Iterator<Item = &'t str>) -> Fallible<Array> {
    guard::charge(text.len())?;
    let mut array = Array::new();
    for part in parts {
        if array.len() >= MAX_ARRAY_ITEMS {
            return too_large("Size of array");
        }
        guard::charge(0)?;
        array.push(part.into());
    }
    Ok(array)
}

fn parse<T: std::str::FromStr>(text: &str, what: &str) -> Fallible<T> {
    let shown = text.get(..text.floor_char_boundary(40)).unwrap_or_default();
    text.trim().parse().or_else(|_| fail(format!("`{shown}` is not {what}")))
}
