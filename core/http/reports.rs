//! `GET /api/v1/reports`: what was seen, clicked and paid, by day and by whatever else; as JSON, CSV or Parquet.
//!
//! The answer comes page by page from sums, whatever its size. A tenant's key reads its own reports; a platform key names
//! the tenant. Knows no SQL and counts nothing.

mod schema;

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use super::{
    auth::{self, Caller, KeyRing},
    error::Problem,
    openapi::{
        endpoint::Endpoint,
        query::{Kind, Param, Query},
    },
};
use crate::{
    domain::{Clock, Slug, Status},
    registry::Registry,
    store::{Dimension, ReportQuery, ReportTraffic, Store},
    tracking::{
        report::{self, Asked, Document, MAX_FILTER_VALUES, Refused, ReportError, Shape, Subject},
        rollup::calendar,
    },
};

const PATH: &str = "/api/v1/reports";

/// Pages that are read at the same time: half of the connections that read.
const TURNS: usize = 2;

/// Characters of a list of names.
const MAX_LIST: usize = 4_000;

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// What the route works with.
pub struct Reports {
    pub registry: Arc<Registry>,
    pub store: Store,
    pub keys: Arc<KeyRing>,
    pub clock: Arc<dyn Clock>,
    turns: Semaphore,
}

impl Reports {
    pub fn new(registry: Arc<Registry>, store: Store, keys: Arc<KeyRing>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { registry, store, keys, clock, turns: Semaphore::new(TURNS) })
    }
}

const PARAMS: &[Param] = &[
    Param { name: "tenant", kind: Kind::Slug, about: "Whose report: required with a platform key." },
    Param {
        name: "from",
        kind: Kind::Text(10),
        about: "The first day, on the tenant's calendar (2026-11-24); the same as `to` where it is absent.",
    },
    Param { name: "to", kind: Kind::Text(10), about: "The last day, included; today where it is absent." },
    Param {
        name: "group_by",
        kind: Kind::Text(200),
        about: "What rows are told apart by, in this order: day, hour, channel, campaign, ad, device, geo, counted_by. \
            `day` where it is absent. `ad` means campaign and ad.",
    },
    Param { name: "channel", kind: Kind::Text(MAX_LIST), about: "Only these, separated by commas." },
    Param { name: "campaign", kind: Kind::Text(MAX_LIST), about: "Only these, separated by commas." },
    Param { name: "ad", kind: Kind::Text(MAX_LIST), about: "Only these, separated by commas." },
    Param { name: "device", kind: Kind::Text(MAX_LIST), about: "Only these, separated by commas." },
    Param { name: "geo", kind: Kind::Text(MAX_LIST), about: "Only these, separated by commas." },
    Param { name: "counted_by", kind: Kind::Text(MAX_LIST), about: "Only these, separated by commas." },
    Param {
        name: "traffic",
        kind: Kind::Choice(&["valid", "invalid", "all"]),
        about: "Invalid is what bots and data centres seem to have caused; `valid` where it is absent.",
    },
    Param {
        name: "format",
        kind: Kind::Choice(&["json", "csv", "parquet"]),
        about: "Where it is absent, the Accept header says; else JSON.",
    },
];

const FILTERS: [Dimension; 6] =
    [Dimension::Channel, Dimension::Campaign, Dimension::Ad, Dimension::Device, Dimension::Geo, Dimension::CountedBy];

/// The route with its description.
pub fn routes<S: Clone + Send + Sync + 'static>(reports: Arc<Reports>) -> OpenApiRouter<S> {
    described().with_state(reports)
}

pub(super) fn described() -> OpenApiRouter<Arc<Reports>> {
    let endpoint = Endpoint::get(PATH, "readReport")
        .about(
            "reports",
            "Read a report",
            "From sums that follow the events within seconds. Rates are null where there is nothing to divide by; \
             uniques are sessions with a valid impression, exact per day. `notes` says what is null and why.",
        )
        .query(PARAMS)
        .answers(200, "Report", "The rows in the order of `group_by`, as JSON, CSV or Parquet.")
        .also_as(Shape::Csv.media_type())
        .also_as(Shape::Parquet.media_type())
        .with_schema("Report", schema::report());
    OpenApiRouter::new().routes(endpoint.by(handle))
}

async fn handle(State(reports): State<Arc<Reports>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let caller = match reports.keys.caller(&parts.headers) {
        Ok(caller) => caller,
        Err(problem) => return auth::refuse(problem),
    };
    answer(reports, &caller, &parts).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(reports: Arc<Reports>, caller: &Caller, parts: &Parts) -> Result<Response, Problem> {
    let query = Query::read(parts.uri.query(), PARAMS)?;
    let subject = subject(&reports, caller, query.parsed("tenant"))?;
    let asked = asked(&query, &parts.headers, &subject, &reports)?;
    let shape = asked.shape;
    let disposition = format!(
        "attachment; filename=\"report-{}-{}-{}.{}\"",
        subject.tenant,
        asked.query.from,
        asked.query.to,
        shape.as_str()
    );
    let mut document = Document::new(reports.store.clone(), subject, asked)?;
    // The first bytes before the status: what cannot be read at all is an error.
    let first = reports.next(&mut document).await?.unwrap_or_default();
    let rest = futures_util::stream::unfold((reports, document), |(reports, mut document)| async move {
        let next = reports.next(&mut document).await.transpose()?;
        let next = next.map(Bytes::from).inspect_err(|error| {
            tracing::warn!(%error, "a report broke off");
        });
        Some((next, (reports, document)))
    });
    let first = futures_util::stream::once(async move { Ok::<_, ReportError>(Bytes::from(first)) });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    let mut response = ([(header::CONTENT_TYPE, shape.media_type()), (header::VARY, "accept")], body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, PRIVATE);
    if shape != Shape::Json
        && let Ok(value) = HeaderValue::from_str(&disposition)
    {
        response.headers_mut().insert(HeaderName::from_static("content-disposition"), value);
    }
    Ok(response)
}

impl Reports {
    async fn next(&self, document: &mut Document) -> Result<Option<Vec<u8>>, ReportError> {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        document.next().await
    }
}

/// Whose report. Somebody else's tenant is as unknown as one that does not exist.
fn subject(reports: &Reports, caller: &Caller, named: Option<Slug>) -> Result<Subject, Problem> {
    let slug = match (&caller.tenant, named) {
        (Some(own), None) => own.clone(),
        (_, Some(named)) if caller.may(named.as_str()) => named,
        (_, Some(_)) => return Err(Problem::not_found("such tenant")),
        (None, None) => {
            return Err(Problem::invalid("the query has mistakes").field("tenant", "is required with this key"));
        }
    };
    let snapshot = reports.registry.snapshot();
    let tenant = snapshot.tenants.get(&slug).ok_or_else(|| Problem::not_found("such tenant"))?;
    let tenant = &tenant.manifest.tenant;
    if !caller.is_platform() && tenant.status != Status::Active {
        return Err(Problem::forbidden("this tenant is inactive"));
    }
    Ok(Subject { timezone: tenant.timezone.clone(), currency: tenant.currency.clone(), tenant: slug })
}

fn asked(query: &Query, headers: &HeaderMap, subject: &Subject, reports: &Reports) -> Result<Asked, Problem> {
    let wrong = |field: &'static str, reason: &str| Problem::invalid("the query has mistakes").field(field, reason);
    let day = |name: &'static str| match query.get(name).map(str::parse::<Date>) {
        None => Ok(None),
        Some(Ok(day)) => Ok(Some(day)),
        Some(Err(_)) => Err(wrong(name, "expected a day, such as 2026-11-24")),
    };
    let today = || calendar::day_of(reports.clock.now(), &calendar::zone(&subject.timezone));
    let to = day("to")?.unwrap_or_else(today);
    let from = day("from")?.unwrap_or(to);
    report::days(from, to)?;
    let mut filters = Vec::new();
    for dimension in FILTERS {
        let Some(list) = query.get(dimension.as_str()) else { continue };
        let values: Vec<String> =
            list.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
        if values.is_empty() || values.len() > MAX_FILTER_VALUES {
            return Err(wrong(dimension.as_str(), &format!("expected 1 to {MAX_FILTER_VALUES} names")));
        }
        filters.push((dimension, values));
    }
    let traffic = match query.get("traffic") {
        Some("invalid") => ReportTraffic::Invalid,
        Some("all") => ReportTraffic::All,
        _ => ReportTraffic::Valid,
    };
    let named = query.get("format").and_then(|name| Shape::ALL.into_iter().find(|shape| shape.as_str() == name));
    let group_by = report::group_by(query.get("group_by").unwrap_or("day"))?;
    let shape = named.unwrap_or_else(|| accepted(headers));
    Ok(Asked { query: ReportQuery { from, to, group_by, filters, traffic }, shape })
}

/// The first of our formats that the client names; JSON if it names none.
fn accepted(headers: &HeaderMap) -> Shape {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shape = |name: &str| match name.split(';').next().unwrap_or_default().trim() {
        "application/json" => Some(Shape::Json),
        "text/csv" => Some(Shape::Csv),
        "application/vnd.apache.parquet" => Some(Shape::Parquet),
        _ => None,
    };
    accept.split(',').find_map(shape).unwrap_or(Shape::Json)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::invalid("the query has mistakes").field(refused.field, refused.reason)
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Refused(refused) => refused.into(),
            error @ ReportError::Parquet(_) => Self::internal(error),
        }
    }
}
