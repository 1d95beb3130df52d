//! `/api/v1/tracking/…`: what others report, what happens right now, and what is kept of one viewer.
//!
//! | path | file |
//! |---|---|
//! | `POST /events` | [`events`] |
//! | `GET /ledger` | [`ledger`] |
//! | `GET /live` | [`live`] |
//! | `GET`, `DELETE /viewers/{viewer}` | [`viewers`] |
//!
//! A tenant's key is good for its own tenant; with a platform key `tenant_id` or `?tenant=` says which. Knows no SQL.

pub mod events;
pub mod ledger;
pub mod live;
pub mod schema;
pub mod viewers;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

pub use self::live::{Live, LiveParts};
use super::{
    Player,
    admin::Admin,
    auth::Caller,
    error::Problem,
    openapi::query::{Kind, Param, Query},
};
use crate::{
    domain::{Slug, Status},
    registry::TenantRuntime,
};

/// What all paths begin with.
pub const BASE: &str = "/api/v1/tracking";

/// What the routes work with.
pub struct Tracking {
    pub player: Arc<Player>,
    pub admin: Arc<Admin>,
    pub live: Arc<Live>,
}

pub fn routes<S: Clone + Send + Sync + 'static>(tracking: Arc<Tracking>) -> OpenApiRouter<S> {
    described().with_state(tracking)
}

/// All routes with their descriptions.
pub(super) fn described() -> OpenApiRouter<Arc<Tracking>> {
    OpenApiRouter::new().merge(events::routes()).merge(ledger::routes()).merge(live::routes()).merge(viewers::routes())
}

/// Which tenant a platform key is about.
const TENANT: [Param; 1] =
    [Param { name: "tenant", kind: Kind::Slug, about: "The tenant's slug; needed with a platform key." }];

/// The tenant that a request without a body is about.
fn asked_for(tracking: &Tracking, caller: &Caller, query: Option<&str>) -> Result<Arc<TenantRuntime>, Problem> {
    let query = Query::read(query, &TENANT)?;
    tenant_of(tracking, caller, query.get("tenant"), "tenant")
}

/// The key's tenant, or the one that is named. One of somebody else's is as unknown as one that does not exist.
fn tenant_of(
    tracking: &Tracking,
    caller: &Caller,
    named: Option<&str>,
    member: &'static str,
) -> Result<Arc<TenantRuntime>, Problem> {
    let slug = match (&caller.tenant, named) {
        (Some(own), None) => own.as_str(),
        (_, Some(named)) if caller.may(named) => named,
        (_, Some(_)) => return Err(Problem::not_found("such tenant")),
        (None, None) => {
            return Err(Problem::invalid("the request has mistakes").field(member, "is required with this key"));
        }
    };
    find(tracking, slug).ok_or_else(|| Problem::not_found("such tenant"))
}

fn find(tracking: &Tracking, slug: &str) -> Option<Arc<TenantRuntime>> {
    let tenant = tracking.player.registry.snapshot().tenants.get(slug).cloned();
    tenant.filter(|tenant| tenant.manifest.tenant.status == Status::Active)
}

fn slug(tenant: &TenantRuntime) -> &Slug {
    &tenant.manifest.tenant.slug
}
