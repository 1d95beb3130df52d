//! How a tenant's sinks do, and the batches that they gave up: to look at, to deliver again, to throw away.

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
    page::{DEFAULT_LIMIT, LIMIT},
    payload::{self, Fields},
    reply::{self, Conditions},
};
use crate::{
    bundle::MAX_TEXT,
    decision::local_time::rfc3339,
    domain::Slug,
    http::{
        auth::Caller,
        error::Problem,
        openapi::{
            endpoint::Endpoint,
            query::{Kind, Param, Query},
        },
    },
    store::{SinkState, StoredLetter, TenantScope},
};

const MAX_BODY: usize = 16 * 1024;

const FILTERS: &[Param] = &[
    LIMIT,
    Param {
        name: "cursor",
        // Letters are numbered from 1.
        kind: Kind::Integer { low: 1, high: 1 << 53 },
        about: "Where to go on: the `next_cursor` of the page before.",
    },
];

type All = Segments<(Slug,)>;
type One = Segments<(Slug, i64)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let tenant = format!("{BASE}/tenants/{{tenant}}");
    let letters = format!("{tenant}/dead-letters");
    let letter = format!("{letters}/{{letter}}");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(format!("{tenant}/sinks"), "listSinks")
                .about("sinks", "See how the tenant's sinks do", "Mounted ones, and those that have dead letters left.")
                .answers(200, "SinkStates", "As they are now.")
                .by(states),
        )
        .routes(
            Endpoint::get(&letters, "listDeadLetters")
                .about(
                    "sinks",
                    "List batches that could not be delivered",
                    "Oldest first. Events are named, not shown.",
                )
                .query(FILTERS)
                .answers(200, "DeadLetterPage", "A page.")
                .by(list),
        )
        .routes(
            Endpoint::post(format!("{letter}/replay"), "replayDeadLetter")
                .about(
                    "sinks",
                    "Deliver a dead letter again",
                    "Its sink does so within seconds, once. Then the letter is gone, or it stays with what went wrong.",
                )
                .takes("Replay")
                .answers(202, "DeadLetter", "It will be tried.")
                .by(replay),
        )
        .routes(
            Endpoint::delete(&letter, "deleteDeadLetter")
                .about("sinks", "Throw a dead letter away", "Its events stay in the journal.")
                .answers_nothing(204, "Gone.")
                .by(delete),
        )
}

/// As the API and the command line show a letter.
pub fn shown(stored: &StoredLetter) -> Value {
    let letter = &stored.letter;
    json!({
        "id": stored.id,
        "sink": letter.sink,
        "first_event": letter.first_event,
        "last_event": letter.last_event,
        "attempts": letter.attempts,
        "error": letter.error,
        "at": rfc3339(letter.time),
        "replay_at": stored.replay_at.map(rfc3339),
    })
}

/// As the API and the command line show a sink; `script` is what it is mounted with.
pub fn shown_state(name: &str, script: Option<&str>, state: Option<&SinkState>) -> Value {
    let failure = state.and_then(|state| state.failure.as_ref());
    json!({
        "name": name,
        "use": script,
        "position": state.map(|state| state.position),
        "moved_at": state.map(|state| rfc3339(state.moved_at)),
        "behind": state.map_or(0, |state| state.behind),
        "failure": failure.map(|failure| {
            json!({"attempts": failure.failures, "error": failure.error, "at": rfc3339(failure.time)})
        }),
        "dead_letters": state.map_or(0, |state| state.dead_letters),
    })
}

impl Admin {
    /// Names of the sinks that a tenant has mounted, with their scripts.
    fn mounted(&self, tenant: &Slug) -> Result<BTreeMap<String, String>, Problem> {
        let snapshot = self.registry.snapshot();
        let runtime = snapshot.tenants.get(tenant).ok_or_else(|| Problem::not_found("such tenant"))?;
        Ok(runtime.sinks().map(|(name, script)| (name, script.to_owned())).collect())
    }

    async fn letter(&self, scope: &TenantScope, id: i64) -> Result<StoredLetter, Problem> {
        self.document(scope.tenant())?;
        self.store.letter(scope, id).await?.ok_or_else(|| Problem::not_found("such dead letter"))
    }
}

async fn states(State(admin): State<Arc<Admin>>, Segments((tenant,)): All) -> Result<Response, Problem> {
    let mounted = admin.mounted(&tenant)?;
    let states = admin.store.sink_states(&TenantScope::new(tenant)).await?;
    let known: BTreeMap<&str, &SinkState> = states.iter().map(|state| (state.sink.as_str(), state)).collect();
    // What was taken out is shown as long as there is something to do about it.
    let left = known.iter().filter(|(name, state)| state.dead_letters > 0 && !mounted.contains_key(**name));
    let items = mounted
        .iter()
        .map(|(name, script)| shown_state(name, Some(script), known.get(name.as_str()).copied()))
        .chain(left.map(|(name, state)| shown_state(name, None, Some(state))));
    Ok(reply::json(&json!({"items": items.collect::<Vec<_>>()})))
}

async fn list(State(admin): State<Arc<Admin>>, Segments((tenant,)): All, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), FILTERS)?;
    let limit: usize = query.parsed("limit").unwrap_or(DEFAULT_LIMIT);
    admin.document(&tenant)?;
    let wanted = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let after = query.parsed("cursor").unwrap_or_default();
    let mut letters = admin.store.letters(&TenantScope::new(tenant), after, wanted).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|letter| letter.id.to_string());
    Ok(reply::json(&json!({"items": letters.iter().map(shown).collect::<Vec<_>>(), "next_cursor": next})))
}

async fn replay(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, id)): One,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(payload::json(&headers, body, MAX_BODY).await?)?;
    let to = fields.line("sink", MAX_TEXT);
    fields.finish()?;
    let mounted = admin.mounted(&tenant)?;
    let scope = TenantScope::new(tenant);
    let letter = admin.letter(&scope, id).await?;
    let sink = to.as_deref().unwrap_or(&letter.letter.sink);
    if !mounted.contains_key(sink) {
        let known = mounted.keys().cloned().collect::<Vec<_>>().join(", ");
        let detail = format!("`{sink}` is not mounted now; name a `sink` that is: {known}");
        return Err(Problem::new(StatusCode::CONFLICT, "sink-not-mounted", detail));
    }
    admin.store.request_replay(&scope, id, Some(sink), admin.clock.now()).await?;
    tracing::info!(tenant = %scope, letter = id, sink, actor = %caller.author("").actor, "dead letter wanted again");
    Ok(reply::with_status(StatusCode::ACCEPTED, &shown(&admin.letter(&scope, id).await.unwrap_or(letter))))
}

async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, id)): One,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let scope = TenantScope::new(tenant);
    let letter = admin.letter(&scope, id).await?;
    conditions.check(Some(&shown(&letter)))?;
    admin.store.delete_letter(&scope, id).await?;
    tracing::info!(tenant = %scope, letter = id, actor = %caller.author("").actor, "dead letter thrown away");
    Ok(reply::nothing())
}
