//! The admin API over real sockets: every resource, every error, keys, isolation, idempotency, history, exports.
//!
//! Servers are those of `tests/server`: in this process, on a clock that tests move by hand.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "guests/mod.rs"]
mod guests;
#[path = "server/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;
#[path = "server/origin.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod origin;
#[path = "server/player.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod player;

#[path = "admin/access.rs"]
mod access;
#[path = "admin/apart.rs"]
mod apart;
#[path = "admin/api.rs"]
mod api;
#[path = "admin/counters.rs"]
mod counters;
#[path = "admin/errors.rs"]
mod errors;
#[path = "admin/extensions.rs"]
mod extensions;
#[path = "admin/history.rs"]
mod history;
#[path = "admin/idempotency.rs"]
mod idempotency;
#[path = "admin/items.rs"]
mod items;
#[path = "admin/kafka.rs"]
mod kafka;
#[path = "admin/keys.rs"]
mod keys;
#[path = "admin/pages.rs"]
mod pages;
#[path = "admin/plugins.rs"]
mod plugins;
#[path = "admin/reports.rs"]
mod reports;
#[path = "admin/sinks.rs"]
mod sinks;
#[path = "admin/tracking.rs"]
mod tracking;
#[path = "admin/trials.rs"]
mod trials;
