//! Cuetone: a plugin-extensible ad server for FAST channels.
//!
//! The map, floor by floor (an arrow may only point down; `tests/tidy.rs` checks):
//!
//! | floor | modules | |
//! |---|---|---|
//! | 1 | [`app`], [`cli`], [`demo`] | wiring; the only files that see everything |
//! | 2 | [`http`] | routes |
//! | 3 | [`session`] | a viewer's session |
//! | 4 | [`registry`] | bundles → compiled snapshots |
//! | 5 | [`decision`], [`tracking`], [`channel`] | which ads; what was seen; where breaks are |
//! | 6 | [`extension`], [`stitch`], [`origin`], [`creatives`] | scripts; playlists out; playlists in |
//! | 7 | [`store`], [`media`], [`bundle`] | database; formats; `tenant.yaml` |
//! | 8 | [`domain`], [`config`], [`outbound`], [`secret`], [`log`] | words and ground |
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod app;
pub mod bundle;
pub mod channel;
pub mod cli;
pub mod config;
pub mod creatives;
pub mod decision;
pub mod demo;
pub mod domain;
pub mod extension;
pub mod http;
pub mod log;
pub mod media;
pub mod origin;
pub mod outbound;
pub mod registry;
pub mod secret;
pub mod session;
pub mod stitch;
pub mod store;
pub mod tracking;
