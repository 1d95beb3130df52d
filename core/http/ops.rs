//! What operators and orchestrators ask: `/healthz` (the process lives), `/readyz` (it may get traffic), `/metrics`
//! (Prometheus text). Knows no tenants; what readiness means is handed in as checks.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::{BoxFuture, join_all};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;

/// A check that takes longer has failed; orchestrators commonly give up after one second as well.
const CHECK_DEADLINE: Duration = Duration::from_millis(900);

/// How often gathered histogram samples are folded, scraped or not: they are kept one by one until then.
const UPKEEP: Duration = Duration::from_secs(5);

/// Seconds, from a warm playlist (10 µs) to an origin that hangs (10 s).
const SECONDS_BUCKETS: [f64; 16] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// One condition of readiness.
pub struct Check {
    name: &'static str,
    probe: Probe,
}

impl Check {
    /// `probe` answers with the reason why the server must not get traffic now.
    pub fn new<F>(name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, probe: Box::new(move || Box::pin(probe())) }
    }
}

pub struct Ops {
    checks: Vec<Check>,
    metrics: PrometheusHandle,
    counted_elsewhere: Box<dyn Fn() -> String + Send + Sync>,
}

impl Ops {
    /// `counted_elsewhere`: metrics that others keep, in the same format.
    pub fn new(
        checks: Vec<Check>,
        metrics: PrometheusHandle,
        counted_elsewhere: impl Fn() -> String + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { checks, metrics, counted_elsewhere: Box::new(counted_elsewhere) })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("metrics could not be set up: {0}")]
pub struct MetricsError(String);

/// Makes the process's metrics readable. Call once, inside the runtime, before anything counts.
pub fn install_metrics() -> Result<PrometheusHandle, MetricsError> {
    let handle = builder()?.install_recorder().map_err(|error| MetricsError(error.to_string()))?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, MetricsError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)
        .map_err(|error| MetricsError(error.to_string()))
}

/// The three routes.
pub fn router<S: Clone + Send + Sync + 'static>(ops: Arc<Ops>) -> Router<S> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

async fn healthz() -> &'static str {
    "ok"
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

async fn readyz(State(ops): State<Arc<Ops>>) -> Response {
    let run = |check: &Check| {
        let (name, probe) = (check.name, (check.probe)());
        async move {
            let late = |_| Err(format!("no answer within {CHECK_DEADLINE:?}"));
            let reason = tokio::time::timeout(CHECK_DEADLINE, probe).await.unwrap_or_else(late).err();
            Outcome { name, ok: reason.is_none(), reason }
        }
    };
    let checks = join_all(ops.checks.iter().map(run)).await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(Readiness { ready, checks })).into_response()
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let text = ops.metrics.render() + (ops.counted_elsewhere)().as_str();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn ask(ops: &Arc<Ops>, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router::<()>(ops.clone()).oneshot(request).await.expect("answered");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.expect("small");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn readiness_names_the_check_that_fails_and_health_does_not_depend_on_it() {
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = stopping.clone();
        let accepts = Check::new("accepting", move || {
            let stopping = seen.load(Ordering::Relaxed);
            async move { if stopping { Err("shutting down".to_owned()) } else { Ok(()) } }
        });
        let store = Check::new("store", || async { Ok(()) });
        let ops = Ops::new(vec![store, accepts], builder().expect("valid").build_recorder().handle(), String::new);
        let (status, body) = ask(&ops, "/readyz").await;
        assert_eq!((status, body.contains("\"ready\":true")), (StatusCode::OK, true), "{body}");
        stopping.store(true, Ordering::Relaxed);
        let (status, body) = ask(&ops, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains(r#"{"name":"accepting","ok":false,"reason":"shutting down"}"#), "{body}");
        assert!(body.contains(r#"{"name":"store","ok":true}"#), "{body}");
        assert_eq!(ask(&ops, "/healthz").await, (StatusCode::OK, "ok".to_owned()));
    }

    #[tokio::test]
    async fn a_check_that_hangs_has_failed() {
        let hangs = Check::new("store", std::future::pending::<Result<(), String>>);
        let ops = Ops::new(vec![hangs], builder().expect("valid").build_recorder().handle(), String::new);
        let (status, body) = ask(&ops, "/readyz").await;
        assert_eq!((status, body.contains("no answer")), (StatusCode::SERVICE_UNAVAILABLE, true), "{body}");
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text_with_fine_buckets_for_times() {
        let recorder = builder().expect("valid").build_recorder();
        let ops = Ops::new(Vec::new(), recorder.handle(), || "cuetone_others 3\n".to_owned());
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("cuetone_things_total", "kind" => "a").increment(2);
            metrics::histogram!("cuetone_things_seconds").record(0.00002);
        });
        let (_, body) = ask(&ops, "/metrics").await;
        assert!(body.ends_with("\ncuetone_others 3\n"), "{body}");
        assert!(body.contains("cuetone_things_total{kind=\"a\"} 2"), "{body}");
        assert!(body.contains("cuetone_things_seconds_bucket{le=\"0.000025\"} 1"), "{body}");
        assert!(body.contains("cuetone_things_seconds_bucket{le=\"0.00001\"} 0"), "{body}");
    }
}
