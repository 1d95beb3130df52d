//! What one call of a plugin may use, and what it may ask of the host.

use std::{sync::Arc, time::Duration};

use wasmtime::ResourceLimiter;

use crate::extension::{
    Counters,
    limits::{MAX_LOG_BYTES, MAX_LOG_LINES},
    logs::{Level, TenantLog},
    quota::Quota,
    said::cut,
};

/// Where a plugin's log lines go.
pub enum LogTarget {
    /// To its tenant's log.
    Tenant(Arc<TenantLog>, Arc<str>),
    /// Kept for whoever runs the plugin by hand.
    Keep(Vec<String>),
}

/// The host's side of one call.
pub struct Guest {
    config: Arc<str>,
    counters: Counters,
    log: LogTarget,
    lines: usize,
    pub memory: MemoryLimit,
    /// Processor time of this thread when the call began.
    pub began: Duration,
}

impl Guest {
    pub fn new(config: Arc<str>, counters: Counters, log: LogTarget, memory: MemoryLimit, began: Duration) -> Self {
        Self { config, counters, log, lines: 0, memory, began }
    }

    pub fn config(&self) -> &str {
        &self.config
    }

    /// A counter that the plugin asks for by its metadata and its tenant grants.
    pub fn counter(&self, name: &str) -> Option<i64> {
        self.counters.read(name)
    }

    /// Writes one line of the plugin's log, shortened and limited in number.
    pub fn write(&mut self, level: Level, message: &str) {
        let line = self.lines;
        self.lines = self.lines.saturating_add(1);
        if line > MAX_LOG_LINES {
            return;
        }
        let message = if line == MAX_LOG_LINES { "(further lines of this call are left out)" } else { message };
        let message = cut(message, MAX_LOG_BYTES);
        match &mut self.log {
            LogTarget::Keep(lines) => lines.push(message.into_owned()),
            LogTarget::Tenant(log, extension) => log.write(extension, level, &message),
        }
    }

    /// The lines that were kept.
    pub fn into_log(self) -> Vec<String> {
        if let LogTarget::Keep(lines) = self.log { lines } else { Vec::new() }
    }
}

/// Memory of one call, over all the memories of its instances. What it took of its tenant's is given back when it is
/// dropped: however the call ends.
pub struct MemoryLimit {
    allowed: usize,
    tenant: Option<Arc<Quota>>,
    now: usize,
    /// The most that it had at a time, in bytes.
    pub peak: usize,
}

impl MemoryLimit {
    /// `tenant` also has to have what the call takes, if there is one.
    pub fn new(allowed: usize, tenant: Option<Arc<Quota>>) -> Self {
        Self { allowed, tenant, now: 0, peak: 0 }
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        if let Some(tenant) = &self.tenant {
            tenant.give_memory_back(self.now);
        }
    }
}

/// Why growing was refused: found again in the error that stops the call.
#[derive(Debug, thiserror::Error)]
#[error("{allowed} bytes of memory")]
pub struct OutOfMemory {
    pub allowed: usize,
}

/// Growing was refused because its tenant's plugins have all that they may have together.
#[derive(Debug, thiserror::Error)]
#[error("the tenant's memory")]
pub struct TenantOutOfMemory;

/// Entries of one table: functions that are called through pointers. Python's interpreter has 9,000.
pub const MAX_TABLE_ELEMENTS: usize = 20_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let now = self.now.saturating_add(more);
        if now > self.allowed {
            // Refusing by -1 would let the plugin go on and fail later with a message of its own: this one names the cause.
            return Err(wasmtime::Error::new(OutOfMemory { allowed: self.allowed }));
        }
        if self.tenant.as_ref().is_some_and(|tenant| !tenant.take_memory(more)) {
            return Err(wasmtime::Error::new(TenantOutOfMemory));
        }
        self.now = now;
        self.peak = self.peak.max(now);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
