//! Script values as text and JSON, and whether two are equal. Rhai's own versions of these run unmetered and check
//! sizes only when they are done; these pay as they go and stop at the limit.

use std::fmt::Write as _;

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, ImmutableString, Map, Position};
use serde_json::Value;

use super::{api, guard};
use crate::extension::limits::{MAX_STRING_BYTES, MAX_VALUE_DEPTH};

pub type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// An error that a script may catch.
pub fn fail<T>(message: impl Into<String>) -> Fallible<T> {
    Err(Box::new(EvalAltResult::ErrorRuntime(message.into().into(), Position::NONE)))
}

/// An error that a script cannot catch: a size limit.
pub fn too_large<T>(what: &str) -> Fallible<T> {
    Err(Box::new(EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE)))
}

/// Fails when a string would grow past its limit; called before it is built.
pub fn check_string(bytes: usize) -> Fallible<()> {
    guard::charge(bytes)?;
    if bytes > MAX_STRING_BYTES { too_large("Length of string") } else { Ok(()) }
}

/// A whole number as a script has it.
pub fn int(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Text that may not outgrow a script's string limit.
#[derive(Default)]
struct Text(String);

impl Text {
    fn push(&mut self, piece: &str) -> Fallible<()> {
        // Escaping a long text takes many small pieces and much time: each of them is a chance to stop.
        guard::charge(piece.len())?;
        if self.0.len() + piece.len() > MAX_STRING_BYTES {
            return too_large("Length of string");
        }
        self.0.push_str(piece);
        Ok(())
    }
}

impl std::io::Write for Text {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let text = std::str::from_utf8(piece).map_err(std::io::Error::other)?;
        self.push(text).map_err(std::io::Error::other)?;
        Ok(piece.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        self.push(piece).map_err(|_| std::fmt::Error)
    }
}

/// What `print`, `+` and `${…}` show.
pub fn to_text(value: &Dynamic) -> Fallible<ImmutableString> {
    let mut text = Text::default();
    write_text(value, &mut text, false, 0)?;
    Ok(text.0.into())
}

/// What `to_debug` shows: strings in quotes.
pub fn to_debug(value: &Dynamic) -> Fallible<ImmutableString> {
    let mut text = Text::default();
    write_text(value, &mut text, true, 0)?;
    Ok(text.0.into())
}

fn write_text(value: &Dynamic, text: &mut Text, quoted: bool, depth: usize) -> Fallible<()> {
    guard::charge(0)?;
    if depth > MAX_VALUE_DEPTH {
        return too_large("Depth of value");
    }
    if let Ok(string) = value.as_immutable_string_ref() {
        guard::charge(string.len())?;
        return if quoted {
            write!(text, "{:?}", string.as_str()).or_else(|_| cut_short())
        } else {
            text.push(&string)
        };
    }
    if let Ok(array) = value.as_array_ref() {
        text.push("[")?;
        for (index, item) in array.iter().enumerate() {
            text.push(if index == 0 { "" } else { ", " })?;
            write_text(item, text, true, depth + 1)?;
        }
        return text.push("]");
    }
    if let Ok(map) = value.as_map_ref() {
        text.push("#{")?;
        for (index, (key, item)) in map.iter().enumerate() {
            text.push(if index == 0 { "" } else { ", " })?;
            write!(text, "{key:?}: ").or_else(|_| cut_short())?;
            write_text(item, text, true, depth + 1)?;
        }
        return text.push("}");
    }
    if let Some(json) = api::json_of(value) {
        return text.push(&json.to_string());
    }
    if value.is_unit() {
        return text.push(if quoted { "()" } else { "" });
    }
    text.push(&value.to_string())
}

/// Why a text could not be written to its end: the purse is empty, or the text too long.
fn cut_short<T>() -> Fallible<T> {
    guard::charge(0)?;
    too_large("Length of string")
}

/// A script value as JSON text.
pub fn to_json(value: &Dynamic) -> Fallible<ImmutableString> {
    let mut text = Text::default();
    write_json(value, &mut text, 0)?;
    Ok(text.0.into())
}

fn write_json(value: &Dynamic, text: &mut Text, depth: usize) -> Fallible<()> {
    guard::charge(0)?;
    if depth > MAX_VALUE_DEPTH {
        return too_large("Depth of value");
    }
    if let Ok(array) = value.as_array_ref() {
        text.push("[")?;
        for (index, item) in array.iter().enumerate() {
            text.push(if index == 0 { "" } else { "," })?;
            write_json(item, text, depth + 1)?;
        }
        return text.push("]");
    }
    if let Ok(map) = value.as_map_ref() {
        text.push("{")?;
        for (index, (key, item)) in map.iter().enumerate() {
            text.push(if index == 0 { "" } else { "," })?;
            write_plain(&Value::String(key.to_string()), text)?;
            text.push(":")?;
            write_json(item, text, depth + 1)?;
        }
        return text.push("}");
    }
    if let Ok(string) = value.as_immutable_string_ref() {
        guard::charge(string.len())?;
        return write_plain(string.as_str(), text);
    }
    match plain_json(value) {
        Some(plain) => write_plain(&plain, text),
        None => match api::write_json(value, &mut *text) {
            Some(written) => written.or_else(|_| cut_short()),
            None => fail(format!("a value of type {} cannot be written as JSON", value.type_name())),
        },
    }
}

fn write_plain(value: &(impl serde::Serialize + ?Sized), text: &mut Text) -> Fallible<()> {
    serde_json::to_writer(text, value).or_else(|_| cut_short())
}

/// Values that are not made of others. Numbers that JSON lacks (infinity) become null.
fn plain_json(value: &Dynamic) -> Option<Value> {
    if value.is_unit() {
        Some(Value::Null)
    } else if let Ok(flag) = value.as_bool() {
        Some(Value::Bool(flag))
    } else if let Ok(number) = value.as_int() {
        Some(Value::from(number))
    } else if let Ok(number) = value.as_float() {
        Some(Value::from(number))
    } else {
        value.as_char().ok().map(|character| Value::String(character.to_string()))
    }
}

/// An answer as JSON, for people and tests. Never fails: what has no JSON form is shown as text.
pub fn to_value(value: &Dynamic) -> Value {
    to_value_at(value, 0)
}

fn to_value_at(value: &Dynamic, depth: usize) -> Value {
    if depth > MAX_VALUE_DEPTH {
        return Value::String("…".to_owned());
    }
    if let Ok(array) = value.as_array_ref() {
        return Value::Array(array.iter().map(|item| to_value_at(item, depth + 1)).collect());
    }
    if let Ok(map) = value.as_map_ref() {
        return Value::Object(map.iter().map(|(k, v)| (k.to_string(), to_value_at(v, depth + 1))).collect());
    }
    if let Ok(string) = value.as_immutable_string_ref() {
        return Value::String(string.to_string());
    }
    plain_json(value).or_else(|| api::json_of(value)).unwrap_or_else(|| Value::String(value.to_string()))
}

/// Configuration and the like as a script value.
pub fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(from_json).collect::<Array>()),
        Value::Object(entries) => Dynamic::from_map(map_from_json(entries)),
    }
}

/// As [`from_json`], for the entries of an object.
pub fn map_from_json(entries: &serde_json::Map<String, Value>) -> Map {
    entries.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect()
}

/// Whether two values are the same: numbers by value, lists and maps by content, host values by identity.
pub fn equal(a: &Dynamic, b: &Dynamic) -> Fallible<bool> {
    equal_at(a, b, 0)
}

fn equal_at(a: &Dynamic, b: &Dynamic, depth: usize) -> Fallible<bool> {
    guard::charge(0)?;
    if depth > MAX_VALUE_DEPTH {
        return too_large("Depth of value");
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        guard::charge(a.len().min(b.len()))?;
        return Ok(*a == *b);
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (a, b) in a.iter().zip(b.iter()) {
            if !equal_at(a, b, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (key, a) in a.iter() {
            match b.get(key) {
                Some(b) if equal_at(a, b, depth + 1)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Ok(a == b);
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return Ok(a == b);
    }
    Ok((a.is_unit() && b.is_unit()) || api::same(a, b))
}

/// Any number as a float.
pub fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|whole| whole as f64))
}

/// Values enter containers through here: a function kept in a container that it also uses would never be freed.
pub fn storable(value: Dynamic) -> Fallible<Dynamic> {
    let value = value.flatten();
    if value.is::<FnPtr>() { fail("a function cannot be kept in a list or map") } else { Ok(value) }
}

/// How many values there are in a value, itself included; long texts count for their length.
pub fn weigh(value: &Dynamic) -> Fallible<usize> {
    guard::charge(0)?;
    let mut weight = 1_usize;
    if let Ok(array) = value.as_array_ref() {
        for item in array.iter() {
            weight = weight.saturating_add(weigh(item)?);
        }
    } else if let Ok(map) = value.as_map_ref() {
        for item in map.values() {
            weight = weight.saturating_add(weigh(item)?);
        }
    } else if let Ok(text) = value.as_immutable_string_ref() {
        weight = weight.saturating_add(text.len() / TEXT_PER_WEIGHT);
    }
    Ok(weight)
}

/// Bytes of text that weigh as much as one value: with it, a list of texts at the array limit is also at the string
/// limit.
const TEXT_PER_WEIGHT: usize = MAX_STRING_BYTES / crate::extension::limits::MAX_ARRAY_ITEMS;
