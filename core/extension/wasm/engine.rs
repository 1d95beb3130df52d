//! The one engine that plugins run on, with its pool of instances. Nothing else makes an engine.
//!
//! Knows neither the points nor tenants.

use std::{num::NonZeroUsize, sync::Arc, thread};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, InstancePre, Linker},
};

use super::{
    artefacts::Artefacts,
    compile::Compiler,
    gate::Gate,
    guest::{Guest, MAX_TABLE_ELEMENTS},
    ticker::Ticker,
    v1,
};
use crate::extension::ExtensionError;

/// Calls that the pool has room for, over all tenants: of sixteen processors.
pub const PLACES: usize = 64;

/// Calls that run at a time, for each processor; who comes when all are taken waits. More would only make every call last
/// longer, until the clock on the wall stops them all.
pub const PLACES_PER_PROCESSOR: usize = VIEWERS_PLACES + BACKGROUND_PLACES + SLOW_PLACES;

/// Of these, for calls that viewers wait for: a short one need not wait for a long one.
const VIEWERS_PLACES: usize = 2;

/// For calls that nobody waits for: they may last ten times as long.
const BACKGROUND_PLACES: usize = 1;

/// For those of the slow lane, which has as many threads: they may hold one without getting any time.
const SLOW_PLACES: usize = 1;

/// Modules that one plugin may be made of: the component tools put two small ones beside each, Python has about 30.
const CORE_INSTANCES_PER_PLUGIN: u32 = 40;

/// Memories and tables of one plugin: one of each for most, JavaScript has three memories. Addresses are reserved, no memory.
const MEMORIES_PER_PLUGIN: u32 = 4;
const TABLES_PER_PLUGIN: u32 = 4;

/// What the engine keeps of a plugin's instance (not its memory): offsets and pointers, some KB; Python's takes most.
const MAX_INSTANCE_BYTES: usize = 2 * 1024 * 1024;

/// Stack of a call. Rules are flat; the threads that call have 2 MiB.
const MAX_STACK_BYTES: usize = 512 * 1024;

/// Memory of one instance that stays mapped for the next one: what a small plugin touches.
const KEEP_RESIDENT_BYTES: usize = 256 * 1024;

/// Frames of a trap's backtrace that reach the plugin's author.
const BACKTRACE_FRAMES: usize = 8;

/// The largest memory that any plugin may have: Python's. Plugins in other languages have limits of their own.
pub const MAX_MEMORY_BYTES: usize = 192 * 1024 * 1024;

/// Loads and runs plugins; one for the whole server.
pub struct Host {
    pub(super) engine: Engine,
    linker: Linker<Guest>,
    pub(super) ticker: Ticker,
    /// For calls that viewers wait for.
    pub(super) gate: Arc<Gate>,
    /// For calls that nobody waits for.
    pub(super) background: Arc<Gate>,
    /// For calls of the slow lane, whichever they are.
    pub(super) slow: Arc<Gate>,
    pub(super) compiler: Compiler,
}

impl Host {
    /// `artefacts` keeps compiled plugins between starts of the server.
    ///
    /// # Errors
    /// If this machine cannot run plugins at all.
    pub fn new(artefacts: Option<Artefacts>) -> Result<Self, ExtensionError> {
        Self::build(artefacts).map_err(|error| ExtensionError::Panic {
            path: "plugins".to_owned(),
            message: format!("the engine cannot be made: {error:#}"),
        })
    }

    fn build(artefacts: Option<Artefacts>) -> wasmtime::Result<Self> {
        let engine = match Engine::new(&config(true)) {
            Ok(engine) => engine,
            Err(error) => {
                // The pool reserves addresses, not memory; some containers limit those too.
                tracing::warn!(%error, "plugins run without a pool of instances, which is slower");
                Engine::new(&config(false))?
            }
        };
        let mut linker = Linker::new(&engine);
        v1::link(&mut linker)?;
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let processors = processors.min(PLACES / PLACES_PER_PROCESSOR);
        Ok(Self {
            ticker: Ticker::new(&engine),
            gate: Gate::new(processors * VIEWERS_PLACES),
            background: Gate::new(processors * BACKGROUND_PLACES),
            slow: Gate::new(processors * SLOW_PLACES),
            compiler: Compiler::new(engine.clone(), artefacts),
            linker,
            engine,
        })
    }

    /// Everything that can be prepared before a call.
    pub(super) fn prepare(&self, component: &Component) -> wasmtime::Result<InstancePre<Guest>> {
        self.linker.instantiate_pre(component)
    }
}

fn config(pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(MAX_STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES))
        // The same answer on every machine: decisions are replayed.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    if pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    config
}

fn pool() -> PoolingAllocationConfig {
    let places = u32::try_from(PLACES).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .max_component_instance_size(MAX_INSTANCE_BYTES)
        .total_core_instances(places * CORE_INSTANCES_PER_PLUGIN)
        .max_core_instance_size(MAX_INSTANCE_BYTES)
        .max_core_instances_per_component(CORE_INSTANCES_PER_PLUGIN)
        .total_memories(places * MEMORIES_PER_PLUGIN)
        .max_memories_per_component(MEMORIES_PER_PLUGIN)
        .max_memory_size(MAX_MEMORY_BYTES)
        .total_tables(places * TABLES_PER_PLUGIN)
        .max_tables_per_component(TABLES_PER_PLUGIN)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
