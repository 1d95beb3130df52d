//! `GET /api/v1/tracking/ledger`: what became of ads and of third parties' beacons, day by day.

use std::sync::Arc;

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{BASE, TENANT, Tracking, slug, tenant_of};
use crate::{
    http::{
        auth,
        error::Problem,
        openapi::{
            endpoint::Endpoint,
            query::{Kind, Param, Query},
        },
    },
    store::{LedgerLine, TenantScope},
};

/// Lines of one answer: a year of a channel with a dozen ads.
const MAX_LINES: u32 = 5_000;

/// Characters of a day.
const DAY: usize = 10;

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

const OF_TENANT: Param = {
    let [tenant] = TENANT;
    tenant
};

const PARAMS: [Param; 3] = [
    OF_TENANT,
    Param { name: "from", kind: Kind::Text(DAY), about: "The first day, as 2025-01-15; today when absent." },
    Param { name: "to", kind: Kind::Text(DAY), about: "The last day; the first when absent." },
];

pub(super) fn routes() -> OpenApiRouter<Arc<Tracking>> {
    let get = Endpoint::get(format!("{BASE}/ledger"), "readLedger")
        .about(
            "tracking",
            "Read what became of ads and beacons",
            "By day on the tenant's clock, channel and ad. `decided`, `stitched` and `delivered` count ads; the rest counts \
             addresses of third parties that this server fetches for its viewers: fired = acknowledged + failed + pending. \
             Sums are of the lines that are answered.",
        )
        .query(&PARAMS)
        .answers(200, "BeaconLedger", "The lines in order, and their sums.");
    OpenApiRouter::new().routes(get.by(read))
}

async fn read(State(tracking): State<Arc<Tracking>>, headers: HeaderMap, OriginalUri(uri): OriginalUri) -> Response {
    match tracking.admin.keys.caller(&headers) {
        Ok(caller) => answer(&tracking, &caller, uri.query()).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => auth::refuse(problem),
    }
}

async fn answer(tracking: &Tracking, caller: &auth::Caller, query: Option<&str>) -> Result<Response, Problem> {
    let query = Query::read(query, &PARAMS)?;
    let tenant = tenant_of(tracking, caller, query.get("tenant"), "tenant")?;
    for name in ["from", "to"] {
        if let Some(text) = query.get(name).filter(|text| !is_day(text)) {
            let shown: String = text.chars().take(DAY).collect();
            return Err(Problem::invalid("the query has mistakes").field(name, format!("`{shown}` is no day")));
        }
    }
    let today = || tracking.player.registry.day_of(slug(&tenant), tracking.player.clock.now());
    let from = query.get("from").map_or_else(today, str::to_owned);
    let to = query.get("to").unwrap_or(&from);
    let scope = TenantScope::new(slug(&tenant).clone());
    let lines = tracking.admin.store.beacon_ledger(&scope, &from, to, MAX_LINES).await?;
    let sum = |of: fn(&LedgerLine) -> i64| lines.iter().map(of).sum::<i64>();
    let totals = json!({
        "decided": sum(|line| line.decided),
        "stitched": sum(|line| line.stitched),
        "delivered": sum(|line| line.delivered),
        "fired": sum(|line| line.fired),
        "acknowledged": sum(|line| line.acknowledged),
        "failed": sum(|line| line.failed),
        "pending": sum(|line| line.pending),
        "withheld": sum(|line| line.withheld),
    });
    let shown: Vec<Value> = lines.iter().map(line).collect();
    let body = json!({"from": from, "to": to, "lines": shown, "totals": totals});
    Ok(([(header::CACHE_CONTROL, PRIVATE)], Json(body)).into_response())
}

/// `2025-01-15`: compared as text, so nothing else will do.
fn is_day(text: &str) -> bool {
    text.len() == DAY && text.parse::<jiff::civil::Date>().is_ok()
}

fn line(line: &LedgerLine) -> Value {
    json!({
        "day": line.day,
        "channel": line.channel,
        "ad": line.ad,
        "decided": line.decided,
        "stitched": line.stitched,
        "delivered": line.delivered,
        "fired": line.fired,
        "acknowledged": line.acknowledged,
        "failed": line.failed,
        "pending": line.pending,
        "withheld": line.withheld,
    })
}
