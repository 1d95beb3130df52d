//! Tenants and their settings: the `tenant:` section of a bundle.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::Subject,
    items::{check_patch, named, passes, same_slug, taken},
    page::{CURSOR, LIMIT, Wanted},
    patch, payload,
    reply::{self, Conditions},
};
use crate::{
    bundle::render,
    domain::Slug,
    http::{
        auth::Caller,
        error::Problem,
        openapi::{
            endpoint::{Endpoint, JSON, MERGE_PATCH},
            query::{Kind, Param, Query},
        },
    },
};

const FILTERS: &[Param] = &[
    LIMIT,
    CURSOR,
    Param { name: "q", kind: Kind::Text(100), about: "Only tenants with this in their slug or name." },
    Param { name: "status", kind: Kind::Choice(&["active", "inactive"]), about: "Only tenants with this status." },
];

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let (all, single) = (format!("{BASE}/tenants"), format!("{BASE}/tenants/{{tenant}}"));
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&all, "listTenants")
                .about("tenants", "List tenants", "In the order of their slugs. Needs a platform key.")
                .query(FILTERS)
                .answers(200, "TenantPage", "A page.")
                .by(list),
        )
        .routes(
            Endpoint::post(&all, "createTenant")
                .about(
                    "tenants",
                    "Add a tenant",
                    "Without channels and ads. Needs a platform key; make the tenant's own with createTenantKey.",
                )
                .takes("Tenant")
                .answers(201, "Tenant", "Added; `Location` is its address.")
                .by(create),
        )
        .routes(
            Endpoint::get(&single, "getTenant")
                .about("tenants", "Read a tenant's settings", "")
                .answers(200, "Tenant", "As they hold now.")
                .by(get),
        )
        .routes(
            Endpoint::put(&single, "putTenant")
                .about(
                    "tenants",
                    "Replace a tenant's settings",
                    "What is left out gets its default. With a platform key it adds a tenant that does not exist.",
                )
                .takes("TenantReplacement")
                .answers(200, "Tenant", "Replaced.")
                .answers(201, "Tenant", "Added.")
                .by(put),
        )
        .routes(
            Endpoint::patch(&single, "patchTenant")
                .about(
                    "tenants",
                    "Change some of a tenant's settings",
                    "A JSON Merge Patch (RFC 7396): null takes a member away.",
                )
                .takes_any(&[(MERGE_PATCH, "TenantPatch"), (JSON, "TenantPatch")])
                .answers(200, "Tenant", "Changed.")
                .by(modify),
        )
        .routes(
            Endpoint::delete(&single, "deleteTenant")
                .about(
                    "tenants",
                    "Remove a tenant",
                    "With all that it has; its history stays. Its keys stop working. Needs a platform key.",
                )
                .answers_nothing(204, "Removed.")
                .by(remove),
        )
}

async fn list(State(admin): State<Arc<Admin>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), FILTERS)?;
    let snapshot = admin.registry.snapshot().clone();
    let tenants: BTreeMap<&str, _> =
        snapshot.tenants.iter().map(|(slug, runtime)| (slug.as_str(), &runtime.manifest.tenant)).collect();
    let page = Wanted::of(&query).page(tenants.keys(), |slug| {
        tenants.get(slug).map(|tenant| render::tenant(tenant)).filter(|item| passes(item, &query))
    });
    Ok(page.into_response())
}

async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let settings = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    let tenant = named(&settings)?;
    let summary = format!("add tenant {tenant}");
    admin
        .edit_any(&caller, &tenant, &Subject::section("tenant"), &summary, |document| {
            if !document.is_new() {
                return Err(taken("tenant", &tenant));
            }
            document.set_tenant(settings.clone());
            Ok(())
        })
        .await?;
    Ok(reply::created(&format!("{BASE}/tenants/{tenant}"), &admin.document(&tenant)?.tenant()))
}

async fn get(
    State(admin): State<Arc<Admin>>,
    Segments((tenant,)): Segments<(Slug,)>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    Ok(conditions.read(&admin.document(&tenant)?.tenant()))
}

async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Segments<(Slug,)>,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut settings = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    same_slug(&settings, &tenant)?;
    name(&mut settings, &tenant);
    let summary = format!("set tenant {tenant}");
    let (_, existed) = admin
        .edit_any(&caller, &tenant, &Subject::section("tenant"), &summary, |document| {
            let existed = !document.is_new();
            if !existed && !caller.is_platform() {
                return Err(Problem::not_found("such tenant"));
            }
            conditions.check(existed.then(|| document.tenant()).as_ref())?;
            document.set_tenant(settings.clone());
            Ok(existed)
        })
        .await?;
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    Ok(reply::item(status, &admin.document(&tenant)?.tenant()))
}

async fn modify(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Segments<(Slug,)>,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let change = payload::patch(&headers, body).await?;
    check_patch(&change, "TenantPatch")?;
    same_slug(&change, &tenant)?;
    let summary = format!("change tenant {tenant}");
    admin
        .edit(&caller, &tenant, &Subject::section("tenant"), &summary, |document| {
            let mut settings = document.tenant();
            conditions.check(Some(&settings))?;
            patch::merge(&mut settings, &change);
            name(&mut settings, &tenant);
            document.set_tenant(settings);
            Ok(())
        })
        .await?;
    Ok(reply::item(StatusCode::OK, &admin.document(&tenant)?.tenant()))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Segments<(Slug,)>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    if !caller.is_platform() {
        return Err(Problem::forbidden("only a platform key removes a tenant"));
    }
    conditions.check(Some(&admin.document(&tenant)?.tenant()))?;
    let author = caller.author(&format!("remove tenant {tenant}"));
    admin.registry.delete(&tenant, &author).await?;
    // Its keys went with it.
    admin.keys.refresh().await?;
    Ok(reply::nothing())
}

fn name(settings: &mut Value, tenant: &Slug) {
    if let Some(fields) = settings.as_object_mut() {
        fields.insert("slug".to_owned(), json!(tenant));
    }
}
