//! The only way to ask an extension.
//!
//! [`Guarded`] wraps one and implements the same trait: it refuses while the breaker is open, catches panics, checks
//! the answer, cuts what was said too long, measures and counts. It does not choose what to do instead: that stays with whoever asked.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    BreakDetector, DetectInput, ExtensionError, FillInput, FillStrategy, FoundAvail, RuleInput, SinkInput, SinkRequest,
    TargetingRule, TrackingSink, Verdict,
    breaker::{Breaker, Monotonic},
    check::{self, Verified},
    cpu::thread_time,
    figures::Figures,
    load::Point,
    logs::TenantLog,
    quota::Quota,
    said,
};

/// How an extension is called in metrics and errors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    pub tenant: String,
    pub extension: String,
    /// Which version of it; empty where nobody asks.
    pub version: String,
    pub point: Point,
}

/// What outlives a reload: a version that failed is left alone, and its figures go on, whatever else its tenant changes.
pub struct Standing {
    breaker: Breaker,
    pub figures: Arc<Figures>,
    /// Where it is said that it fails.
    log: Arc<TenantLog>,
}

impl Standing {
    pub fn new(clock: &Monotonic, figures: Arc<Figures>, log: Arc<TenantLog>) -> Self {
        Self { breaker: Breaker::new(Arc::clone(clock)), figures, log }
    }

    pub fn is_open(&self) -> bool {
        self.breaker.is_open()
    }
}

/// An extension and what stands between it and the rest of the server.
pub struct Guarded<T: ?Sized> {
    label: Label,
    clock: Monotonic,
    standing: Arc<Standing>,
    /// None for what we ship: it is what answers when the quota is used up.
    quota: Option<Arc<Quota>>,
    inner: Box<T>,
}

impl<T: ?Sized> Guarded<T> {
    /// Alone: with a standing of its own and no quota.
    pub fn new(inner: Box<T>, label: Label, clock: Monotonic) -> Arc<Self> {
        let log = TenantLog::new(&label.tenant, Arc::clone(&clock));
        let standing = Arc::new(Standing::new(&clock, Arc::default(), Arc::new(log)));
        Self::with(inner, label, clock, standing, None)
    }

    pub fn with(
        inner: Box<T>,
        label: Label,
        clock: Monotonic,
        standing: Arc<Standing>,
        quota: Option<Arc<Quota>>,
    ) -> Arc<Self> {
        Arc::new(Self { standing, quota, clock, label, inner })
    }

    /// Is it left alone because it failed too often?
    pub fn is_open(&self) -> bool {
        self.standing.is_open()
    }

    fn call<R>(
        &self,
        ask: impl FnOnce(&T) -> Result<R, ExtensionError>,
        check: impl FnOnce(&R) -> Verified,
    ) -> Result<R, ExtensionError> {
        // Before the breaker: who lets a trial call through has to make it.
        if let Some(quota) = &self.quota {
            quota.admit(&self.label.extension).map_err(|error| self.refused(error))?;
        }
        if let Err(failures) = self.standing.breaker.admit() {
            return Err(self.refused(ExtensionError::CircuitOpen { path: self.label.extension.clone(), failures }));
        }
        let (started, began) = ((self.clock)(), thread_time());
        let answer = catch_unwind(AssertUnwindSafe(|| ask(&self.inner))).unwrap_or_else(|panic| {
            Err(ExtensionError::Panic { path: self.label.extension.clone(), message: panic_message(&*panic) })
        });
        let (took, cpu) = ((self.clock)().saturating_sub(started), thread_time().saturating_sub(began));
        if let Some(quota) = &self.quota {
            quota.charge(cpu);
        }
        self.standing.figures.made(took, cpu);
        let answer = answer.and_then(|answer| match check(&answer) {
            Ok(()) => Ok(answer),
            Err(message) => Err(ExtensionError::Answer { path: self.label.extension.clone(), message }),
        });
        let answer = answer.map_err(said::error);
        match &answer {
            Ok(_) => {
                self.standing.figures.answered();
                self.standing.breaker.succeeded();
            }
            Err(error) => self.count_failure(error),
        }
        answer
    }

    /// Not asked at all.
    #[cold]
    fn refused(&self, error: ExtensionError) -> ExtensionError {
        self.standing.figures.failed(error.kind());
        error
    }

    #[cold]
    fn count_failure(&self, error: &ExtensionError) {
        self.standing.figures.failed(error.kind());
        let was_open = self.is_open();
        // What other calls have taken, of its tenant or of others, is not its own failure.
        if !error.is_the_hosts() {
            self.standing.breaker.failed();
        }
        let Label { tenant, extension, point, .. } = &self.label;
        self.standing.log.failed(extension, *point, error);
        if !was_open && self.is_open() {
            tracing::warn!(%tenant, %extension, "the extension failed too often in a row and is left alone for a while");
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

impl BreakDetector for Guarded<dyn BreakDetector> {
    fn detect(&self, input: &DetectInput<'_>) -> Result<Vec<FoundAvail>, ExtensionError> {
        self.call(|detector| detector.detect(input), |found| check::avails(input, found))
    }
}

impl TargetingRule for Guarded<dyn TargetingRule> {
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> {
        self.call(|rule| rule.judge(input).map(said::verdicts), |verdicts| check::verdicts(input, verdicts))
    }
}

impl FillStrategy for Guarded<dyn FillStrategy> {
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError> {
        self.call(|strategy| strategy.fill(input), |chosen| check::pod(input, chosen))
    }
}

impl TrackingSink for Guarded<dyn TrackingSink> {
    fn deliver(&self, input: &SinkInput<'_>) -> Result<Vec<SinkRequest>, ExtensionError> {
        self.call(|sink| sink.deliver(input), |requests| check::requests(input, requests))
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
