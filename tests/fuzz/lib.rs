//! The pure layers of the runtime, mounted from their real files, for the fuzz targets.

pub mod bundle;
#[path = "../../core/domain/mod.rs"]
pub mod domain;
pub mod extension;
#[path = "../../core/geo.rs"]
pub mod geo;
#[path = "../../core/media/mod.rs"]
pub mod media;
#[path = "../../core/secret/mod.rs"]
pub mod secret;
pub mod shop;
pub mod tracking;
