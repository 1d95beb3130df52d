//! A fill strategy for Cuetone. This file connects it with the server; what it decides is in policy.rs.

mod policy;

use cuetone_plugin::{Candidate, FillStrategy, Request, config};

struct Plugin;

impl FillStrategy for Plugin {
    /// Asked once per decision, with the best ads first. What the tenant wrote under `config:` becomes a `Pod`.
    fn fill(request: Request, candidates: Vec<Candidate>) -> Result<Vec<u32>, String> {
        let pod: policy::Pod = config::read()?;
        Ok(pod.choose(request.avail.duration, &candidates))
    }
}

cuetone_plugin::export!(Plugin);

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::{candidates, request, with_config};

    use super::*;

    #[test]
    fn the_configuration_is_read() {
        // A minute, for ads of 15, 20 and 30 seconds in turns.
        let fill = || Plugin::fill(request(), candidates(20));
        assert_eq!(with_config("null", fill), Ok(vec![0, 1, 3]));
        assert_eq!(with_config(r#"{"max_ads": 1}"#, fill), Ok(vec![0]));
        assert!(
            with_config(r#"{"max_ads": "one"}"#, fill)
                .unwrap_err()
                .contains("`max_ads`")
        );
    }
}
