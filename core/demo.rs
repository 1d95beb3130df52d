//! What `cuetone demo` puts beside the server: an origin with media of our own, and two example tenants.
//!
//! The demo is configuration on top of the real thing. This module knows nothing of sessions, stitching or decisions:
//! the server fetches its playlists over HTTP as it would fetch anybody's.

mod live;
mod origin;
mod splice;
mod tenants;

use include_dir::{Dir, include_dir};

pub use origin::origin_router;
pub use tenants::{PLACEHOLDER_ADDRESS, write_demo_tenants};

/// Media and tenants travel inside the binary: an installed `cuetone demo` needs no repository.
static EXAMPLES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/examples");
