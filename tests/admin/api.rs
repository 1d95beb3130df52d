//! A server, a platform key, and requests with JSON.

use std::{
    ops::Deref,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use cuetone::{
    config::Config,
    domain::Clock,
    store::{Author, Door, KEY_RANDOM_BYTES, KeyOwner},
};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Server, read, within},
    origin::{Packaging, Stream},
};

pub const BASE: &str = "/api/v1/admin";

/// Randomness of a key is used once.
static NEXT: AtomicU8 = AtomicU8::new(1);

pub struct Api {
    pub server: Server,
    pub platform: String,
}

impl Deref for Api {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

pub fn author() -> Author {
    Author { actor: "tests".into(), door: Door::CommandLine, summary: "a key".into(), request: None }
}

impl Api {
    /// A server with the tenant `acme` and nothing in it.
    pub async fn start() -> Self {
        let api = Self::empty().await;
        api.post("/tenants", json!({"slug": "acme"})).await.created();
        api
    }

    pub async fn empty() -> Self {
        Self::empty_with(|_| {}).await
    }

    pub async fn empty_with(settings: impl FnOnce(&mut Config)) -> Self {
        let server = Server::start_with(Stream::live(Packaging::Ts).with_break(95..100), settings).await;
        let random = [NEXT.fetch_add(1, Ordering::Relaxed); KEY_RANDOM_BYTES];
        let (store, now, author) = (&server.store, server.clock.now(), author());
        let made = store.create_key(&KeyOwner::Platform, "tests", None, random, &author, now);
        let platform = made.await.expect("a key").1.as_str().to_owned();
        let api = Self { server, platform };
        // Made at the database itself, as by the command line: servers follow.
        let known = || async { api.get("/tenants").await.status == 200 };
        within(Duration::from_secs(1), "the key", known).await;
        api
    }

    /// A request with a key and a JSON body; `path` stands behind [`BASE`].
    pub async fn send(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let path = if path.starts_with("/api/") { path.to_owned() } else { format!("{BASE}{path}") };
        let mut request = self.client().request(method, format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        read(request.send().await.expect("an answer")).await
    }

    async fn as_platform(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        self.send(Some(&self.platform), method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.as_platform(Method::GET, path, &[], None).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.as_platform(Method::POST, path, &[], Some(&body)).await
    }
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.as_platform(Method::PUT, path, &[], Some(&body)).await
    }
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.as_platform(Method::PATCH, path, &[], Some(&body)).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.as_platform(Method::DELETE, path, &[], None).await
    }
    pub async fn with(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        self.as_platform(method, path, headers, body.as_ref()).await
    }

    /// A key of a tenant, made by the API.
    pub async fn key_of(&self, tenant: &str) -> String {
        let made = self.post(&format!("/tenants/{tenant}/keys"), json!({"name": "tests"})).await;
        made.created()["key"].as_str().expect("a key").to_owned()
    }

    /// A tenant with one of everything, whose channel and ad are real.
    pub async fn furnish(&self, tenant: &str) {
        if self.get(&format!("/tenants/{tenant}")).await.status == 404 {
            self.post("/tenants", json!({"slug": tenant})).await.created();
        }
        let at = |path: &str| format!("/tenants/{tenant}{path}");
        self.put(&at("/extensions/scripts/rules/kids.rhai"), json!({"text": KEEP_ALL})).await.created();
        self.post(&at("/campaigns"), json!({"slug": "summer", "cpm": "12.50"})).await.created();
        let creative = self.origin.url("ads/red-5/master.m3u8");
        let ad = json!({"slug": "cola", "campaign": "summer", "duration_seconds": 10, "creative": {"hls": creative},
            "rules": [{"type": "geo", "operator": "not_in", "value": ["XX"]}]});
        self.post(&at("/ads"), ad).await.created();
        let origin = self.origin.url("live/master.m3u8");
        self.post(&at("/channels"), json!({"slug": "live", "hls_manifest_url": origin})).await.created();
    }
}

/// A targeting rule that lets every ad pass.
pub const KEEP_ALL: &str = "fn target(ad, request, config) { true }\n";

impl Answer {
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status.as_u16(), 200, "{}", self.text());
        self.json()
    }
    #[track_caller]
    pub fn created(&self) -> Value {
        assert_eq!(self.status.as_u16(), 201, "{}", self.text());
        self.json()
    }
    #[track_caller]
    pub fn gone(&self) {
        assert_eq!((self.status.as_u16(), self.text()), (204, ""));
    }
    /// Fields that a problem names.
    #[track_caller]
    pub fn fields(&self, status: u16, kind: &str) -> Vec<String> {
        self.is_problem(status, kind);
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().expect("a field").to_owned()).collect()
    }
}
