//! The contract `cuetone:extension@1.0.0`: its records made of ours and back, and a plugin as each of the four points.
//!
//! The records are generated from `sdk/wit/v1`, so that this module and the contract cannot disagree. Released contracts
//! do not change: a new one gets a module beside this.

mod detect;
mod fill;
mod request;
mod sink;
mod targeting;

pub use detect::Detector;
pub use fill::Fill;
pub use sink::Sink;
pub use targeting::Targeting;

use wasmtime::component::{HasSelf, Linker};

use self::bindings::cuetone::extension::{config, counters, log};
use super::guest::Guest;
use crate::extension::{Point, logs::Level};

#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: "sdk/wit/v1",
        inline: "
            package cuetone:host;
            world every-point {
                import cuetone:extension/log@1.0.0;
                import cuetone:extension/config@1.0.0;
                import cuetone:extension/counters@1.0.0;
                export cuetone:extension/detect@1.0.0;
                export cuetone:extension/targeting@1.0.0;
                export cuetone:extension/fill@1.0.0;
                export cuetone:extension/sink@1.0.0;
            }
        ",
        world: "cuetone:host/every-point",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Everything that a plugin may import.
pub(super) const IMPORTS: [&str; 4] = [
    "cuetone:extension/log@1.0.0",
    "cuetone:extension/config@1.0.0",
    "cuetone:extension/counters@1.0.0",
    "cuetone:extension/types@1.0.0",
];

/// The interface that a plugin of a point exports.
pub(super) fn export(point: Point) -> &'static str {
    match point {
        Point::Detect => "cuetone:extension/detect@1.0.0",
        Point::Targeting => "cuetone:extension/targeting@1.0.0",
        Point::Fill => "cuetone:extension/fill@1.0.0",
        Point::Sink => "cuetone:extension/sink@1.0.0",
    }
}

/// Gives plugins what they may ask the host.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    bindings::EveryPoint::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.write(level, &message);
    }
}

impl config::Host for Guest {
    fn get(&mut self) -> String {
        self.config().to_owned()
    }
}

impl counters::Host for Guest {
    fn read(&mut self, name: String) -> Option<i64> {
        self.counter(&name)
    }
}

impl bindings::cuetone::extension::types::Host for Guest {}
