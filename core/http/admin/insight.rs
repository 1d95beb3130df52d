//! How a tenant's scripts and plugins do on this node, and what they logged last.

use std::sync::Arc;

use axum::{extract::State, http::Uri, response::Response};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    page::{DEFAULT_LIMIT, LIMIT},
    reply,
};
use crate::{
    decision::local_time::rfc3339,
    domain::{Slug, Span},
    extension::Insight,
    http::{
        error::Problem,
        openapi::{
            endpoint::Endpoint,
            query::{Param, Query},
        },
    },
};

const NEWEST: &[Param] = &[LIMIT];

type Tenant = Segments<(Slug,)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/tenants/{{tenant}}/extensions");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(format!("{all}/figures"), "getExtensionFigures")
                .about(
                    "extensions",
                    "See how scripts and plugins do",
                    "Each version in use, since it was loaded on this node: calls, failures by kind, how long calls take, what they use.",
                )
                .answers(200, "ExtensionFigures", "As they are now.")
                .by(figures),
        )
        .routes(
            Endpoint::get(format!("{all}/log"), "getExtensionLog")
                .about(
                    "extensions",
                    "Read what scripts and plugins logged",
                    "The newest lines on this node, newest first. A flood is cut: 50 lines a second, 500 at once.",
                )
                .query(NEWEST)
                .answers(200, "ExtensionLog", "The newest lines.")
                .by(log),
        )
}

async fn figures(State(admin): State<Arc<Admin>>, Segments((tenant,)): Tenant) -> Result<Response, Problem> {
    admin.document(&tenant)?;
    let items: Vec<Value> = admin.extensions.seen(tenant.as_str()).iter().map(shown).collect();
    Ok(reply::json(&json!({"items": items})))
}

fn shown(insight: &Insight) -> Value {
    let mut fields = json!({
        "extension": insight.of.extension,
        "version": insight.of.version,
        "point": insight.of.point.as_str(),
        "breaker": if insight.breaker_open { "open" } else { "closed" },
    });
    if let (Some(fields), Ok(Value::Object(seen))) =
        (fields.as_object_mut(), serde_json::to_value(insight.totals.seen()))
    {
        fields.extend(seen);
    }
    fields
}

async fn log(State(admin): State<Arc<Admin>>, Segments((tenant,)): Tenant, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), NEWEST)?;
    let limit: usize = query.parsed("limit").unwrap_or(DEFAULT_LIMIT);
    admin.document(&tenant)?;
    let now = admin.clock.now();
    let line = |(ago, line): (std::time::Duration, crate::extension::logs::Line)| {
        json!({
            "time": rfc3339(now - Span::from(ago)),
            "extension": &*line.extension,
            "level": line.level,
            "message": line.message,
        })
    };
    let items: Vec<Value> = admin.extensions.logged(tenant.as_str(), limit).into_iter().map(line).collect();
    Ok(reply::json(&json!({"items": items})))
}
