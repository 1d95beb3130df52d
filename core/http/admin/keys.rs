//! API keys: made, replaced with an overlap, revoked. A key is shown once, when it is made.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    page::{DEFAULT_LIMIT, LIMIT},
    payload::{self, Fields},
    reply,
};
use crate::{
    decision::local_time::rfc3339,
    domain::{Slug, Span},
    http::{
        auth::Caller,
        error::Problem,
        idempotency::KeepInstead,
        openapi::{
            endpoint::Endpoint,
            query::{Kind, Param, Query},
        },
    },
    store::{ApiKey, KeyOwner, KeyText, StoreError, TenantScope},
};

/// A month: whoever has not changed to the new key by then has forgotten.
pub const MAX_OVERLAP_SECONDS: i64 = 30 * 24 * 3600;

/// Characters of what a key is for.
pub const MAX_NAME: usize = 100;

const MAX_BODY: usize = 16 * 1024;

const FILTERS: &[Param] = &[
    LIMIT,
    Param {
        name: "cursor",
        // Keys are numbered from 1.
        kind: Kind::Integer { low: 1, high: 1 << 53 },
        about: "Where to go on: the `next_cursor` of the page before.",
    },
];

const LISTED: &str = "In the order in which they were made, revoked ones too. Never the keys themselves.";
const ONCE: &str = "The answer is the only place where the key stands.";
const REPLACED: &str = "Makes a new one; the old one ends after the overlap.";
const AT_ONCE: &str = "It stops working at once; within a second on other nodes.";

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    of_tenants().merge(of_the_platform())
}

fn of_tenants() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/tenants/{{tenant}}/keys");
    let single = format!("{all}/{{key}}");
    type All = Segments<(Slug,)>;
    type One = Segments<(Slug, i64)>;
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&all, "listTenantKeys")
                .about("keys", "List a tenant's keys", LISTED)
                .query(FILTERS)
                .answers(200, "KeyPage", "A page.")
                .by(|state, Segments((tenant,)): All, uri: Uri| list(state, owner(tenant), uri)),
        )
        .routes(
            Endpoint::post(&all, "createTenantKey")
                .about("keys", "Make a key for a tenant", ONCE)
                .takes("NewKey")
                .answers(201, "IssuedKey", "Made.")
                .by(|state, caller, Segments((tenant,)): All, headers: HeaderMap, body: Body| {
                    create(state, caller, owner(tenant), headers, body)
                }),
        )
        .routes(
            Endpoint::get(&single, "getTenantKey")
                .about("keys", "Read about a tenant's key", "")
                .answers(200, "Key", "As it is now.")
                .by(|state, Segments((tenant, key)): One| get(state, owner(tenant), key)),
        )
        .routes(
            Endpoint::post(format!("{single}/rotate"), "rotateTenantKey")
                .about("keys", "Replace a tenant's key", REPLACED)
                .takes("Rotation")
                .answers(201, "IssuedKey", "The new key.")
                .by(|state, caller, Segments((tenant, key)): One, headers: HeaderMap, body: Body| {
                    rotate(state, caller, owner(tenant), key, headers, body)
                }),
        )
        .routes(
            Endpoint::delete(&single, "revokeTenantKey")
                .about("keys", "Revoke a tenant's key", AT_ONCE)
                .answers_nothing(204, "Revoked.")
                .by(|state, caller, Segments((tenant, key)): One| revoke(state, caller, owner(tenant), key)),
        )
}

fn of_the_platform() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/keys");
    let single = format!("{all}/{{key}}");
    type One = Segments<(i64,)>;
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&all, "listPlatformKeys")
                .about("keys", "List the platform's keys", LISTED)
                .query(FILTERS)
                .answers(200, "KeyPage", "A page.")
                .by(|state, uri: Uri| list(state, KeyOwner::Platform, uri)),
        )
        .routes(
            Endpoint::post(&all, "createPlatformKey")
                .about("keys", "Make a platform key", format!("It opens every tenant. {ONCE}"))
                .takes("NewKey")
                .answers(201, "IssuedKey", "Made.")
                .by(|state, caller, headers: HeaderMap, body: Body| {
                    create(state, caller, KeyOwner::Platform, headers, body)
                }),
        )
        .routes(
            Endpoint::get(&single, "getPlatformKey")
                .about("keys", "Read about a platform key", "")
                .answers(200, "Key", "As it is now.")
                .by(|state, Segments((key,)): One| get(state, KeyOwner::Platform, key)),
        )
        .routes(
            Endpoint::post(format!("{single}/rotate"), "rotatePlatformKey")
                .about("keys", "Replace a platform key", REPLACED)
                .takes("Rotation")
                .answers(201, "IssuedKey", "The new key.")
                .by(|state, caller, Segments((key,)): One, headers: HeaderMap, body: Body| {
                    rotate(state, caller, KeyOwner::Platform, key, headers, body)
                }),
        )
        .routes(
            Endpoint::delete(&single, "revokePlatformKey")
                .about("keys", "Revoke a platform key", AT_ONCE)
                .answers_nothing(204, "Revoked.")
                .by(|state, caller, Segments((key,)): One| revoke(state, caller, KeyOwner::Platform, key)),
        )
}

fn owner(tenant: Slug) -> KeyOwner {
    KeyOwner::Tenant(TenantScope::new(tenant))
}

fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "prefix": key.prefix,
        "created_at": rfc3339(key.created_at),
        "expires_at": key.expires_at.map(rfc3339),
        "revoked_at": key.revoked_at.map(rfc3339),
    })
}

/// The one answer that has the key. What is kept for a replay has not.
fn issued(key: &ApiKey, text: &KeyText) -> Response {
    let place = match &key.tenant {
        Some(tenant) => format!("{BASE}/tenants/{tenant}/keys/{}", key.id),
        None => format!("{BASE}/keys/{}", key.id),
    };
    let with = |secret: Option<&str>| {
        let mut value = shown(key);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("key".to_owned(), json!(secret));
        }
        value
    };
    let mut response = reply::with_status(StatusCode::CREATED, &with(Some(text.as_str())));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(place) = HeaderValue::try_from(place) {
        headers.insert(header::LOCATION, place);
    }
    response.extensions_mut().insert(KeepInstead(with(None)));
    response
}

fn no_key() -> Problem {
    Problem::not_found("such key")
}

impl Admin {
    /// A key of this owner that was not revoked: another's is not there, and one that was revoked is only in the list.
    async fn key(&self, owner: &KeyOwner, id: i64) -> Result<ApiKey, Problem> {
        self.owner_exists(owner)?;
        let keys = self.store.keys(owner, Some(id.saturating_sub(1)), 1).await?;
        keys.into_iter().find(|key| key.id == id && key.revoked_at.is_none()).ok_or_else(no_key)
    }

    fn owner_exists(&self, owner: &KeyOwner) -> Result<(), Problem> {
        match owner {
            KeyOwner::Platform => Ok(()),
            KeyOwner::Tenant(scope) => self.document(scope.tenant()).map(drop),
        }
    }
}

async fn list(State(admin): State<Arc<Admin>>, owner: KeyOwner, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), FILTERS)?;
    let limit: usize = query.parsed("limit").unwrap_or(DEFAULT_LIMIT);
    admin.owner_exists(&owner)?;
    // One more than is asked for: whether there is a next page.
    let wanted = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut keys = admin.store.keys(&owner, query.parsed("cursor"), wanted).await?;
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|key| key.id.to_string());
    Ok(reply::json(&json!({"items": keys.iter().map(shown).collect::<Vec<_>>(), "next_cursor": next})))
}

async fn get(State(admin): State<Arc<Admin>>, owner: KeyOwner, id: i64) -> Result<Response, Problem> {
    Ok(reply::json(&shown(&admin.key(&owner, id).await?)))
}

async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    owner: KeyOwner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(payload::json(&headers, body, MAX_BODY).await?)?;
    let name = fields.line("name", MAX_NAME);
    let name = fields.required("name", name);
    fields.finish()?;
    let name = name.unwrap_or_default();
    let author = caller.author(&format!("make key \"{name}\""));
    let (random, now) = ((admin.random)().map_err(Problem::internal)?, admin.clock.now());
    let made = admin.store.create_key(&owner, &name, None, random, &author, now).await;
    let (key, text) = made.map_err(|error| match error {
        StoreError::NoTenant { .. } => Problem::not_found("such tenant"),
        error => error.into(),
    })?;
    admin.keys.refresh().await?;
    Ok(issued(&key, &text))
}

async fn rotate(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    owner: KeyOwner,
    id: i64,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(payload::json(&headers, body, MAX_BODY).await?)?;
    let overlap = Span::from_secs(fields.integer("overlap_seconds", 0, MAX_OVERLAP_SECONDS).unwrap_or(0));
    fields.finish()?;
    let key = admin.key(&owner, id).await?;
    let author = caller.author(&format!("replace key {id} \"{}\"", key.name));
    let (random, now) = ((admin.random)().map_err(Problem::internal)?, admin.clock.now());
    let made = admin.store.rotate_key(&owner, id, overlap, None, random, &author, now).await?;
    admin.keys.refresh().await?;
    let ended = || Problem::new(StatusCode::CONFLICT, "key-ended", "this key has ended: make a new one instead");
    made.map(|(key, text)| issued(&key, &text)).ok_or_else(ended)
}

async fn revoke(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    owner: KeyOwner,
    id: i64,
) -> Result<Response, Problem> {
    let key = admin.key(&owner, id).await?;
    let author = caller.author(&format!("revoke key {id} \"{}\"", key.name));
    admin.store.revoke_key(&owner, id, &author, admin.clock.now()).await?;
    admin.keys.refresh().await?;
    Ok(reply::nothing())
}
