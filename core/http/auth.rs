//! Who asks: API keys in `X-API-Key` or `Authorization: Bearer`.
//!
//! A key belongs to one tenant (`fast_<slug>_<random>`) or to the platform (`fast_platform_<random>`). Only hashes are
//! kept. Requests look into a ring in memory that follows the database, so they cost no query; a revoked key is out
//! within a second on every node. Another tenant's paths answer a tenant's key as if nothing were there.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;

use super::{
    error::Problem,
    rate_limit::{RetryAfter, TenantLimiter},
};
use crate::{
    domain::{Clock, Moment, Slug, Status},
    registry::Registry,
    store::{Author, Door, KeyHash, LiveKey, Store, StoreError},
};

pub const HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// Environment variable with the first platform key of an installation.
pub const PLATFORM_KEY_VARIABLE: &str = "CUETONE_PLATFORM_KEY";

/// Characters of that key at least: it is as good as a password to everything.
pub const MIN_PLATFORM_KEY: usize = 32;

/// Requests of one key in a minute: 500 a second is more than any client writes, and less than hurts viewers.
const PER_MINUTE: u32 = 30_000;

/// Requests with a wrong key in a minute, from everybody together. Those with a right one are not held up.
const FAILED_PER_MINUTE: u32 = 3_000;

/// The variable's own name in the audit log.
const ENVIRONMENT: &str = "environment";

/// Whose key a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Of the key, as the audit log has it.
    pub id: Box<str>,
    /// What the key is for.
    pub name: Box<str>,
    /// `None`: the platform.
    pub tenant: Option<Slug>,
}

impl Caller {
    pub fn is_platform(&self) -> bool {
        self.tenant.is_none()
    }

    pub fn may(&self, tenant: &str) -> bool {
        self.tenant.as_ref().is_none_or(|own| own.as_str() == tenant)
    }

    /// For the audit log.
    pub fn author(&self, summary: &str) -> Author {
        let actor = format!("key {} ({})", self.id, self.name);
        Author { actor, door: Door::Api, summary: summary.to_owned(), request: super::request_id::current() }
    }
}

struct Entry {
    caller: Arc<Caller>,
    expires_at: Option<Moment>,
    limiter: Arc<TenantLimiter>,
}

type Ring = HashMap<KeyHash, Entry>;

/// All keys that open something now, by hash.
pub struct KeyRing {
    store: Store,
    clock: Arc<dyn Clock>,
    ring: ArcSwap<Ring>,
    /// Hash of the key in the environment.
    environment: Option<KeyHash>,
    generation: AtomicI64,
    failures: TenantLimiter,
    /// One refresh at a time, so that an older state never follows a newer one.
    refreshing: tokio::sync::Mutex<()>,
    limiters: Mutex<HashMap<Box<str>, Arc<TenantLimiter>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{PLATFORM_KEY_VARIABLE} has {found} characters: it must have at least {MIN_PLATFORM_KEY}")]
pub struct ShortKey {
    found: usize,
}

impl KeyRing {
    /// `environment`: the value of [`PLATFORM_KEY_VARIABLE`], if any. Call [`Self::refresh`] before the first request.
    pub fn new(store: Store, clock: Arc<dyn Clock>, environment: Option<&str>) -> Result<Arc<Self>, ShortKey> {
        if let Some(found) = environment.map(|key| key.chars().count()).filter(|found| *found < MIN_PLATFORM_KEY) {
            return Err(ShortKey { found });
        }
        Ok(Arc::new(Self {
            store,
            clock,
            ring: ArcSwap::default(),
            environment: environment.map(KeyHash::of),
            generation: AtomicI64::new(-1),
            failures: TenantLimiter::new(FAILED_PER_MINUTE),
            refreshing: tokio::sync::Mutex::default(),
            limiters: Mutex::default(),
        }))
    }

    /// Reads the keys again if anything has changed since.
    pub async fn follow_store(&self) -> Result<(), StoreError> {
        let generation = self.store.generation().await?;
        if generation != self.generation.load(Relaxed) {
            self.refresh().await?;
            self.generation.store(generation, Relaxed);
        }
        Ok(())
    }

    /// Reads the keys again: what this node changes holds on it at once.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let live = self.store.live_keys(self.clock.now()).await?;
        let mut ring = Ring::new();
        for LiveKey { hash, id, tenant, name, expires_at } in live {
            let caller = Caller { id: id.to_string().into(), name: name.into(), tenant };
            ring.insert(hash, self.entry(caller, expires_at));
        }
        if let Some(hash) = self.environment {
            let caller = Caller { id: ENVIRONMENT.into(), name: PLATFORM_KEY_VARIABLE.into(), tenant: None };
            ring.insert(hash, self.entry(caller, None));
        }
        self.limiters.lock().retain(|id, _| ring.values().any(|entry| entry.caller.id == *id));
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    fn entry(&self, caller: Caller, expires_at: Option<Moment>) -> Entry {
        let mut limiters = self.limiters.lock();
        let limiter = limiters.entry(caller.id.clone()).or_insert_with(|| Arc::new(TenantLimiter::new(PER_MINUTE)));
        Entry { limiter: limiter.clone(), caller: Arc::new(caller), expires_at }
    }

    /// Whose key a request carries; a problem that does not tell a wrong key from an old one.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Problem> {
        self.known(headers, true)
    }

    /// The same for requests that the limit of their tenant holds back, and not that of their key.
    pub fn unmetered(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Problem> {
        self.known(headers, false)
    }

    fn known(&self, headers: &HeaderMap, metered: bool) -> Result<Arc<Caller>, Problem> {
        let ring = self.ring.load();
        // The hash of a guess tells nothing of hashes near it: the time that this takes is no clue.
        let entry = presented(headers).and_then(|key| ring.get(&KeyHash::of(key)));
        let live = entry.filter(|entry| entry.expires_at.is_none_or(|end| self.clock.now() < end));
        let Some(entry) = live else {
            self.failures.check().map_err(|RetryAfter(wait)| {
                Problem::from(RetryAfter(wait)).because("too many requests without a valid key")
            })?;
            return Err(Problem::unauthorized("a valid API key is needed: send it as X-API-Key"));
        };
        if metered {
            entry.limiter.check().map_err(|RetryAfter(wait)| {
                Problem::from(RetryAfter(wait)).because("this key's requests per minute are used up")
            })?;
        }
        Ok(entry.caller.clone())
    }
}

/// The key that a request shows.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get(HEADER) {
        return key.to_str().ok().map(str::trim);
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// A 401 with the challenge that it must have (RFC 9110 section 15.5.2).
pub fn refuse(problem: Problem) -> Response {
    let unauthorized = problem.status() == StatusCode::UNAUTHORIZED;
    let mut response = problem.into_response();
    if unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cuetone\""));
    }
    response
}

/// What guards the admin API.
pub struct Guard {
    pub keys: Arc<KeyRing>,
    pub registry: Arc<Registry>,
}

/// Lets a request through to a route of the admin API, with its [`Caller`]. Which tenant a route is about is what its
/// path says at `{tenant}`; a route without that is the platform's. So no handler can forget.
pub async fn layer(
    State(guard): State<Arc<Guard>>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.admit(params, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => refuse(problem),
    }
}

impl Guard {
    fn admit(
        &self,
        params: Result<RawPathParams, RawPathParamsRejection>,
        headers: &HeaderMap,
    ) -> Result<Arc<Caller>, Problem> {
        let caller = self.keys.caller(headers)?;
        let params = params.map_err(|_| Problem::not_found("such page"))?;
        let Some((_, tenant)) = params.iter().find(|(name, _)| *name == "tenant") else {
            return match caller.is_platform() {
                true => Ok(caller),
                false => Err(Problem::forbidden("only a platform key may do this")),
            };
        };
        if !caller.may(tenant) {
            return Err(Problem::not_found("such tenant"));
        }
        let snapshot = self.registry.snapshot();
        let inactive = |known: &str| {
            snapshot.tenants.get(known).is_some_and(|known| known.manifest.tenant.status != Status::Active)
        };
        if !caller.is_platform() && inactive(tenant) {
            return Err(Problem::forbidden("this tenant is inactive"));
        }
        Ok(caller)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = parts.extensions.get::<Arc<Self>>();
        // A route outside of the guard lets nobody in.
        caller
            .map(|caller| Self::clone(caller))
            .ok_or_else(|| refuse(Problem::unauthorized("a valid API key is needed")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn a_key_comes_in_its_own_header_or_as_a_bearer_token() {
        for (name, value, expect) in [
            (HEADER, "fast_a_1", Some("fast_a_1")),
            (header::AUTHORIZATION, "Bearer fast_a_1", Some("fast_a_1")),
            (header::AUTHORIZATION, "bearer  fast_a_1", Some("fast_a_1")),
            (header::AUTHORIZATION, "Basic fast_a_1", None),
            (header::AUTHORIZATION, "fast_a_1", None),
            (header::ACCEPT, "fast_a_1", None),
        ] {
            assert_eq!(presented(&headers(name, value)), expect, "{value}");
        }
    }

    #[test]
    fn a_tenant_s_key_opens_its_own_tenant_and_no_other() {
        let slug: Slug = "acme".parse().expect("a slug");
        let own = Caller { id: "1".into(), name: "x".into(), tenant: Some(slug) };
        assert!(own.may("acme") && !own.may("acm") && !own.may("acme2") && !own.is_platform());
        let platform = Caller { tenant: None, ..own };
        assert!(platform.may("acme") && platform.is_platform());
    }
}
