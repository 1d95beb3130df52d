//! Tries a script and changes nothing: compile, check its functions, call it once.

use std::sync::Arc;

use axum::{body::Body, extract::State, http::HeaderMap, response::Response};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    payload::{self, Fields},
    reply,
};
use crate::{
    bundle::{MAX_FILE_BYTES, MAX_PATH_BYTES},
    domain::{Slug, Text},
    extension::{ExtensionError, Point, ScriptSource, Tried},
    http::{error::Problem, openapi::endpoint::Endpoint},
};

/// A script has at least as many bytes as characters.
pub const MAX_SCRIPT_CHARACTERS: usize = MAX_FILE_BYTES;

/// Bytes of a JSON body with a script in it: text may double when it is escaped.
pub const MAX_BODY: usize = 2 * MAX_FILE_BYTES + 64 * 1024;

/// What errors call a script that has no path yet.
const UNNAMED: &str = "script.rhai";

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new().routes(
        Endpoint::post(format!("{BASE}/tenants/{{tenant}}/extensions/validate"), "validateScript")
            .about(
                "extensions",
                "Try a script",
                "Compiles it and calls it once with a typical input; changes nothing. A script with mistakes is an answer too, not an error.",
            )
            .takes("Trial")
            .answers(200, "TrialResult", "How it went.")
            .by(validate),
    )
}

async fn validate(
    State(admin): State<Arc<Admin>>,
    Segments((tenant,)): Segments<(Slug,)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(payload::json(&headers, body, MAX_BODY).await?)?;
    let text = fields.text("text", MAX_SCRIPT_CHARACTERS);
    let text = fields.required("text", text).unwrap_or_default();
    let point: Option<Point> = fields.choice("point", &Point::ALL.map(Point::as_str));
    let path = fields.text("path", MAX_PATH_BYTES).unwrap_or_else(|| UNNAMED.to_owned());
    let config = fields.object("config").unwrap_or_default();
    fields.finish()?;
    admin.document(&tenant)?;
    let version = ScriptSource { name: &path, text: &text }.version();
    let (point, errors) = match admin.try_script(&tenant, path, text.into(), point, config).await? {
        Ok(tried) => (Some(tried.point), Vec::new()),
        Err(error) => (point, vec![finding(&error)]),
    };
    let point = point.map(Point::as_str);
    Ok(reply::json(&json!({"valid": errors.is_empty(), "point": point, "version": version, "errors": errors})))
}

impl Admin {
    /// Off the async threads: compiling and one call. One at a time of a tenant, and not beside its changes: it takes one
    /// processor from the others, not all of them.
    pub(super) async fn try_script(
        &self,
        tenant: &Slug,
        path: String,
        text: Text,
        point: Option<Point>,
        config: Map<String, Value>,
    ) -> Result<Result<Tried, ExtensionError>, Problem> {
        let keys = self.document(tenant)?.plugin_keys();
        let extensions = self.extensions.trusting(&keys).map_err(Problem::internal)?;
        let extensions = extensions.trying_with(&Value::Object(config));
        let turn = self.registry.turn(tenant).await;
        let tried = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            extensions.try_script(ScriptSource { name: &path, text: &text }, point)
        });
        tried.await.map_err(|_| Problem::unavailable("the server is stopping"))
    }
}

/// An error with its place, as far as it has one.
pub(super) fn finding(error: &ExtensionError) -> Value {
    use ExtensionError::{
        Answer, Busy, CircuitOpen, Compile, Component, Deadline, Limit, Panic, Quota, Refused, Runtime, Trap,
    };
    let (path, place, message, hint) = match error {
        Compile { path, line, column, message, hint } | Runtime { path, line, column, message, hint } => {
            (path, Some((line, column)), message.clone(), hint.clone())
        }
        Deadline { path, limit } => (path, None, format!("stopped after {limit:?}, its time limit"), None),
        Limit { path, what } => (path, None, format!("stopped at its limit: {what}"), None),
        Trap { path, message, backtrace } => (path, None, format!("it trapped: {message}"), Some(backtrace.clone())),
        Component { path, message, hint } => (path, None, message.clone(), hint.clone()),
        Answer { path, message } | Panic { path, message } | Refused { path, message } => {
            (path, None, message.clone(), None)
        }
        CircuitOpen { path, .. } | Quota { path, .. } | Busy { path, .. } => (path, None, error.to_string(), None),
    };
    json!({
        "path": path,
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
        "message": message,
        "hint": hint,
        "kind": error.kind(),
    })
}
