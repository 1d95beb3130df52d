//! A script as a fill strategy: `fn fill(avail, ads, config)`.

use std::sync::Arc;

use rhai::{Array, Dynamic};

use super::{
    api::{
        ad::{Ad, AdTable, Ads},
        counter,
        request::Request,
    },
    script::{Ran, Script},
};
use crate::extension::{ExtensionError, FillInput, FillStrategy};

pub struct RhaiFill(pub(super) Script);

impl RhaiFill {
    /// As [`FillStrategy::fill`], with what it cost.
    pub fn run(&self, input: &FillInput<'_>) -> Result<Ran<Vec<usize>>, ExtensionError> {
        let script = &self.0;
        let body = || {
            let table = Arc::new(AdTable::new(input.candidates, script.reads_labels()));
            let avail = Request::new(input.request).avail();
            let ads = Ads(Arc::clone(&table));
            let answer = if script.takes_config() {
                script.ask((avail, ads, script.config().get(input.config, &[])))
            } else {
                script.ask((avail, ads))
            }?;
            match answer.try_cast::<Array>() {
                Some(chosen) => chosen
                    .iter()
                    .map(|value| read(value, &table).map_err(|message| script.bad_answer(message)))
                    .collect(),
                None => {
                    Err(script.bad_answer("fill must answer a list of ads in play order; an empty list plays none"))
                }
            }
        };
        script.run(|| counter::lend(input.counters, body))
    }
}

impl FillStrategy for RhaiFill {
    fn fill(&self, input: &FillInput<'_>) -> Result<Vec<usize>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}

/// An ad as a script may name it: the ad itself, its index or its id.
fn read(value: &Dynamic, table: &AdTable) -> Result<usize, String> {
    if let Ok(index) = value.as_int() {
        return usize::try_from(index).map_err(|_| format!("there is no ad {index}"));
    }
    if let Some(ad) = value.read_lock::<Ad>() {
        return Ok(ad.index());
    }
    match value.as_immutable_string_ref() {
        Ok(id) => table.index_of(&id).ok_or_else(|| format!("there is no ad `{}`", id.as_str())),
        Err(_) => Err(format!("fill answered a {} where an ad, its index or its id was expected", value.type_name())),
    }
}
