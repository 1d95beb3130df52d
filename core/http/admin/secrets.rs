//! Secrets: set by whoever may, listed by name, read back by nobody.

use std::sync::Arc;

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
    page::{CURSOR, LIMIT, Wanted},
    payload::{self, Fields},
    reply::{self, Conditions},
};
use crate::{
    decision::local_time::rfc3339,
    domain::Slug,
    http::{
        auth::Caller,
        error::Problem,
        openapi::{
            endpoint::Endpoint,
            query::{Param, Query},
        },
    },
    store::{KnownSecret, TenantScope},
    tracking::sinks::vault::{MAX_SECRET_CHARS, VaultError},
};

const MAX_BODY: usize = 64 * 1024;

const FILTERS: &[Param] = &[LIMIT, CURSOR];

type All = Segments<(Slug,)>;
type One = Segments<(Slug, Slug)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/tenants/{{tenant}}/secrets");
    let single = format!("{all}/{{secret}}");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&all, "listSecrets")
                .about("secrets", "List a tenant's secrets", "By name. Never what they are.")
                .query(FILTERS)
                .answers(200, "SecretPage", "A page.")
                .by(list),
        )
        .routes(
            Endpoint::put(&single, "putSecret")
                .about(
                    "secrets",
                    "Set a secret",
                    "A configuration names it as `{ secret: name }`. Sinks use it from their next batch on.",
                )
                .takes("SecretValue")
                .answers(200, "Secret", "Replaced.")
                .answers(201, "Secret", "Kept.")
                .by(put),
        )
        .routes(
            Endpoint::delete(&single, "deleteSecret")
                .about("secrets", "Forget a secret", "Sinks that name it deliver nothing until it is set again.")
                .answers_nothing(204, "Forgotten.")
                .by(delete),
        )
}

fn shown(secret: &KnownSecret) -> Value {
    json!({"name": secret.name, "updated_at": rfc3339(secret.updated_at)})
}

impl Admin {
    async fn secret(&self, scope: &TenantScope, name: &Slug) -> Result<Option<Value>, Problem> {
        self.document(scope.tenant())?;
        let known = self.vault.known(scope).await?;
        Ok(known.iter().find(|secret| secret.name == name.as_str()).map(shown))
    }
}

async fn list(State(admin): State<Arc<Admin>>, Segments((tenant,)): All, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), FILTERS)?;
    admin.document(&tenant)?;
    let known = admin.vault.known(&TenantScope::new(tenant)).await?;
    let item = |name: &str| known.iter().find(|secret| secret.name == name).map(shown);
    Ok(Wanted::of(&query).page(known.iter().map(|secret| secret.name.as_str()), item).into_response())
}

async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, name)): One,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(payload::json(&headers, body, MAX_BODY).await?)?;
    let value = fields.line("value", MAX_SECRET_CHARS);
    let value = fields.required("value", value);
    fields.finish()?;
    let scope = TenantScope::new(tenant);
    let before = admin.secret(&scope, &name).await?;
    conditions.check(before.as_ref())?;
    let now = admin.clock.now();
    admin.vault.put(&scope, &name, &value.unwrap_or_default(), now).await.map_err(|error| match error {
        VaultError::Store(error) => error.into(),
        VaultError::Full => Problem::new(StatusCode::CONFLICT, "too-many-secrets", error.to_string()),
        error => Problem::internal(error),
    })?;
    tracing::info!(tenant = %scope, secret = %name, actor = %caller.author("").actor, "secret set");
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let kept = KnownSecret { name: name.to_string(), updated_at: now };
    Ok(reply::with_status(status, &shown(&kept)))
}

async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, name)): One,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let scope = TenantScope::new(tenant);
    let before = admin.secret(&scope, &name).await?.ok_or_else(|| Problem::not_found("such secret"))?;
    conditions.check(Some(&before))?;
    admin.vault.forget(&scope, &name).await?;
    tracing::info!(tenant = %scope, secret = %name, actor = %caller.author("").actor, "secret forgotten");
    Ok(reply::nothing())
}
