//! Scores ads by what the content is about. README.md says how and what can be set.

mod config;
mod content;
mod judge;
mod words;

#[cfg(test)]
mod tests;

use cuetone_plugin::{Candidate, Request, TargetingRule, Verdict, config as settings};

struct Contextual;

impl TargetingRule for Contextual {
    fn judge(request: Request, candidates: Vec<Candidate>) -> Result<Vec<Verdict>, String> {
        let config = settings::read::<config::Config>()?.check().map_err(|error| error.to_string())?;
        let content = content::Content::of(&request, &config);
        Ok(candidates.iter().map(|ad| judge::judge(ad, &content, &config)).collect())
    }
}

cuetone_plugin::export!(Contextual);
