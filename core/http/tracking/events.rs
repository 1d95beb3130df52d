//! `POST /api/v1/tracking/events`: up to a thousand events, each taken or refused for itself.
//!
//! Nothing on this path asks the database: keys and tenants are in memory, and an answer means that the events are in
//! the journal. A batch is one request of its tenant's limit.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;

use super::{BASE, Tracking, find, tenant_of};
use crate::{
    domain::{Event, Moment},
    http::{
        admin::payload,
        auth::{self, Caller},
        error::Problem,
        openapi::endpoint::{Endpoint, JSON},
    },
    registry::TenantRuntime,
    tracking::intake::{
        Batch, Consent, Read, Refused,
        report::{MAX_EVENTS, Member, Report, Scalar},
    },
};

/// Bytes of a batch: a thousand events of two kilobytes.
const MAX_BODY: usize = 2 * 1024 * 1024;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

pub(super) fn routes() -> OpenApiRouter<Arc<Tracking>> {
    let post = Endpoint::post(format!("{BASE}/events"), "reportEvents")
        .about(
            "tracking",
            "Report what viewers saw and did",
            "Each event is taken or refused for itself. An event that was counted before is a duplicate, so a batch may \
             be sent again. When all events are refused the answer is 422.",
        )
        .takes("EventBatch")
        .answers(202, "EventsTaken", "What became of the events; those that were taken are on disk.");
    OpenApiRouter::new().routes(post.by(handle))
}

/// One event that was refused.
#[derive(Serialize)]
struct Mistake {
    index: usize,
    field: Cow<'static, str>,
    reason: Cow<'static, str>,
}

/// What became of a batch.
#[derive(Default, Serialize)]
struct Answer {
    accepted: usize,
    duplicates: usize,
    rejected: usize,
    time_assumed: usize,
    counted_by_channel: usize,
    errors: Vec<Mistake>,
}

async fn handle(State(tracking): State<Arc<Tracking>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match tracking.admin.keys.unmetered(&parts.headers) {
        Ok(caller) => answer(&tracking, &caller, &parts, body).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => auth::refuse(problem),
    }
}

async fn answer(tracking: &Tracking, caller: &Caller, parts: &Parts, body: Body) -> Result<Response, Problem> {
    if payload::media_type(&parts.headers) != JSON {
        return Err(payload::unsupported(JSON));
    }
    let body = payload::bytes(body, MAX_BODY).await?;
    let asked = tracking.player.client.facts(parts, false).consent;
    let (events, mut answer) = read(tracking, caller, &body, asked)?;
    let taken = events.len();
    metrics::counter!("cuetone_reported_events_total", "outcome" => "rejected").increment(answer.rejected as u64);
    metrics::counter!("cuetone_reported_events_total", "outcome" => "accepted").increment(taken as u64);
    if taken == 0 {
        return Err(all_refused(answer.errors));
    }
    let recorded = tracking.player.intake.journal(events).await?;
    (answer.accepted, answer.duplicates) = (recorded.new, recorded.duplicate);
    Ok((StatusCode::ACCEPTED, [(header::CACHE_CONTROL, NO_STORE)], Json(answer)).into_response())
}

/// Everything between the body and the journal. Not async: what borrows from the body is gone at its end.
fn read(tracking: &Tracking, caller: &Caller, body: &[u8], asked: Consent) -> Result<(Vec<Event>, Answer), Problem> {
    let batch = Batch::parse(body).map_err(malformed)?;
    let default = match (&caller.tenant, batch.tenant.as_deref()) {
        (None, None) => None,
        (_, named) => Some(tenant_of(tracking, caller, named, "tenant_id")?),
    };
    if let Some(strange) = &batch.strange {
        let shown: String = strange.chars().take(64).collect();
        return Err(
            Problem::invalid("the request has mistakes").field(shown, "unknown; known are tenant_id and events")
        );
    }
    if batch.too_many {
        let detail = format!("a batch has at most {MAX_EVENTS} events");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-events", detail));
    }
    let mut reports = batch.events.filter(|events| !events.is_empty()).ok_or_else(|| {
        Problem::invalid("the request has mistakes").field("events", format!("expected 1 to {MAX_EVENTS} events"))
    })?;
    let now = tracking.player.clock.now();
    let mut answer = Answer::default();
    let mut events = Vec::with_capacity(reports.len());
    let mut tenants = Tenants { tracking, caller, default, named: HashMap::new() };
    for (index, report) in reports.iter_mut().enumerate() {
        match one(tracking, &mut tenants, report, asked, now) {
            Ok(Read { event, time_assumed, counted_elsewhere }) => {
                answer.time_assumed += usize::from(time_assumed);
                answer.counted_by_channel += usize::from(counted_elsewhere);
                events.push(event);
            }
            Err(Refused { field, reason }) => answer.errors.push(Mistake { index, field, reason }),
        }
    }
    answer.rejected = answer.errors.len();
    for tenant in tenants.seen() {
        tracking.player.limits.check(&tenant.manifest.tenant)?;
    }
    Ok((events, answer))
}

fn one(
    tracking: &Tracking,
    tenants: &mut Tenants<'_>,
    report: &mut Report<'_>,
    asked: Consent,
    now: Moment,
) -> Result<Read, Refused> {
    let tenant = tenants.of(report)?;
    tracking.player.intake.judge().read(&*tenant, report, asked, now)
}

/// The tenants of one batch, each looked up once.
struct Tenants<'a> {
    tracking: &'a Tracking,
    caller: &'a Caller,
    default: Option<Arc<TenantRuntime>>,
    named: HashMap<Box<str>, Option<Arc<TenantRuntime>>>,
}

impl Tenants<'_> {
    fn of(&mut self, report: &Report<'_>) -> Result<Arc<TenantRuntime>, Refused> {
        let refuse = |reason: &'static str| Refused { field: Member::Tenant.name().into(), reason: reason.into() };
        let name: Cow<'_, str> = match report.get(Member::Tenant) {
            Scalar::Absent => return self.default.clone().ok_or_else(|| refuse("is required with this key")),
            Scalar::Text(text) => Cow::Borrowed(text),
            Scalar::Integer(number) => Cow::Owned(number.to_string()),
            _ => return Err(refuse("expected text")),
        };
        if let Some(default) = self.default.as_ref().filter(|default| super::slug(default).as_str() == &*name) {
            return Ok(default.clone());
        }
        let known = match self.named.get(&*name) {
            Some(known) => known.clone(),
            None => {
                let found = Some(()).filter(|()| self.caller.may(&name)).and_then(|()| find(self.tracking, &name));
                self.named.insert(name.as_ref().into(), found.clone());
                found
            }
        };
        known.ok_or_else(|| refuse("there is no such tenant"))
    }

    fn seen(&self) -> impl Iterator<Item = &TenantRuntime> {
        self.default.iter().chain(self.named.values().flatten()).map(|tenant| &**tenant)
    }
}

fn malformed(error: serde_json::Error) -> Problem {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    if error.is_data() {
        // Well-formed, and not a batch.
        return Problem::invalid(format!("the body is no batch of events: {reason}"));
    }
    let detail = format!("line {}, column {}: {reason}", error.line(), error.column());
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", detail)
}

fn all_refused(errors: Vec<Mistake>) -> Problem {
    let problem = Problem::invalid("no event of the batch could be taken");
    errors.into_iter().fold(problem, |problem, Mistake { index, field, reason }| {
        let place = if field.is_empty() { format!("events[{index}]") } else { format!("events[{index}].{field}") };
        problem.field(place, reason)
    })
}
