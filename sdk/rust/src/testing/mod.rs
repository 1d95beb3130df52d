//! A host inside of the test's own thread, and typical inputs, so that `cargo test` needs no WebAssembly. Natively only.
//!
//! It does not check answers: `cuetone plugin test` runs the built component in the server's own host, which does.

mod inputs;

use std::{cell::RefCell, collections::BTreeMap};

pub use inputs::*;

use crate::log::Level;

#[derive(Default)]
struct Host {
    config: Option<String>,
    counters: BTreeMap<String, i64>,
    lines: Vec<(Level, String)>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Calls `run` while the configuration is `json`; else it is `{}`.
pub fn with_config<R>(json: &str, run: impl FnOnce() -> R) -> R {
    let before = HOST.with_borrow_mut(|host| host.config.replace(json.to_owned()));
    let result = run();
    HOST.with_borrow_mut(|host| host.config = before);
    result
}

pub fn set_counter(name: &str, value: i64) {
    HOST.with_borrow_mut(|host| host.counters.insert(name.to_owned(), value));
}

/// What was logged since the last time that this was asked.
pub fn logged_lines() -> Vec<(Level, String)> {
    HOST.with_borrow_mut(|host| std::mem::take(&mut host.lines))
}

pub(crate) fn config() -> String {
    HOST.with_borrow(|host| host.config.clone()).unwrap_or_else(|| "{}".to_owned())
}

pub(crate) fn counter(name: &str) -> Option<i64> {
    HOST.with_borrow(|host| host.counters.get(name).copied())
}

pub(crate) fn log(level: Level, message: &str) {
    HOST.with_borrow_mut(|host| host.lines.push((level, message.to_owned())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{counters, log};

    #[test]
    fn plugins_find_what_the_test_set() {
        assert_eq!(counters::read("sold"), None);
        set_counter("sold", 7);
        assert_eq!(counters::read("sold"), Some(7));

        log::warn("low");
        assert_eq!(logged_lines(), [(Level::Warn, "low".to_owned())]);
        assert_eq!(logged_lines(), []);
    }
}
