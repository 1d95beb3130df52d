//! Cuetone: a plugin-extensible ad server for FAST channels.
//!
//! The map, floor by floor (an arrow may only point down; `tests/tidy.rs` checks):
//!
//! | floor | modules | |
//! |---|---|---|
//! | 1 | [`app`], [`cli`], [`demo`] | wiring; the only files that see everything |
//! | 2 | [`http`] | routes |
//! | 3 | [`session`], [`decider`] | a viewer's session; decisions for whoever has a break |
//! | 4 | [`registry`] | bundles → compiled snapshots |
//! | 5 | [`decision`], [`ledger`], [`tracking`], [`channel`] | which ads; who pays; what was seen; where breaks are |
//! | 6 | [`extension`], [`stitch`], [`origin`], [`creatives`], [`demand`] | scripts; playlists out; playlists in; ad servers |
//! | 7 | [`store`], [`media`], [`bundle`] | database; formats; `tenant.yaml` |
//! | 8 | [`domain`], [`config`], [`geo`], [`outbound`], [`secret`], [`turns`], [`log`] | words and ground |
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod app;
pub mod bundle;
pub mod channel;
pub mod cli;
pub mod config;
pub mod creatives;
pub mod decider;
pub mod decision;
pub mod demand;
pub mod demo;
pub mod domain;
pub mod extension;
pub mod geo;
pub mod http;
pub mod ledger;
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
pub mod turns;
