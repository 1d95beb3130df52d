//! The values that scripts are handed, one file each, and the functions that belong to them.
//!
//! A value is a small handle on data that was copied once per call, so that reading a property copies nothing but
//! that property. A property that does not exist is an error, never `()`.

pub mod ad;
pub mod avail;
mod combine;
pub mod config;
pub mod counter;
pub mod event;
pub mod log;
pub mod request;
pub mod texts;
pub mod window;

use std::io::Write;

use rhai::Dynamic;
use serde_json::Value;

use super::registrar::Registrar;

pub fn register(api: &mut Registrar<'_>) {
    log::register(api);
    texts::register(api);
    config::register(api);
    counter::register(api);
    request::register(api);
    ad::register(api);
    avail::register(api);
    window::register(api);
    event::register(api);
}

/// A host value as JSON; `None` for values that are not the host's.
pub fn json_of(value: &Dynamic) -> Option<Value> {
    let mut text = Vec::new();
    write_json(value, &mut text)?.ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes a host value as JSON; `None` for values that are not the host's.
pub fn write_json(value: &Dynamic, to: impl Write) -> Option<serde_json::Result<()>> {
    macro_rules! try_types {
        ($($kind:ty),* $(,)?) => {
            $(if let Some(host) = value.read_lock::<$kind>() {
                return Some(serde_json::to_writer(to, &*host));
            })*
        };
    }
    try_types!(
        ad::Ad,
        ad::Ads,
        event::EventValue,
        event::Events,
        avail::AvailValue,
        texts::Labels,
        config::Config,
        request::Request,
        request::RequestAvail,
        request::Now,
        window::CueValue,
        window::WindowValue,
    );
    None
}

/// Whether two host values are the same one.
pub fn same(a: &Dynamic, b: &Dynamic) -> bool {
    match (a.read_lock::<ad::Ad>(), b.read_lock::<ad::Ad>()) {
        (Some(a), Some(b)) => a.index() == b.index(),
        _ => false,
    }
}

/// Text that may be absent, as scripts see it: `()` when it is.
pub fn optional<T: Into<Dynamic>>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Into::into)
}
