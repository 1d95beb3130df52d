//! Media formats: playlists, cues, SCTE-35, VAST, VMAP. Pure: no I/O, no tenants, no clock.

pub mod attributes;
pub mod cue;
pub mod datetime;
pub mod multivariant;
pub mod playlist;
pub mod scte35;
pub mod tag;
pub mod uri;
pub mod vast;
pub mod vmap;
mod xml;
