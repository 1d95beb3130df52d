//! One script or plugin: read, upload and activate in one step, remove, its versions, and back to one of them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::Subject,
    extensions::described,
    history::VERSIONS,
    page::DEFAULT_LIMIT,
    payload::{self, Fields, media_type, unsupported},
    reply::{self, Conditions},
    validate::{MAX_BODY, MAX_SCRIPT_CHARACTERS},
};
use crate::{
    bundle::{Document, MAX_FILE_BYTES, MAX_PLUGIN_BYTES, is_plugin, pack, unpack},
    domain::{Slug, Text},
    extension::ScriptSource,
    http::{
        auth::Caller,
        error::{FieldError, Problem},
        openapi::{
            endpoint::{Endpoint, JSON},
            query::Query,
        },
    },
    store::{Kind, Stretch, TenantScope},
};

const TEXT: &str = "text/plain";
const WASM: &str = "application/wasm";

type OfScript = Segments<(Slug, String)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/tenants/{{tenant}}/extensions");
    let single = format!("{all}/scripts/{{*path}}");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&single, "getScript")
                .about("extensions", "Read a script or plugin", "A plugin's component where Accept is application/wasm.")
                .answers(200, "ScriptWithText", "As it serves now.")
                .also_as(WASM)
                .by(get),
        )
        .routes(
            Endpoint::put(&single, "putScript")
                .about(
                    "extensions",
                    "Upload a script and activate it",
                    "The whole tenant is compiled and tried with it first; if anything fails, the old one goes on serving. \
                     Send a script's text as it is (text/plain) or in JSON, a plugin's component as application/wasm; the \
                     path ends in .rhai or .wasm.",
                )
                .takes_any(&[(JSON, "ScriptText"), (TEXT, "ScriptSource"), (WASM, "Component")])
                .answers(200, "Script", "Replaced.")
                .answers(201, "Script", "Added.")
                .by(put),
        )
        .routes(
            Endpoint::delete(&single, "deleteScript")
                .about("extensions", "Remove a script", "409 while it is used.")
                .answers_nothing(204, "Removed.")
                .by(remove),
        )
        .routes(
            Endpoint::get(format!("{all}/versions/{{*path}}"), "listScriptVersions")
                .about("extensions", "List the texts that a script had", "Newest first.")
                .query(VERSIONS)
                .answers(200, "ScriptVersionPage", "The newest of them.")
                .by(versions),
        )
        .routes(
            Endpoint::post(format!("{all}/rollback/{{*path}}"), "rollBackScript")
                .about("extensions", "Make a script what it was", "By a version of the tenant; everything else stays as it is.")
                .takes("Rollback")
                .answers(200, "Script", "It serves.")
                .by(roll_back),
        )
}

fn no_script() -> Problem {
    Problem::not_found("such script")
}

fn wrong_path(reason: &str) -> Problem {
    payload::invalid(vec![FieldError { field: "path".to_owned(), reason: reason.to_owned() }])
}

impl Admin {
    /// A script without its text, as it serves now.
    fn script(&self, tenant: &Slug, path: &str) -> Result<Value, Problem> {
        let scripts = self.document(tenant)?.scripts();
        let text = scripts.get(path).ok_or_else(no_script)?;
        let uses = self.uses(tenant);
        Ok(described(path, text, uses.get(path).map(Vec::as_slice).unwrap_or_default()))
    }

    /// Whether there ever was such a script.
    async fn was_there(&self, scope: &TenantScope, path: &str) -> Result<bool, Problem> {
        Ok(!self.store.stretches(scope, Kind::Script, path, None, 1).await?.is_empty())
    }

    /// A script's version in a stretch of its history, mostly without its text.
    async fn version_in(&self, scope: &TenantScope, path: &str, of: &Stretch) -> Result<String, Problem> {
        if let Some(known) = ScriptSource::version_by(path, &of.head, of.sha256.as_deref()) {
            return Ok(known);
        }
        // A large script from before there was a table of bodies: one at a time.
        let read = self.store.history(scope, Kind::Script, path, Some(of.since.saturating_add(1)), 1).await?;
        let text = read.first().map(|(entity, _)| entity.body.clone()).unwrap_or_default();
        Ok(ScriptSource { name: path, text: &text }.version())
    }

    fn answer(&self, status: StatusCode, tenant: &Slug, path: &str) -> Result<Response, Problem> {
        let scripts = self.document(tenant)?.scripts();
        let text = scripts.get(path).ok_or_else(no_script)?;
        Ok(reply::item_of(status, &self.script(tenant, path)?, &tagged(path, text)))
    }

    /// Activates a text. One that nothing uses is tried here, since the activation would not.
    async fn set_script(
        &self,
        caller: &Caller,
        (tenant, path): (&Slug, &str),
        text: Text,
        summary: &str,
        allowed: impl Fn(&Document) -> Result<(), Problem> + Send + Sync,
    ) -> Result<bool, Problem> {
        self.document(tenant)?;
        if !self.uses(tenant).contains_key(path) {
            let tried = self.try_script(tenant, path.to_owned(), text.clone(), None, Map::new()).await?;
            tried.map_err(|error| {
                let reason = error.to_string();
                payload::invalid(vec![FieldError { field: "text".to_owned(), reason }])
            })?;
        }
        self.edit(caller, tenant, &Subject::whole(), summary, |document| {
            allowed(document)?;
            let existed = document.scripts().contains_key(path);
            document.set_script(path, text.clone());
            Ok(existed)
        })
        .await
    }
}

async fn get(
    State(admin): State<Arc<Admin>>,
    Segments((tenant, path)): OfScript,
    conditions: Conditions,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut script = admin.script(&tenant, &path)?;
    let text = admin.document(&tenant)?.scripts().remove(&path).ok_or_else(no_script)?;
    let wants = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_plugin(&path) && wants.contains(WASM) {
        let unpacked = tokio::task::spawn_blocking(move || unpack(&text)).await;
        let component = unpacked.map_err(|_| Problem::unavailable("the server is stopping"))?;
        let component = component.map_err(Problem::internal)?;
        return Ok(([(header::CONTENT_TYPE, WASM)], component).into_response());
    }
    if let Some(fields) = script.as_object_mut() {
        fields.insert("text".to_owned(), if is_plugin(&path) { Value::Null } else { json!(&text) });
    }
    Ok(conditions.read_of(&script, &tagged(&path, &text)))
}

async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, path)): OfScript,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let text: Text = if is_plugin(&path) {
        component(&headers, body).await?.into()
    } else if path.ends_with(".rhai") {
        uploaded(&headers, body).await?.into()
    } else {
        return Err(wrong_path("a script's path ends in .rhai, a plugin's in .wasm"));
    };
    let summary = format!("upload {path}");
    let known = |document: &Document| {
        let current = document.scripts().get(&path).map(|text| tagged(&path, text));
        conditions.check(current.as_ref())
    };
    let existed = admin.set_script(&caller, (&tenant, &path), text, &summary, known).await?;
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    admin.answer(status, &tenant, &path)
}

/// What a script's tag is of, whoever uses the script.
fn tagged(path: &str, text: &Text) -> Value {
    json!({"path": path, "sha256": text.digest()})
}

/// The text in a body, however it was sent.
async fn uploaded(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    match media_type(headers).as_str() {
        TEXT => {
            let bytes = payload::bytes(body, MAX_FILE_BYTES).await?;
            String::from_utf8(bytes.to_vec()).map_err(|_| Problem::invalid("the script is not UTF-8 text"))
        }
        JSON => {
            let mut fields = Fields::of(payload::json(headers, body, MAX_BODY).await?)?;
            let text = fields.text("text", MAX_SCRIPT_CHARACTERS);
            let text = fields.required("text", text);
            fields.finish()?;
            Ok(text.unwrap_or_default())
        }
        _ => Err(unsupported("text/plain or application/json")),
    }
}

/// A plugin in a body, packed off the async threads.
async fn component(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    if media_type(headers) != WASM {
        return Err(unsupported(WASM));
    }
    let component = payload::bytes(body, MAX_PLUGIN_BYTES).await?;
    let packed = tokio::task::spawn_blocking(move || pack(&component)).await;
    packed.map_err(|_| Problem::unavailable("the server is stopping"))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, path)): OfScript,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let summary = format!("remove script {path}");
    admin
        .edit(&caller, &tenant, &Subject::whole().removed(), &summary, |document| {
            let text = document.scripts().remove(&path).ok_or_else(no_script)?;
            conditions.check(Some(&tagged(&path, &text)))?;
            document.remove_script(&path);
            Ok(())
        })
        .await?;
    Ok(reply::nothing())
}

async fn versions(
    State(admin): State<Arc<Admin>>,
    Segments((tenant, path)): OfScript,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), VERSIONS)?;
    let limit: usize = query.parsed("limit").unwrap_or(DEFAULT_LIMIT);
    admin.document(&tenant)?;
    // One more than is asked for: whether there is a next page.
    let (before, wanted) = (query.parsed("cursor"), u32::try_from(limit + 1).unwrap_or(u32::MAX));
    let scope = TenantScope::new(tenant);
    let mut history = admin.store.stretches(&scope, Kind::Script, &path, before, wanted).await?;
    if history.is_empty() && (before.is_none() || !admin.was_there(&scope, &path).await?) {
        return Err(no_script());
    }
    let more = history.len() > limit;
    history.truncate(limit);
    let next = history.last().filter(|_| more).map(|stretch| stretch.since.to_string());
    let mut items = Vec::with_capacity(history.len());
    for stretch in &history {
        let hash = admin.version_in(&scope, &path, stretch).await?;
        items.push(json!({"version": stretch.since, "until": stretch.until, "hash": hash, "bytes": stretch.bytes}));
    }
    Ok(reply::json(&json!({"items": items, "next_cursor": next})))
}

async fn roll_back(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, path)): OfScript,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let version = super::history::wanted_version(&headers, body).await?;
    admin.document(&tenant)?;
    let scope = TenantScope::new(tenant.clone());
    let newest = admin.store.history(&scope, Kind::Script, &path, Some(version.saturating_add(1)), 1).await?;
    let found = newest.into_iter().find(|(_, until)| until.is_none_or(|until| version < until));
    let Some((entity, _)) = found else {
        if !admin.was_there(&scope, &path).await? {
            return Err(no_script());
        }
        let reason = format!("the script had no text at version {version}");
        return Err(payload::invalid(vec![FieldError { field: "version".to_owned(), reason }]));
    };
    let summary = format!("roll script {path} back to version {version}");
    admin.set_script(&caller, (&tenant, &path), entity.body, &summary, |_| Ok(())).await?;
    admin.answer(StatusCode::OK, &tenant, &path)
}
