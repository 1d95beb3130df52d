//! The script engine: everything in the server that knows Rhai.
//!
//! - [`engine`]: builds the one hardened engine; nothing else makes an engine that runs scripts.
//! - [`guard`]: what one call may use.
//! - [`text`], [`lists`], [`maps`], [`numbers`], [`value`]: the library that scripts have, written so that no single
//!   call of it can outrun the guard. It replaces Rhai's own.
//! - [`api`]: the host's values.
//! - [`script`]: a compiled script; [`detector`], [`targeting`], [`fill`], [`sink`]: a script as an extension.
//! - [`scan`], [`closures`], [`lint`]: what is read off a script's text before it runs.
//! - [`diagnose`]: engine errors → file, line, column and a hint.
//!
//! Scripts see no clock, no network, no files and no other tenant, and nothing they leave behind survives a call.

pub mod api;
pub mod closures;
pub mod definitions;
pub mod detector;
pub mod diagnose;
pub mod engine;
pub mod fill;
pub mod guard;
mod lint;
mod lists;
mod maps;
mod numbers;
pub mod registrar;
pub mod scan;
pub mod script;
pub mod sink;
pub mod targeting;
mod text;
pub mod value;

pub use engine::Host;
pub use guard::{Budget, LogTarget, Usage};
pub use script::{Ran, Script};

#[cfg(test)]
mod hostile_tests;
