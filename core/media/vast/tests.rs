//! VAST: samples of every version, round trips, the schemas' order of elements, and what is refused.

pub(in crate::media) mod generate;
mod order;
mod properties;
mod samples;
mod schemas;
