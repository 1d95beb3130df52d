//! The pure layers of the runtime, mounted from their real files, for the fuzz targets.

#[path = "../../core/domain/mod.rs"]
pub mod domain;
#[path = "../../core/media/mod.rs"]
pub mod media;
