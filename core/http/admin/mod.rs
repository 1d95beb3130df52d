//! The admin API: `/api/v1/admin/…`. A tenant's own keys reach its own tenant; platform keys reach all.
//!
//! | path | file |
//! |---|---|
//! | `/tenants`, `/tenants/{tenant}` | [`tenants`] |
//! | `…/channels`, `…/campaigns`, `…/ads` and one of them | [`items`] |
//! | `…/ads/{ad}/rules`, `…/rules/{index}` | [`rules`] |
//! | `…/creatives`, `…/ads/{ad}/creative` | [`creatives`] |
//! | `…/extensions`, `…/extensions/mounts` | [`extensions`] |
//! | `…/extensions/scripts/{path}`, `…/versions/{path}`, `…/rollback/{path}` | [`scripts`] |
//! | `…/extensions/validate` | [`validate`] |
//! | `…/bundle`, `…/versions`, `…/rollback`, `…/audit` | [`history`] |
//! | `…/keys`, `/keys` | [`keys`] |
//! | `…/secrets`, `…/secrets/{secret}` | [`secrets`] |
//! | `…/sinks`, `…/dead-letters`, `…/dead-letters/{letter}` | [`sinks`] |
//!
//! Every change goes through [`change`], which is [`crate::registry::Registry::change`]: the function that applies bundles.
//! Deliberately knows no SQL and decides nothing about what is valid: the bundle's readers do.

pub mod change;
pub mod creatives;
pub mod extensions;
pub mod history;
pub mod insight;
mod items;
pub mod keys;
pub mod page;
pub mod patch;
pub mod payload;
pub mod reply;
pub mod rules;
pub mod schema;
pub mod scripts;
pub mod secrets;
pub mod sinks;
pub mod tenants;
pub mod validate;

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    middleware,
};
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;

use super::{
    auth::{self, Guard, KeyRing},
    error::Problem,
    idempotency::{self, Memory},
};
use crate::{
    creatives::Creatives,
    domain::Clock,
    extension::Extensions,
    registry::Registry,
    secret::{KEY_BYTES, SecretError},
    store::Store,
    tracking::sinks::vault::Vault,
};

/// What all paths of the API begin with.
pub const BASE: &str = "/api/v1/admin";

/// What the API works with.
pub struct Admin {
    pub registry: Arc<Registry>,
    pub store: Store,
    pub creatives: Arc<Creatives>,
    pub extensions: Extensions,
    pub keys: Arc<KeyRing>,
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    /// Makes what keys are made of: from a cryptographic generator, anew each time.
    pub random: Random,
}

pub type Random = Arc<dyn Fn() -> Result<[u8; KEY_BYTES], SecretError> + Send + Sync>;

/// All routes, behind the guard, with their descriptions.
pub fn routes<S: Clone + Send + Sync + 'static>(admin: Arc<Admin>) -> OpenApiRouter<S> {
    let guard = Arc::new(Guard { keys: admin.keys.clone(), registry: admin.registry.clone() });
    let memory = Arc::new(Memory { store: admin.store.clone(), clock: admin.clock.clone() });
    described()
        // The guard is outermost: it is asked first.
        .route_layer(middleware::from_fn_with_state(memory, idempotency::layer))
        .route_layer(middleware::from_fn_with_state(guard, auth::layer))
        .with_state(admin)
}

/// All routes with their descriptions, open to everybody: [`routes`] puts the guard before them.
pub(super) fn described() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .merge(tenants::routes())
        .merge(items::routes())
        .merge(rules::routes())
        .merge(creatives::routes())
        .merge(extensions::routes())
        .merge(insight::routes())
        .merge(validate::routes())
        .merge(scripts::routes())
        .merge(history::routes())
        .merge(keys::routes())
        .merge(secrets::routes())
        .merge(sinks::routes())
}

/// The variable parts of a path. What is not well-formed names nothing that exists.
pub struct Segments<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(segments)| Self(segments)).map_err(|_| Problem::not_found("such page: its address is malformed"))
    }
}
