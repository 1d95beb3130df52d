//! A compiled plugin and the one function through which it runs.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use serde_json::Value;
use wasmtime::{
    Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace,
    component::{Component, Instance, InstancePre, types::ComponentItem},
};

use super::{
    engine::Host,
    guest::{Guest, LogTarget, MemoryLimit, OutOfMemory, TenantOutOfMemory},
    inspect::inspect,
    metadata::Metadata,
    ticker::TICK,
    v1,
};
use crate::domain::CounterGrant;
use crate::extension::{
    Counters, ExtensionError, Patience, Point,
    cpu::thread_time,
    figures::Figures,
    lane::{is_slow, rest},
    limits,
    logs::TenantLog,
    quota::Quota,
    said, sample,
};

/// Memory of a plugin in a compiled language. A batch of 500 events takes less than 2 MB.
const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// JavaScript brings its engine and a heap.
const JAVASCRIPT_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Python brings its interpreter and a library of modules, loaded when it was built.
const PYTHON_MEMORY_BYTES: usize = super::engine::MAX_MEMORY_BYTES;

/// Bytes that an answer may take on the host's side. Lists may point to one text over and over, so that what is small
/// inside of the plugin could be terabytes outside.
const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// The same for a sink: the bodies of a full batch.
const MAX_SINK_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A deadline counts processor time, so that a busy machine does not make good plugins fail; but no call lasts longer
/// than so many deadlines by the clock on the wall. That is enough for one that shares its processor with all others that
/// may run there, and with scripts; or that rests as long as it runs, in the slow lane.
const PATIENCE: u32 = 5;
const _: () = assert!(PATIENCE as usize > super::engine::PLACES_PER_PROCESSOR);

/// The clock on the wall stopped it before its deadline did: others had the processor.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {lasted:?}, in which it had the processor for {had:?} of the {deadline:?} that it may have")]
struct Starved {
    lasted: Duration,
    had: Duration,
    deadline: Duration,
}

/// What a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub deadline: Duration,
    pub memory_bytes: usize,
}

/// What a call has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub elapsed: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// The most memory that it had at a time.
    pub memory_bytes: usize,
}

/// What came of a call, and what it cost.
#[derive(Debug)]
pub struct Ran<T> {
    pub answer: T,
    pub used: Used,
    /// Kept only where the caller asked for it.
    pub log: Vec<String>,
}

/// A plugin that is compiled and linked.
#[derive(Clone)]
pub struct Plugin {
    host: Arc<Host>,
    /// Keeps the machine code shared among those who use it.
    _component: Arc<Component>,
    /// Keeps what was verified known while somebody uses it: see [`Plugin::again`].
    _first: Option<Arc<Self>>,
    pre: InstancePre<Guest>,
    metadata: Metadata,
    /// Counters that it asks for.
    asked: Arc<[CounterGrant]>,
    /// As its tenant knows it; shown in errors.
    path: Arc<str>,
    log: Option<Arc<TenantLog>>,
    budget: Budget,
    keep_log: bool,
    /// Where the memory of its calls is noted.
    figures: Option<Arc<Figures>>,
    /// Whose memory its calls take.
    quota: Option<Arc<Quota>>,
    config: Arc<ConfigText>,
}

/// The configuration that a plugin was last called with, and its text. Callers pass the same one over and over.
type ConfigText = RwLock<Option<(Value, Arc<str>)>>;

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({})", self.path)
    }
}

impl Plugin {
    /// Compiles a component and checks that it is a plugin, for `point` where one is named. Does not run it.
    ///
    /// # Errors
    /// [`ExtensionError::Compile`], in words for its author.
    pub fn load(host: &Arc<Host>, bytes: &[u8], path: &str, point: Option<Point>) -> Result<Self, ExtensionError> {
        let fault =
            |message: String, hint: Option<String>| ExtensionError::Component { path: path.to_owned(), message, hint };
        let metadata = inspect(bytes).map_err(|message| fault(message, None))?;
        let point = metadata.serving(path, point)?;
        let component = host.compiler.compiled(bytes).map_err(|message| fault(message, None))?;
        check_world(host, &component, point).map_err(|(message, hint)| fault(message, Some(hint)))?;
        let pre = host.prepare(&component).map_err(|error| fault(format!("it cannot be linked: {error:#}"), None))?;
        Ok(Self {
            budget: Budget::of(point, &metadata),
            host: Arc::clone(host),
            _component: component,
            _first: None,
            pre,
            asked: metadata.counters.as_slice().into(),
            metadata,
            path: path.into(),
            log: None,
            keep_log: false,
            figures: None,
            quota: None,
            config: Arc::default(),
        })
    }

    /// The same plugin for one who mounts it elsewhere: nothing of it is looked at again.
    ///
    /// # Errors
    /// If it is for another point.
    pub fn again(first: &Arc<Self>, path: &str, point: Option<Point>) -> Result<Self, ExtensionError> {
        first.metadata.serving(path, point)?;
        let (path, config) = (path.into(), Arc::default());
        Ok(Self { path, config, _first: Some(Arc::clone(first)), ..Self::clone(first) })
    }

    /// Hands log lines to the caller instead of to the server's log.
    #[must_use]
    pub fn keep_log(mut self) -> Self {
        self.keep_log = true;
        self
    }

    /// What it logs goes there. Without it, and without [`Plugin::keep_log`], nobody hears it.
    #[must_use]
    pub fn logging_to(mut self, log: Arc<TenantLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Notes there how much memory its calls have.
    #[must_use]
    pub fn noted_in(mut self, figures: Arc<Figures>) -> Self {
        self.figures = Some(figures);
        self
    }

    /// What its calls have of memory, they take from there. Without it, only the limit of each call holds.
    #[must_use]
    pub fn within(mut self, quota: Option<Arc<Quota>>) -> Self {
        self.quota = quota;
        self
    }

    /// Asks it once with a made-up but typical input, so that a slip shows when it is activated and not when a viewer
    /// waits.
    ///
    /// # Errors
    /// Whatever comes of it.
    pub fn trial(self, config: &Value) -> Result<Used, ExtensionError> {
        let plugin = Arc::new(self.keep_log());
        match plugin.metadata.point {
            Point::Detect => {
                let detector = v1::Detector::new(plugin)?;
                sample::tried(|| sample::detect(config, |input| detector.run(input).map(|ran| ran.used)))
            }
            Point::Targeting => {
                let rule = v1::Targeting::new(plugin)?;
                sample::tried(|| sample::targeting(config, |input| rule.run(input).map(|ran| ran.used)))
            }
            Point::Fill => {
                let strategy = v1::Fill::new(plugin)?;
                sample::tried(|| sample::fill(config, |input| strategy.run(input).map(|ran| ran.used)))
            }
            Point::Sink => {
                let sink = v1::Sink::new(plugin)?;
                sample::tried(|| sample::sink(config, |input| sink.run(input).map(|ran| ran.used)))
            }
        }
    }

    /// How its tenant calls it.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Where the functions of its interface are.
    pub(super) fn exported<T>(
        &self,
        find: impl FnOnce(&InstancePre<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, ExtensionError> {
        find(&self.pre).map_err(|error| ExtensionError::Component {
            path: self.path.to_string(),
            message: format!("it does not keep to the contract: {error:#}"),
            hint: Some("build it against sdk/wit/v1 of this server's version".to_owned()),
        })
    }

    /// Runs `ask` on a fresh instance, within the plugin's limits. Whatever happens, the instance is dropped.
    pub(super) fn call<T>(
        &self,
        config: &Value,
        counters: &Counters,
        patience: &Patience,
        ask: impl FnOnce(StoreContextMut<'_, Guest>, &Instance) -> wasmtime::Result<Result<T, String>>,
    ) -> Result<Ran<T>, ExtensionError> {
        let path = || self.path.to_string();
        let busy = |what: String| ExtensionError::Busy { path: path(), what };
        self.host.ticker.ensure().map_err(|error| busy(format!("its clock does not run: {error}")))?;
        let gate = match self.metadata.point {
            _ if is_slow() => &self.host.slow,
            Point::Sink => &self.host.background,
            Point::Detect | Point::Targeting | Point::Fill => &self.host.gate,
        };
        let Some(_place) = patience.spend(|left| gate.enter(left)) else {
            return Err(busy(format!("no place became free: {} such plugins run at a time", gate.places())));
        };
        let (started, began) = (Instant::now(), thread_time());
        let log = match &self.log {
            Some(log) if !self.keep_log => LogTarget::Tenant(Arc::clone(log), Arc::clone(&self.path)),
            _ => LogTarget::Keep(Vec::new()),
        };
        let memory = MemoryLimit::new(self.budget.memory_bytes, self.quota.clone());
        let guest = Guest::new(self.config_text(config), counters.asking(&self.asked), log, memory, began);
        let mut store = Store::new(&self.host.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(self.answer_bytes());
        // In the slow lane it is looked after at every tick, so that it rests in time.
        let slow = is_slow();
        let next = move |left: Duration| if slow { 1 } else { ticks(left) };
        store.set_epoch_deadline(next(self.budget.deadline));
        let (deadline, latest) = (self.budget.deadline, self.budget.deadline * PATIENCE);
        store.epoch_deadline_callback(move |store| {
            let spent = thread_time().saturating_sub(store.data().began);
            if spent >= deadline {
                return Ok(UpdateDeadline::Interrupt);
            }
            let lasted = started.elapsed();
            if lasted >= latest {
                return Err(wasmtime::Error::new(Starved { lasted, had: spent, deadline }));
            }
            rest();
            Ok(UpdateDeadline::Continue(next(deadline - spent)))
        });
        let answer = self.pre.instantiate(&mut store).and_then(|instance| {
            use wasmtime::AsContextMut;
            ask(store.as_context_mut(), &instance)
        });
        let used = Used {
            elapsed: started.elapsed(),
            cpu: thread_time().saturating_sub(began),
            memory_bytes: store.data().memory.peak,
        };
        if let Some(figures) = &self.figures {
            figures.used_memory(used.memory_bytes);
        }
        match answer {
            Ok(Ok(answer)) => Ok(Ran { answer, used, log: store.into_data().into_log() }),
            Ok(Err(message)) => Err(said::error(ExtensionError::Refused { path: path(), message })),
            Err(error) => Err(said::error(self.stopped(&error))),
        }
    }

    fn answer_bytes(&self) -> usize {
        if self.metadata.point == Point::Sink { MAX_SINK_ANSWER_BYTES } else { MAX_ANSWER_BYTES }
    }

    fn config_text(&self, config: &Value) -> Arc<str> {
        if let Some((known, text)) = &*self.config.read()
            && known == config
        {
            return Arc::clone(text);
        }
        let text: Arc<str> = config.to_string().into();
        *self.config.write() = Some((config.clone(), Arc::clone(&text)));
        text
    }

    /// Why a call ended without an answer.
    fn stopped(&self, error: &wasmtime::Error) -> ExtensionError {
        let path = self.path.to_string();
        if let Some(OutOfMemory { allowed }) = error.downcast_ref() {
            return ExtensionError::Limit { path, what: format!("{} MiB of memory", allowed / 1024 / 1024) };
        }
        if let (Some(TenantOutOfMemory), Some(quota)) = (error.downcast_ref(), &self.quota) {
            return quota.out_of_memory(&path);
        }
        if let Some(starved) = error.downcast_ref::<Starved>() {
            return ExtensionError::Busy { path, what: starved.to_string() };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => ExtensionError::Deadline { path, limit: self.budget.deadline },
            Some(Trap::StackOverflow) => {
                ExtensionError::Limit { path, what: "the depth of calls: it recurses without end".to_owned() }
            }
            Some(trap) => {
                let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
                ExtensionError::Trap { path, message: trap.to_string(), backtrace }
            }
            None => {
                let reason = error.root_cause();
                ExtensionError::Answer { path, message: format!("what it said cannot be read: {reason}") }
            }
        }
    }
}

impl Budget {
    /// What a call at this point may use.
    fn of(point: Point, plugin: &Metadata) -> Self {
        let deadline = match point {
            Point::Detect => limits::DETECT_DEADLINE,
            Point::Sink => limits::SINK_DEADLINE,
            Point::Targeting | Point::Fill => limits::CALL_DEADLINE,
        };
        let memory_bytes = match plugin.language.as_str() {
            "javascript" | "typescript" => JAVASCRIPT_MEMORY_BYTES,
            "python" => PYTHON_MEMORY_BYTES,
            _ => MEMORY_BYTES,
        };
        Self { deadline, memory_bytes }
    }
}

/// Only what the contract has, and the interface of its point. Types are checked when functions are looked up.
fn check_world(host: &Host, component: &Component, point: Point) -> Result<(), (String, String)> {
    let component_type = component.component_type();
    let unknown: Vec<&str> =
        component_type.imports(&host.engine).map(|(name, _)| name).filter(|name| !v1::IMPORTS.contains(name)).collect();
    if !unknown.is_empty() {
        return Err((
            format!("it wants more than plugins get: {}", unknown.join(", ")),
            format!("plugins may import {} and nothing else; build with stubs for WASI", v1::IMPORTS.join(", ")),
        ));
    }
    let wanted = v1::export(point);
    let mut exports = component_type.exports(&host.engine);
    if exports.any(|(name, item)| name == wanted && matches!(item.ty, ComponentItem::ComponentInstance(_))) {
        return Ok(());
    }
    Err((
        format!("it is for {point} by its metadata, but does not export {wanted}"),
        "say in plugin.yaml what it is for, and build it for that world".to_owned(),
    ))
}

fn ticks(time: Duration) -> u64 {
    // Never none: the plugin would be interrupted at once.
    u64::try_from(time.as_micros().div_ceil(TICK.as_micros())).unwrap_or(u64::MAX).max(1)
}
