//! Whom tests ask: a script or a plugin, or code of ours that does the same.

use std::{sync::Arc, time::Duration};

use crate::extension::{
    DetectInput, ExtensionError, FillInput, FoundAvail, Point, RuleInput, SinkInput, SinkRequest, Verdict,
    rhai::{Ran, Script},
    wasm::{self, Plugin, v1},
};

/// What a call has cost, as far as its engine counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub elapsed: Duration,
    /// Of a script.
    pub operations: Option<u64>,
    /// Of a plugin.
    pub memory_bytes: Option<usize>,
}

/// What came of a call.
#[derive(Debug)]
pub struct Told<T> {
    pub answer: T,
    pub usage: Usage,
    pub log: Vec<String>,
}

impl<T> From<Ran<T>> for Told<T> {
    fn from(ran: Ran<T>) -> Self {
        let usage = Usage { elapsed: ran.usage.elapsed, operations: Some(ran.usage.operations), memory_bytes: None };
        Self { answer: ran.answer, usage, log: ran.log }
    }
}

impl<T> From<wasm::plugin::Ran<T>> for Told<T> {
    fn from(ran: wasm::plugin::Ran<T>) -> Self {
        let wasm::Used { elapsed, memory_bytes, .. } = ran.used;
        let usage = Usage { elapsed, operations: None, memory_bytes: Some(memory_bytes) };
        Self { answer: ran.answer, usage, log: ran.log }
    }
}

/// Anything that can be asked at one of the points; the other three are not asked.
pub trait Subject {
    fn path(&self) -> &str;
    fn point(&self) -> Point;
    fn detect(&self, input: &DetectInput<'_>) -> Result<Told<Vec<FoundAvail>>, ExtensionError>;
    fn judge(&self, input: &RuleInput<'_>) -> Result<Told<Vec<Verdict>>, ExtensionError>;
    fn fill(&self, input: &FillInput<'_>) -> Result<Told<Vec<usize>>, ExtensionError>;
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Told<Vec<SinkRequest>>, ExtensionError>;
}

impl Subject for Script {
    fn path(&self) -> &str {
        Self::path(self)
    }
    fn point(&self) -> Point {
        Self::point(self)
    }
    fn detect(&self, input: &DetectInput<'_>) -> Result<Told<Vec<FoundAvail>>, ExtensionError> {
        self.clone().detector().run(input).map(Told::from)
    }
    fn judge(&self, input: &RuleInput<'_>) -> Result<Told<Vec<Verdict>>, ExtensionError> {
        self.clone().targeting().run(input).map(Told::from)
    }
    fn fill(&self, input: &FillInput<'_>) -> Result<Told<Vec<usize>>, ExtensionError> {
        Self::fill(self.clone()).run(input).map(Told::from)
    }
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Told<Vec<SinkRequest>>, ExtensionError> {
        self.clone().sink().run(input).map(Told::from)
    }
}

impl Subject for Arc<Plugin> {
    fn path(&self) -> &str {
        Plugin::path(self)
    }
    fn point(&self) -> Point {
        self.metadata().point
    }
    fn detect(&self, input: &DetectInput<'_>) -> Result<Told<Vec<FoundAvail>>, ExtensionError> {
        v1::Detector::new(Self::clone(self))?.run(input).map(Told::from)
    }
    fn judge(&self, input: &RuleInput<'_>) -> Result<Told<Vec<Verdict>>, ExtensionError> {
        v1::Targeting::new(Self::clone(self))?.run(input).map(Told::from)
    }
    fn fill(&self, input: &FillInput<'_>) -> Result<Told<Vec<usize>>, ExtensionError> {
        v1::Fill::new(Self::clone(self))?.run(input).map(Told::from)
    }
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Told<Vec<SinkRequest>>, ExtensionError> {
        v1::Sink::new(Self::clone(self))?.run(input).map(Told::from)
    }
}
