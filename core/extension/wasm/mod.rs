//! The component host: everything in the server that knows WebAssembly.
//!
//! - [`engine`]: builds the one engine, with its pool of instances; [`ticker`] moves its clock, [`gate`] counts places.
//! - [`inspect`]: what can be read off a component before it is compiled; [`metadata`]: what it says of itself.
//! - [`signature`]: who made it.
//! - [`compile`]: bytes → machine code, off the async threads, once per content; [`artefacts`] keeps it on disk.
//! - [`guest`]: what one call may use and ask of the host.
//! - [`plugin`]: a compiled plugin, and the one function through which it runs.
//! - [`v1`]: the contract `cuetone:extension@1.0.0`: its records, and a plugin as each of the four points. A new version
//!   of the contract is a new folder and a new module here.
//!
//! Every call gets a fresh instance and drops it: nothing that a plugin keeps can reach another call or tenant, and a
//! decision that is replayed meets the plugin as it was. Plugins see no clock, no network, no files.

pub mod artefacts;
pub mod compile;
pub mod engine;
mod gate;
mod guest;
pub mod inspect;
pub mod metadata;
pub mod plugin;
pub mod signature;
mod ticker;
pub mod v1;

pub use artefacts::Artefacts;
pub use engine::Host;
pub use metadata::Metadata;
pub use plugin::{Plugin, Used};

#[cfg(test)]
mod hostile_tests;
