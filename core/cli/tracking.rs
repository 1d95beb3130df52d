//! `cuetone tracking test`: one viewer's events through the real door of a running server, and what became of them.
//!
//! Unless they are to count, the events say that a robot saw the ad: they are kept, and nobody pays for them.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::Url;

use super::{Format, Settings};
use crate::{
    app::open_store,
    domain::{Clock, EventType, Slug, Span, SystemClock},
    outbound::{Outbound, OutboundConfig, SendRequest},
    secret::{hex, random_key},
    store::{Author, Door, KeyOwner, Store, TenantScope},
};

/// Has a token of the built-in list of robots in it.
const ROBOT: &str = "cuetone tracking test (robot)";
const VIEWER: &str = "cuetone tracking test";

/// How long a key that is made for the test is good, if the test does not come to end it.
const KEY_LIFE: Span = Span::from_secs(10 * 60);

/// How long the test waits for the server to know the key, and for the events to be in its database.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Subcommand)]
pub enum TrackingCommand {
    /// Send one viewer's events to a running server and follow them.
    Test(Test),
}

#[derive(Args)]
pub struct Test {
    /// The tenant's slug.
    #[arg(long, value_name = "SLUG")]
    tenant: Slug,
    /// The slug of the ad that is seen.
    #[arg(long, value_name = "SLUG")]
    ad: Slug,
    /// The channel that shows it.
    #[arg(long, value_name = "SLUG")]
    channel: Option<Slug>,
    /// The server; the one that the settings describe when absent.
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    /// A key of the tenant's or the platform's. Without it, one is made in the database of the settings and ended
    /// afterwards.
    #[arg(long, env = "CUETONE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Count the events as those of a viewer: campaigns pay for them.
    #[arg(long)]
    count: bool,
    #[command(flatten)]
    settings: Settings,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl TrackingCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Test(test) = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test.run())
    }
}

/// A step and how it went.
struct Step {
    name: &'static str,
    good: bool,
    text: String,
}

impl Test {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load()?;
        let server = match &self.server {
            Some(server) => server.clone(),
            None => Url::parse(&format!("http://{}", config.listen)).context("listen")?,
        };
        let host = server.host_str().context("--server has no host")?.to_owned();
        let outbound = Outbound::new(OutboundConfig { allow_hosts: vec![host], ..OutboundConfig::default() })?;
        let (key, made) = match &self.key {
            Some(key) => (key.clone(), None),
            None => {
                let store = open_store(&config).await?;
                let (id, key) = self.make_key(&store).await?;
                (key, Some((store, id)))
            }
        };
        let desk = Desk { outbound, server, key };
        let steps = self.steps(&desk).await;
        if let Some((store, id)) = made {
            let owner = KeyOwner::Tenant(TenantScope::new(self.tenant.clone()));
            store.revoke_key(&owner, id, &author(), SystemClock.now()).await?;
            store.close().await;
        }
        let steps = steps?;
        let good = steps.iter().all(|step| step.good);
        if self.format == Format::Json {
            let steps: Vec<Value> =
                steps.iter().map(|step| json!({"step": step.name, "ok": step.good, "detail": step.text})).collect();
            println!("{}", json!({"ok": good, "steps": steps}));
        } else {
            for Step { name, good, text } in &steps {
                println!("{}  {name:<9}  {text}", if *good { "ok    " } else { "FAILED" });
            }
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn make_key(&self, store: &Store) -> anyhow::Result<(i64, String)> {
        let (owner, now) = (KeyOwner::Tenant(TenantScope::new(self.tenant.clone())), SystemClock.now());
        let until = Some(now + KEY_LIFE);
        let (key, text) =
            store.create_key(&owner, "cuetone tracking test", until, random_key()?, &author(), now).await?;
        Ok((key.id, text.as_str().to_owned()))
    }

    async fn steps(&self, desk: &Desk) -> anyhow::Result<Vec<Step>> {
        let name = format!("test-{}", hex(random_key()?.get(..8).unwrap_or_default()));
        let mut steps = Vec::new();
        let body = self.batch(&name);
        let sent = EventType::ALL.len() as u64;

        let answer = desk.patiently("POST", "/api/v1/tracking/events", Some(&body)).await?;
        let taken = answer.body["accepted"].as_u64().unwrap_or(0);
        let mistakes = answer.mistakes();
        let good = answer.status == 202 && taken == sent;
        let text = match good {
            true => format!("{taken} of {sent} events of session {name} are on disk"),
            false => format!("{taken} of {sent} events were taken (status {}){mistakes}", answer.status),
        };
        steps.push(Step { name: "accepted", good, text });
        if !good {
            return Ok(steps);
        }

        let again = desk.ask("POST", "/api/v1/tracking/events", Some(&body)).await?;
        let twice = again.body["duplicates"].as_u64().unwrap_or(0);
        let good = again.status == 202 && twice == sent;
        steps.push(Step { name: "once", good, text: format!("sent again, {twice} of {sent} are duplicates") });

        let found = self.in_table(desk, &name).await?;
        let good = found.len() as u64 == sent;
        let types: Vec<&str> = found.iter().filter_map(|event| event["event_type"].as_str()).collect();
        let traffic = found.first().and_then(|event| event["traffic"].as_str()).unwrap_or("nobody");
        let text = format!("{} of {sent} are in the database, as {traffic}: {}", found.len(), types.join(", "));
        steps.push(Step { name: "stored", good, text });

        steps.push(self.reported(desk, traffic).await?);
        Ok(steps)
    }

    fn batch(&self, name: &str) -> Value {
        let agent = if self.count { VIEWER } else { ROBOT };
        let event = |event_type: &EventType| {
            let mut event = json!({
                "event_type": event_type, "session_id": name, "ad_id": self.ad, "break_id": name, "user_agent": agent,
            });
            if let (Some(channel), Some(fields)) = (&self.channel, event.as_object_mut()) {
                fields.insert("channel_id".to_owned(), json!(channel));
            }
            event
        };
        json!({"tenant_id": self.tenant, "events": EventType::ALL.iter().map(event).collect::<Vec<_>>()})
    }

    /// The session's events as the server reads them from its database.
    async fn in_table(&self, desk: &Desk, name: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/api/v1/tracking/viewers/{name}?tenant={}", self.tenant);
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let text = desk.ask("GET", &path, None).await?.text;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let events: Vec<Value> = lines.filter(|line| line["kind"] == "event").collect();
            if events.len() >= EventType::ALL.len() || tokio::time::Instant::now() >= until {
                return Ok(events);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What the report of these days says of the ad.
    async fn reported(&self, desk: &Desk, traffic: &str) -> anyhow::Result<Step> {
        let (step, now) = ("reported", jiff::Timestamp::from_microsecond(SystemClock.now().as_micros())?);
        let day = |hours: i64| (now + jiff::SignedDuration::from_hours(hours)).strftime("%Y-%m-%d").to_string();
        let traffic = if traffic == "valid" { "valid" } else { "invalid" };
        let path = format!(
            "/api/v1/reports?tenant={}&from={}&to={}&group_by=ad&ad={}&traffic={traffic}",
            self.tenant,
            day(-24),
            day(24),
            self.ad
        );
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = desk.ask("GET", &path, None).await?;
            let rows = ["rows", "items"].iter().find_map(|list| answer.body[*list].as_array());
            let of_ad = |row: &&Value| ["ad", "ad_id"].iter().any(|name| row[*name] == self.ad.as_str());
            let seen = rows.into_iter().flatten().filter(of_ad).find_map(|row| row["impressions"].as_u64());
            match seen.filter(|seen| *seen > 0) {
                Some(seen) => {
                    let text = format!("the report has {seen} {traffic} impressions of {} in these days", self.ad);
                    return Ok(Step { name: step, good: true, text });
                }
                None if answer.status != 200 || tokio::time::Instant::now() >= until => {
                    let text = format!("the report shows no impression of {} (status {})", self.ad, answer.status);
                    return Ok(Step { name: step, good: false, text });
                }
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

fn author() -> Author {
    Author {
        actor: "cuetone tracking".to_owned(),
        door: Door::CommandLine,
        summary: "a key for a test of tracking".to_owned(),
        request: None,
    }
}

struct Desk {
    outbound: Outbound,
    server: Url,
    key: String,
}

struct Answer {
    status: u16,
    text: String,
    /// Null where the answer is no JSON.
    body: Value,
}

impl Desk {
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let url = self.server.join(path)?;
        let headers = [("x-api-key", self.key.as_str()), ("content-type", "application/json")];
        let request = SendRequest {
            method,
            url: &url,
            headers: &headers,
            body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
            deadline: Some(PATIENCE),
            allowed_hosts: None,
        };
        let fetched = self.outbound.call(request).await.with_context(|| {
            format!("{} does not answer: is the server running? Name another with --server", self.server)
        })?;
        let text = String::from_utf8_lossy(&fetched.body).into_owned();
        Ok(Answer { status: fetched.status, body: serde_json::from_str(&text).unwrap_or_default(), text })
    }

    /// A key that was just made is known within a second.
    async fn patiently(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(method, path, body).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
            if tokio::time::Instant::now() >= until {
                bail!("the server does not know this key: is it the server of these settings? Give one with --key");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Answer {
    fn mistakes(&self) -> String {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        let told = errors.take(3).map(|error| {
            format!("{} {}", error["field"].as_str().unwrap_or_default(), error["reason"].as_str().unwrap_or_default())
        });
        let detail = self.body["detail"].as_str().map(ToOwned::to_owned);
        let told: Vec<String> = detail.into_iter().chain(told).collect();
        if told.is_empty() { String::new() } else { format!(": {}", told.join("; ")) }
    }
}
