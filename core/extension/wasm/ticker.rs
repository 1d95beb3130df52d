//! The engine's clock: a thread that counts milliseconds, so that what runs too long can be interrupted.
//!
//! Knows nothing of plugins. If its thread ever ended nothing would be stopped any more, so whoever is about to run
//! something asks for it to be there.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::RwLock;
use wasmtime::{Engine, EngineWeak};

/// How finely deadlines are kept. A reading costs some nanoseconds of one thread.
pub const TICK: Duration = Duration::from_millis(1);

pub struct Ticker {
    engine: EngineWeak,
    thread: RwLock<Option<JoinHandle<()>>>,
}

impl Ticker {
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.weak(), thread: RwLock::new(None) }
    }

    /// Makes sure that the clock runs. Starts it the first time, so that a server without plugins has no such thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn ensure(&self) -> std::io::Result<()> {
        if self.thread.read().as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(());
        }
        let mut thread = self.thread.write();
        if thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let engine = self.engine.clone();
            *thread = Some(thread::Builder::new().name("plugin-clock".to_owned()).spawn(move || tick(&engine))?);
        }
        Ok(())
    }
}

/// Ends by itself once the engine is gone.
fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}
