//! Ads for players and servers that are not ours: VAST, VMAP and decisions over real sockets, read by other people's
//! clients in Node.js, and what is counted by the addresses in them.
//!
//! Servers are those of `tests/server`: in this process, on a clock that tests move by hand. Needs node and npm.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "server/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;
#[path = "server/node.rs"]
mod node;
#[path = "server/origin.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod origin;
#[path = "server/player.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod player;

#[path = "admin/api.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod api;
#[path = "vast/asks.rs"]
mod asks;
#[path = "vast/breaks.rs"]
mod breaks;
#[path = "vast/client.rs"]
mod client;
#[path = "vast/documents.rs"]
mod documents;
