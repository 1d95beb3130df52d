//! The real server with real origins over loopback: what must hold when things go wrong, and what must hold always.
//!
//! Servers run in this process, on a clock that tests move by hand: a live window, a stale window or a link of six
//! hours ago costs no waiting. What is about processes (signals, commands, metrics) runs the binary. Each file is one
//! theme; each test's name is the rule that it defends.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "server/ad_server.rs"]
mod ad_server;
#[path = "guests/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod guests;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/mmdb.rs"]
mod mmdb;
#[path = "server/origin.rs"]
mod origin;
#[path = "server/player.rs"]
mod player;
#[path = "postgres/mod.rs"]
mod postgres;

#[path = "server/beacons.rs"]
mod beacons;
#[path = "server/changes.rs"]
mod changes;
#[path = "server/client_tracking.rs"]
mod client_tracking;
#[path = "server/cluster.rs"]
mod cluster;
#[path = "server/decisions.rs"]
mod decisions;
#[path = "server/demand.rs"]
mod demand;
#[path = "server/geo.rs"]
mod geo;
#[path = "server/guard.rs"]
mod guard;
#[path = "server/hostile.rs"]
mod hostile;
#[path = "server/insight.rs"]
mod insight;
#[path = "server/ledger.rs"]
mod ledger;
#[path = "server/live.rs"]
mod live;
#[path = "server/operations.rs"]
mod operations;
#[path = "server/pays.rs"]
mod pays;
#[path = "server/refresh.rs"]
mod refresh;
#[path = "server/vod.rs"]
mod vod;
#[path = "server/web.rs"]
mod web;
