//! Of `core/bundle`, what reads packed plugins.

#[path = "../../core/bundle/limits.rs"]
pub mod limits;
#[path = "../../core/bundle/packed.rs"]
pub mod packed;
