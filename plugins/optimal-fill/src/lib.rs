//! Fills a break with the ads that are worth most together. README.md says what that means and what can be set.

mod bound;
mod config;
mod piece;
mod pod;
mod search;
mod slots;
mod value;

#[cfg(test)]
mod brute_force;
#[cfg(test)]
mod pod_tests;
#[cfg(test)]
mod timing;

use cuetone_plugin::{Candidate, FillStrategy, Request};

use config::Config;

struct OptimalFill;

impl FillStrategy for OptimalFill {
    fn fill(request: Request, candidates: Vec<Candidate>) -> Result<Vec<u32>, String> {
        let config = Config::read()?;
        Ok(pod::choose(request.avail.duration, &candidates, &config))
    }
}

cuetone_plugin::export!(OptimalFill);
