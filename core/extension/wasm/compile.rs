//! From a component's bytes to machine code: once per content, one at a time, and never longer than its limit.
//!
//! Waits for as long as compiling takes: call it off the async threads.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, mpsc},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{artefacts::Artefacts, gate::Gate};

/// How long one plugin may take to compile. Python's 18 MB take ten seconds on a slow machine.
pub const MAX_COMPILE: Duration = Duration::from_secs(60);

/// SHA-256 of a component's bytes.
pub type ContentHash = [u8; 32];

pub struct Compiler {
    engine: Engine,
    artefacts: Option<Artefacts>,
    /// What is in use somewhere: tenants share machine code.
    ready: Mutex<HashMap<ContentHash, Weak<Component>>>,
    /// One compilation at a time, so that requests keep the other processors.
    turn: Arc<Gate>,
}

impl Compiler {
    pub fn new(engine: Engine, artefacts: Option<Artefacts>) -> Self {
        Self { engine, artefacts, ready: Mutex::default(), turn: Gate::new(1) }
    }

    /// The machine code of these bytes: the one in use, else the one kept on disk, else made now.
    ///
    /// # Errors
    /// In words for the plugin's author.
    pub fn compiled(&self, bytes: &[u8]) -> Result<Arc<Component>, String> {
        let hash: ContentHash = Sha256::digest(bytes).into();
        if let Some(ready) = self.in_use(&hash) {
            return Ok(ready);
        }
        let kept = self.artefacts.as_ref().and_then(|artefacts| artefacts.load(&self.engine, &hash));
        let component = match kept {
            Some(component) => component,
            None => {
                let component = self.compile(bytes)?;
                if let Some(artefacts) = &self.artefacts {
                    artefacts.keep(&self.engine, &hash, &component);
                }
                component
            }
        };
        let mut ready = self.ready.lock();
        ready.retain(|_, component| component.strong_count() > 0);
        // Two may have compiled the same side by side: all use the first.
        if let Some(first) = ready.get(&hash).and_then(Weak::upgrade) {
            return Ok(first);
        }
        let component = Arc::new(component);
        ready.insert(hash, Arc::downgrade(&component));
        Ok(component)
    }

    fn in_use(&self, hash: &ContentHash) -> Option<Arc<Component>> {
        self.ready.lock().get(hash).and_then(Weak::upgrade)
    }

    /// Compiling cannot be interrupted. A thread of its own does it; when it takes too long nobody waits for it any more,
    /// but it keeps its turn until it is done, so that at most one such thread is ever there.
    fn compile(&self, bytes: &[u8]) -> Result<Component, String> {
        let Some(turn) = self.turn.enter(MAX_COMPILE) else {
            return Err("another plugin is still being compiled: try again".to_owned());
        };
        let (done, outcome) = mpsc::sync_channel(1);
        let (engine, bytes) = (self.engine.clone(), bytes.to_vec());
        let work = move || {
            let _turn = turn;
            // Nobody listens any more if it took too long.
            let _late = done.send(Component::new(&engine, bytes));
        };
        let spawned = thread::Builder::new().name("plugin-compiler".to_owned()).spawn(work);
        spawned.map_err(|error| format!("there is no thread to compile it: {error}"))?;
        match outcome.recv_timeout(MAX_COMPILE) {
            Ok(compiled) => compiled.map_err(|error| format!("it does not compile: {error:#}")),
            Err(_) => Err(format!("it did not compile within {} s: make it smaller", MAX_COMPILE.as_secs())),
        }
    }
}
