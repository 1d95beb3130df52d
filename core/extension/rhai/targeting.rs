//! A script as a targeting rule: `fn target(ad, request, config)`, or `fn target_all(ads, request, config)`.

use std::sync::Arc;

use rhai::{Array, Dynamic};

use super::{
    api::{
        ad::{Ad, AdTable, Ads},
        counter,
        request::Request,
    },
    script::{Ran, Script},
    value::number,
};
use crate::extension::{ExtensionError, RuleInput, TargetingRule, Verdict, said};

/// The reason given for an ad that a script dropped without naming one.
const PLAIN_DROP: &str = "dropped by the rule";

pub struct RhaiTargeting(pub(super) Script);

impl RhaiTargeting {
    /// As [`TargetingRule::judge`], with what it cost.
    pub fn run(&self, input: &RuleInput<'_>) -> Result<Ran<Vec<Verdict>>, ExtensionError> {
        let script = &self.0;
        let body = || {
            let table = Arc::new(AdTable::new(input.candidates, script.reads_labels()));
            let request = Request::new(input.request);
            let config = script.config().get(input.config, &[]);
            let verdict = |value: Dynamic| read(&value).map_err(|message| script.bad_answer(message));
            if script.function() == "target" {
                let ads = Ads(table).into_iter();
                let each = |ad: Ad| {
                    let answer = if script.takes_config() {
                        script.ask((ad, request.clone(), config.clone()))
                    } else {
                        script.ask((ad, request.clone()))
                    };
                    answer.and_then(verdict)
                };
                return ads.map(each).collect();
            }
            let answer = if script.takes_config() {
                script.ask((Ads(table), request, config))
            } else {
                script.ask((Ads(table), request))
            }?;
            match answer.try_cast::<Array>() {
                Some(verdicts) => verdicts.into_iter().map(verdict).collect(),
                None => Err(script.bad_answer("target_all must answer a list with one verdict for each ad")),
            }
        };
        script.run(|| counter::lend(input.counters, body))
    }
}

impl TargetingRule for RhaiTargeting {
    fn judge(&self, input: &RuleInput<'_>) -> Result<Vec<Verdict>, ExtensionError> {
        self.run(input).map(|ran| ran.answer)
    }
}

fn read(value: &Dynamic) -> Result<Verdict, String> {
    if value.is_unit() {
        return Ok(Verdict::Keep);
    }
    if let Ok(keep) = value.as_bool() {
        return Ok(if keep { Verdict::Keep } else { Verdict::Drop { reason: PLAIN_DROP.to_owned() } });
    }
    if let Ok(reason) = value.as_immutable_string_ref() {
        return Ok(Verdict::Drop { reason: said::reason(&reason) });
    }
    match number(value) {
        Some(score) => Ok(Verdict::Score(score)),
        None => Err(format!(
            "a verdict is true or () to keep, false to drop, a text to drop with that reason, or a number as score; this is a {}",
            value.type_name()
        )),
    }
}
