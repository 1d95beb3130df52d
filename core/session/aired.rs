//! Ads of ad servers in a session's pods: what their servers gave along with them, for players that ask.

use std::sync::Arc;

use crate::{
    demand::{Source, Tracking},
    domain::{Avail, Span},
};

/// Ads remembered per session: those of the last breaks. Players are some segments behind, not hours.
const MAX_AIRED: usize = 64;

/// An ad in its place, and whom to tell.
#[derive(Clone)]
pub struct Aired {
    pub avail: Arc<Avail>,
    pub position: u16,
    pub duration: Span,
    pub source: Arc<Source>,
    pub tracking: Arc<Tracking>,
}

/// Adds what was decided; the oldest go.
pub fn remember(aired: &mut Vec<Aired>, new: impl Iterator<Item = Aired>) {
    aired.extend(new);
    let beyond = aired.len().saturating_sub(MAX_AIRED);
    aired.drain(..beyond);
}
