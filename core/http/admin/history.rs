//! The tenant as a whole: as a bundle, its versions, back to one of them, and who changed what.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::Subject,
    page::{CURSOR, DEFAULT_LIMIT, LIMIT},
    payload::{self, Fields},
    reply::{self, Conditions},
};
use crate::{
    bundle::{BundleErrors, BundleFiles, MAX_BUNDLE_BYTES, parse},
    decision::local_time::rfc3339,
    domain::{Moment, Slug, TenantManifest},
    http::{
        auth::Caller,
        error::{FieldError, Problem},
        openapi::{
            endpoint::Endpoint,
            query::{Kind, Param, Query},
        },
    },
    registry::RegistryError,
    store::{Author, Change, KeyChange, KeyOwner, TenantScope},
};

/// Bytes of a bundle in JSON: text may double when it is escaped.
const MAX_BODY: usize = 2 * MAX_BUNDLE_BYTES;

const MAX_SMALL_BODY: usize = 16 * 1024;

pub(super) const VERSIONS: &[Param] = &[
    LIMIT,
    Param {
        name: "cursor",
        // Versions count from 1.
        kind: Kind::Integer { low: 1, high: 1 << 53 },
        about: "Where to go on: the `next_cursor` of the page before.",
    },
];

const AUDIT: &[Param] = &[LIMIT, CURSOR];

const PLATFORM_AUDIT: &[Param] = &[
    LIMIT,
    CURSOR,
    Param { name: "tenant", kind: Kind::Slug, about: "Of this tenant, which may be gone, instead of the platform." },
];

type Tenant = Segments<(Slug,)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let tenant = format!("{BASE}/tenants/{{tenant}}");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(format!("{tenant}/bundle"), "exportBundle")
                .about("history", "Export the tenant as a bundle", "Applied anywhere, it gives the same state.")
                .answers(200, "Bundle", "As it serves now.")
                .by(export),
        )
        .routes(
            Endpoint::put(format!("{tenant}/bundle"), "applyBundle")
                .about(
                    "history",
                    "Make the tenant what a bundle says",
                    "As `cuetone apply` does. What the bundle does not name is removed.",
                )
                .takes("Bundle")
                .answers(200, "Applied", "It serves.")
                .by(apply),
        )
        .routes(
            Endpoint::get(format!("{tenant}/versions"), "listVersions")
                .about("history", "List the tenant's versions", "Newest first. Every change makes one.")
                .query(VERSIONS)
                .answers(200, "ChangePage", "A page.")
                .by(versions),
        )
        .routes(
            Endpoint::post(format!("{tenant}/rollback"), "rollBack")
                .about("history", "Make the tenant what it was", "As a new version; history only grows.")
                .takes("Rollback")
                .answers(200, "Applied", "It serves.")
                .by(roll_back),
        )
        .routes(
            Endpoint::get(format!("{tenant}/audit"), "listChanges")
                .about(
                    "history",
                    "Read who changed what",
                    "Newest first: changes of items, settings, scripts and keys.",
                )
                .query(AUDIT)
                .answers(200, "ChangePage", "A page.")
                .by(audit),
        )
        .routes(
            Endpoint::get(format!("{BASE}/audit"), "listPlatformChanges")
                .about(
                    "history",
                    "Read who changed what of the platform",
                    "Newest first: its keys. With `tenant` everything of that tenant, also after it was removed.",
                )
                .query(PLATFORM_AUDIT)
                .answers(200, "ChangePage", "A page.")
                .by(platform_audit),
        )
}

async fn export(
    State(admin): State<Arc<Admin>>,
    Segments((tenant,)): Tenant,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let manifest = {
        let snapshot = admin.registry.snapshot();
        snapshot.tenants.get(&tenant).map(|runtime| runtime.manifest.clone())
    };
    let manifest = manifest.ok_or_else(|| Problem::not_found("such tenant"))?;
    Ok(conditions.read(&exported(&manifest)))
}

async fn apply(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Tenant,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(payload::json(&headers, body, MAX_BODY).await?)?;
    let given = fields.object("files");
    let given = fields.required("files", given);
    fields.finish()?;
    let mut files = BTreeMap::new();
    let mut errors = Vec::new();
    for (path, text) in given.unwrap_or_default() {
        match text {
            Value::String(text) => drop(files.insert(path, text.into())),
            _ => errors.push(FieldError { field: format!("files.{path}"), reason: "expected text".to_owned() }),
        }
    }
    if !errors.is_empty() {
        return Err(payload::invalid(errors));
    }
    let parsed = tokio::task::spawn_blocking(move || parse(&BundleFiles { files })).await;
    let manifest =
        parsed.map_err(|_| Problem::unavailable("the server is stopping"))?.map_err(|errors| located(&errors))?;
    if manifest.tenant.slug != tenant {
        return Err(RegistryError::OtherTenant { expected: tenant, found: manifest.tenant.slug }.into());
    }
    let before = admin.registry.document(&tenant).map_or(0, |(version, _)| version);
    let (version, ()) = admin
        .edit_any(&caller, &tenant, &Subject::whole(), "apply a bundle", |document| {
            if document.is_new() && !caller.is_platform() {
                return Err(Problem::not_found("such tenant"));
            }
            if conditions.are_set() {
                let current = document.clone().into_manifest().ok().filter(|_| !document.is_new());
                conditions.check(current.map(|manifest| exported(&manifest)).as_ref())?;
            }
            document.replace(&manifest);
            Ok(())
        })
        .await?;
    Ok(reply::json(&json!({"tenant": tenant, "version": version, "changed": version != before})))
}

/// A bundle as JSON.
fn exported(manifest: &TenantManifest) -> Value {
    json!({"files": BundleFiles::of(manifest).files})
}

/// Mistakes with their places: whoever sends files wants to find them there.
fn located(errors: &BundleErrors) -> Problem {
    let places = errors.iter().map(|error| {
        let place = if error.line > 0 {
            format!("{}:{}:{}: ", error.file, error.line, error.column)
        } else {
            format!("{}: ", error.file)
        };
        let expected = if error.expected.is_empty() { String::new() } else { format!("; expected {}", error.expected) };
        FieldError { field: error.field.clone(), reason: format!("{place}{}{expected}", error.message) }
    });
    payload::invalid(places.collect())
}

/// The version that a body names.
pub(super) async fn wanted_version(headers: &HeaderMap, body: Body) -> Result<i64, Problem> {
    let mut fields = Fields::of(payload::json(headers, body, MAX_SMALL_BODY).await?)?;
    let version = fields.integer("version", 1, i64::MAX);
    let version = fields.required("version", version);
    fields.finish()?;
    Ok(version.unwrap_or_default())
}

async fn roll_back(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Tenant,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let wanted = wanted_version(&headers, body).await?;
    let before = admin.registry.document(&tenant).ok_or_else(|| Problem::not_found("such tenant"))?.0;
    let author = caller.author(&format!("roll back to version {wanted}"));
    let version = admin.registry.roll_back(&tenant, wanted, &author).await?;
    Ok(reply::json(&json!({"tenant": tenant, "version": version, "changed": version != before})))
}

async fn versions(State(admin): State<Arc<Admin>>, Segments((tenant,)): Tenant, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), VERSIONS)?;
    let limit: usize = query.parsed("limit").unwrap_or(DEFAULT_LIMIT);
    admin.document(&tenant)?;
    let scope = TenantScope::new(tenant);
    let mut changes = admin.store.changes(&scope, query.parsed("cursor"), one_more(limit)).await?;
    let more = changes.len() > limit;
    changes.truncate(limit);
    let next = changes.last().filter(|_| more).map(|change| change.version.to_string());
    let items: Vec<Value> = changes.iter().map(of_tenant).collect();
    Ok(reply::json(&json!({"items": items, "next_cursor": next})))
}

async fn audit(State(admin): State<Arc<Admin>>, Segments((tenant,)): Tenant, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), AUDIT)?;
    admin.document(&tenant)?;
    admin.audit(Some(TenantScope::new(tenant)), &query).await
}

async fn platform_audit(State(admin): State<Arc<Admin>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), PLATFORM_AUDIT)?;
    admin.audit(query.parsed("tenant").map(TenantScope::new), &query).await
}

/// Whether there is a next page.
fn one_more(limit: usize) -> u32 {
    u32::try_from(limit + 1).unwrap_or(u32::MAX)
}

/// How far the two halves of the audit log have been read: `<version>-<key change>`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    version: i64,
    key_change: i64,
}

impl Place {
    /// Nonsense is the start: nobody else makes cursors.
    fn of(cursor: Option<&str>) -> Self {
        let (version, key_change) = cursor.and_then(|cursor| cursor.split_once('-')).unwrap_or_default();
        let number = |text: &str| text.parse().unwrap_or(i64::MAX);
        Self { version: number(version), key_change: number(key_change) }
    }
}

impl Admin {
    /// Changes of a tenant and of its keys, or of the platform's keys, newest first.
    async fn audit(&self, scope: Option<TenantScope>, query: &Query) -> Result<Response, Problem> {
        let limit: usize = query.parsed("limit").unwrap_or(DEFAULT_LIMIT);
        let mut place = Place::of(query.get("cursor"));
        let wanted = one_more(limit);
        let owner = scope.clone().map_or(KeyOwner::Platform, KeyOwner::Tenant);
        let of_keys = self.store.key_changes(&owner, Some(place.key_change), wanted).await?;
        let of_tenant = match &scope {
            Some(scope) => self.store.changes(scope, Some(place.version), wanted).await?,
            None => Vec::new(),
        };
        let (mut changes, mut key_changes) = (of_tenant.iter().peekable(), of_keys.iter().peekable());
        let mut items = Vec::new();
        while items.len() < limit {
            // Of two at one moment the tenant's is told first; that each half keeps its order is what matters.
            let next = match (changes.peek(), key_changes.peek()) {
                (Some(change), Some(of_key)) if of_key.at > change.at => None,
                (None, Some(_)) => None,
                (change, _) => Some(change.is_some()),
            };
            match next {
                Some(false) => break,
                Some(true) => {
                    let Some(change) = changes.next() else { break };
                    place.version = change.version;
                    items.push(self::of_tenant(change));
                }
                None => {
                    let Some(change) = key_changes.next() else { break };
                    place.key_change = change.id;
                    items.push(of_key(change));
                }
            }
        }
        let more = changes.peek().is_some() || key_changes.peek().is_some();
        let next = more.then(|| format!("{}-{}", place.version, place.key_change));
        Ok(reply::json(&json!({"items": items, "next_cursor": next})))
    }
}

fn of_tenant(change: &Change) -> Value {
    let edited = change
        .edited
        .iter()
        .map(|(kind, name, operation)| json!({"kind": kind.as_str(), "name": name, "operation": operation.as_str()}));
    let edited: Vec<Value> = edited.collect();
    line(Some(change.version), change.at, &change.author, &edited, change.more)
}

fn of_key(change: &KeyChange) -> Value {
    let edited = json!({"kind": "key", "name": change.key.to_string(), "operation": change.op.as_str()});
    line(None, change.at, &change.author, &[edited], false)
}

fn line(version: Option<i64>, at: Moment, author: &Author, edited: &[Value], more: bool) -> Value {
    json!({
        "version": version,
        "at": rfc3339(at),
        "actor": author.actor,
        "door": author.door.as_str(),
        "summary": author.summary,
        "request_id": author.request,
        "edited": edited,
        "more": more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_cursor_names_a_place_in_both_halves() {
        assert_eq!(Place::of(Some("17-3")), Place { version: 17, key_change: 3 });
        let start = Place { version: i64::MAX, key_change: i64::MAX };
        for nonsense in [None, Some(""), Some("x"), Some("-"), Some("99999999999999999999-y")] {
            assert_eq!(Place::of(nonsense), start, "{nonsense:?}");
        }
    }
}
