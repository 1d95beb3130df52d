//! A targeting rule for Cuetone. This file connects it with the server; what it decides is in policy.rs.

mod policy;

use cuetone_plugin::{Candidate, Request, TargetingRule, Verdict, config};

struct Plugin;

impl TargetingRule for Plugin {
    /// Asked for each decision, best ads first. What the tenant wrote under `config:` becomes a `Rule`.
    fn judge(_request: Request, candidates: Vec<Candidate>) -> Result<Vec<Verdict>, String> {
        let rule: policy::Rule = config::read()?;
        Ok(candidates.iter().map(|ad| rule.verdict(ad)).collect())
    }
}

cuetone_plugin::export!(Plugin);

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::{candidates, request, with_config};

    use super::*;

    #[test]
    fn the_configuration_is_read() {
        // The ads of `candidates` are about travel, food, cars and games, in turns.
        let judge = || Plugin::judge(request(), candidates(2));
        assert_eq!(
            with_config("null", judge),
            Ok(vec![Verdict::Keep, Verdict::Keep])
        );
        assert_eq!(
            with_config(r#"{"wanted": ["food"], "score": 3}"#, judge),
            Ok(vec![Verdict::Keep, Verdict::Score(3.0)])
        );
        assert!(
            with_config(r#"{"score": "high"}"#, judge)
                .unwrap_err()
                .contains("`score`")
        );
    }
}
