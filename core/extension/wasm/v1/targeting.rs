//! A plugin as a targeting rule.

use std::sync::Arc;

use super::{
    bindings::exports::cuetone::extension::targeting::{self, GuestIndices},
    request::Texts,
};
use crate::extension::{
    ExtensionError, RuleInput, TargetingRule, Verdict, said,
    wasm::plugin::{Plugin, Ran},
};

pub struct Targeting {
    plugin: Arc<Plugin>,
    indices: GuestIndices,
}

impl Targeting {
    pub fn new(plugin: Arc<Plugin>) -> Result<Self, ExtensionError> {
        let indices = plugin.exported(GuestIndices::new)?;
        Ok(Self { plugin, indices })
    }

    /// As [`TargetingRule::judge`], with what it cost.
    pub fn run(&self, input: &RuleInput<'_>) -> Result<Ran<Vec<Verdict>>, ExtensionError> {
        self.plugin.call(input.config, input.counters, input.request.patience, |mut store, instance| {
            let guest = self.indices.load(&mut store, instance)?;
            let texts = Texts::of(input.request, input.candidates, self.plugin.metadata());
            let candidates = texts.candidates(input.candidates, self.plugin.metadata());
            let verdicts = guest.call_judge(store, texts.request(input.request), &candidates)?;
            Ok(verdicts.map(|verdicts| verdicts.into_iter().map(Verdict::from).collect()))
        })
    }
}

impl From<targeting::Verdict> for Verdict {
    fn from(verdict: targeting::Verdict) -> Self {
        match verdict {
            targeting::Verdict::Keep => Self::Keep,
            targeting::Verdict::Drop(reason) => Self::Drop { reason: said::reason(&reason) },
            targeting::Verdict::Score(score) => Self::Score(score),
        }
    }
}

impl TargetingRule for Targeting {
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}
