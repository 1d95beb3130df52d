//! What one call of a plugin may use, and what it may ask of the host.

use std::{sync::Arc, time::Duration};

use wasmtime::ResourceLimiter;

use crate::extension::{
    Counters,
    limits::{MAX_LOG_BYTES, MAX_LOG_LINES},
    logs::{Level, TenantLog},
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
    pub fn new(config: Arc<str>, counters: Counters, log: LogTarget, memory_bytes: usize, began: Duration) -> Self {
        let memory = MemoryLimit { allowed: memory_bytes, now: 0, peak: 0 };
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
        let message = message.get(..message.floor_char_boundary(MAX_LOG_BYTES)).unwrap_or_default();
        match &mut self.log {
            LogTarget::Keep(lines) => lines.push(message.to_owned()),
            LogTarget::Tenant(log, extension) => log.write(extension, level, message),
        }
    }

    /// The lines that were kept.
    pub fn into_log(self) -> Vec<String> {
        if let LogTarget::Keep(lines) = self.log { lines } else { Vec::new() }
    }
}

/// Memory of one call, over all the memories of its instances.
pub struct MemoryLimit {
    allowed: usize,
    now: usize,
    /// The most that it had at a time, in bytes.
    pub peak: usize,
}

/// Why growing was refused: found again in the error that stops the call.
#[derive(Debug, thiserror::Error)]
#[error("{allowed} bytes of memory")]
pub struct OutOfMemory {
    pub allowed: usize,
}

/// Entries of one table: functions that are called through pointers. Python's interpreter has 9,000.
pub const MAX_TABLE_ELEMENTS: usize = 20_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let now = self.now.saturating_add(desired.saturating_sub(current));
        if now > self.allowed {
            // Refusing by -1 would let the plugin go on and fail later with a message of its own: this one names the cause.
            return Err(wasmtime::Error::new(OutOfMemory { allowed: self.allowed }));
        }
        self.now = now;
        self.peak = self.peak.max(now);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
