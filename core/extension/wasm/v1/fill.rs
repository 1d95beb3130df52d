//! A plugin as a fill strategy.

use std::sync::Arc;

use super::{bindings::exports::cuetone::extension::fill::GuestIndices, request::Texts};
use crate::extension::{
    ExtensionError, FillInput, FillStrategy,
    wasm::plugin::{Plugin, Ran},
};

pub struct Fill {
    plugin: Arc<Plugin>,
    indices: GuestIndices,
}

impl Fill {
    pub fn new(plugin: Arc<Plugin>) -> Result<Self, ExtensionError> {
        let indices = plugin.exported(GuestIndices::new)?;
        Ok(Self { plugin, indices })
    }

    /// As [`FillStrategy::fill`], with what it cost.
    pub fn run(&self, input: &FillInput<'_>) -> Result<Ran<Vec<usize>>, ExtensionError> {
        self.plugin.call(input.config, input.counters, input.request.patience, |mut store, instance| {
            let guest = self.indices.load(&mut store, instance)?;
            let texts = Texts::of(input.request, input.candidates, self.plugin.metadata());
            let candidates = texts.candidates(input.candidates, self.plugin.metadata());
            let chosen = guest.call_fill(store, texts.request(input.request), &candidates)?;
            Ok(chosen.map(|places| places.into_iter().map(|place| place as usize).collect()))
        })
    }
}

impl FillStrategy for Fill {
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}
