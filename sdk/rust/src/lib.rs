//! Plugins for the ad server Cuetone, in Rust: one WebAssembly component for one of four points. README.md shows a whole
//! plugin; the contract, with what each field means, is in wit/.
//!
//! Enable the feature of the plugin's point (`detect`, `targeting`, `fill` or `sink`), implement the point's trait, and
//! name your type to [`export!`]. What the host offers is in [`log`], [`config`] and [`counters`]; there is no clock, no
//! randomness, no network and no memory of earlier calls.

#[cfg(any(all(target_arch = "wasm32", feature = "arena"), test))]
mod arena;
mod bindings;
pub mod config;
pub mod counters;
mod exported;
pub mod log;
mod points;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[doc(hidden)]
pub use exported::Exported;
pub use points::*;
/// The one that [`config::read`] reads with.
#[cfg(feature = "serde")]
pub use serde_json;

pub use bindings::host::cuetone::extension::types::{
    Avail, AvailKind, Candidate, Device, Labels, LocalTime, Position, Request,
};

#[cfg(not(any(feature = "detect", feature = "targeting", feature = "fill", feature = "sink")))]
compile_error!("enable the feature of cuetone-plugin that is the plugin's point: detect, targeting, fill or sink");

// A component exports one point. Natively several may be on, as when a workspace of plugins is tested at once.
#[cfg(all(
    target_arch = "wasm32",
    any(
        all(feature = "detect", any(feature = "targeting", feature = "fill", feature = "sink")),
        all(feature = "targeting", any(feature = "fill", feature = "sink")),
        all(feature = "fill", feature = "sink"),
    )
))]
compile_error!(
    "cuetone-plugin has the features of several points, and a component exports one. In a workspace of plugins, build \
     one at a time: cargo build -p NAME"
);

#[cfg(all(target_arch = "wasm32", feature = "detect"))]
#[doc(hidden)]
pub use bindings::detect as point;
#[cfg(all(target_arch = "wasm32", feature = "fill"))]
#[doc(hidden)]
pub use bindings::fill as point;
#[cfg(all(target_arch = "wasm32", feature = "sink"))]
#[doc(hidden)]
pub use bindings::sink as point;
#[cfg(all(target_arch = "wasm32", feature = "targeting"))]
#[doc(hidden)]
pub use bindings::targeting as point;

/// Its examples compile.
#[cfg(all(doctest, feature = "targeting", feature = "serde"))]
#[doc = include_str!("../README.md")]
struct Readme;
