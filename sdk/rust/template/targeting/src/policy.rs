//! What the rule decides. Knows nothing of the server, so it is tested without one.

use cuetone_plugin::{Candidate, Verdict};
use serde::Deserialize;

/// The tenant's configuration.
#[derive(Deserialize)]
#[serde(default)]
pub struct Rule {
    /// The label that says what an ad is about.
    label: String,
    /// Its values that are wanted.
    wanted: Vec<String>,
    /// What a wanted ad gets.
    score: f64,
    /// How often a session may be given one ad; without it, as often as you like.
    max_seen: Option<u32>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            label: "category".into(),
            wanted: Vec::new(),
            score: 10.0,
            max_seen: None,
        }
    }
}

impl Rule {
    pub fn verdict(&self, ad: &Candidate) -> Verdict {
        if self.max_seen.is_some_and(|most| ad.seen >= most) {
            Verdict::Drop(format!("seen {} times", ad.seen))
        } else if ad
            .labels
            .iter()
            .any(|(name, value)| *name == self.label && self.wanted.contains(value))
        {
            Verdict::Score(self.score)
        } else {
            Verdict::Keep
        }
    }
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::candidate;

    use super::*;

    fn ad(seen: u32, category: &str) -> Candidate {
        Candidate {
            seen,
            labels: vec![("category".into(), category.into())],
            ..candidate("ad", 30.0)
        }
    }

    #[test]
    fn wanted_ads_score() {
        let rule = Rule {
            wanted: vec!["travel".into()],
            ..Rule::default()
        };
        assert_eq!(rule.verdict(&ad(0, "travel")), Verdict::Score(10.0));
        assert_eq!(rule.verdict(&ad(0, "food")), Verdict::Keep);
        assert_eq!(
            rule.verdict(&candidate("ad without labels", 30.0)),
            Verdict::Keep
        );
    }

    #[test]
    fn ads_seen_too_often_are_out() {
        let rule = Rule {
            wanted: vec!["travel".into()],
            max_seen: Some(2),
            ..Rule::default()
        };
        assert_eq!(rule.verdict(&ad(1, "travel")), Verdict::Score(10.0));
        assert_eq!(
            rule.verdict(&ad(2, "travel")),
            Verdict::Drop("seen 2 times".into())
        );
    }
}
