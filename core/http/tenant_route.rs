//! What the routes have in common that pages and players ask of a tenant from anywhere: the tenant is active, the
//! method is one that works, the rate limit is kept, and the answer says which pages may read it.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{Player, cors, error::Problem};
use crate::{domain::Status, registry::TenantRuntime};

/// What a refused method is told (RFC 9110 section 15.5.6).
const READ: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const POST: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// The tenant, if its answer is to be made; else the answer.
pub fn enter(player: &Player, tenant: &str, parts: &Parts) -> Result<Arc<TenantRuntime>, Box<Response>> {
    enter_by(&[Method::GET, Method::HEAD], player, tenant, parts)
}

/// The same where only these methods work.
pub fn enter_by(
    methods: &[Method],
    player: &Player,
    tenant: &str,
    parts: &Parts,
) -> Result<Arc<TenantRuntime>, Box<Response>> {
    let unknown = || Box::new(Problem::not_found("such tenant").into_response());
    let tenant = player.registry.snapshot().tenants.get(tenant).cloned().ok_or_else(unknown)?;
    if parts.method == Method::OPTIONS {
        return Err(Box::new(cors::preflight(&tenant.manifest.tenant.allowed_domains, &parts.headers)));
    }
    match admitted(methods, player, &tenant, parts) {
        Ok(()) => Ok(tenant),
        Err(problem) => {
            let mut response = leave(&tenant, parts, Err(problem));
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                let allowed = if methods.contains(&Method::POST) { POST } else { READ };
                response.headers_mut().insert(header::ALLOW, allowed);
            }
            Err(Box::new(response))
        }
    }
}

/// The answer with what browsers need.
pub fn leave(tenant: &TenantRuntime, parts: &Parts, answer: Result<Response, Problem>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let allowed = &tenant.manifest.tenant.allowed_domains;
    cors::add_headers(allowed, parts.headers.get(header::ORIGIN), response.headers_mut());
    response
}

fn admitted(methods: &[Method], player: &Player, tenant: &TenantRuntime, parts: &Parts) -> Result<(), Problem> {
    if !methods.contains(&parts.method) {
        let known: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let detail = format!("only {} works here", known.join(" and "));
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail));
    }
    if tenant.manifest.tenant.status != Status::Active {
        return Err(Problem::not_found("such tenant"));
    }
    Ok(player.limits.check(&tenant.manifest.tenant)?)
}
