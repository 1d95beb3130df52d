//! `cuetone keys …`: API keys of tenants and of the platform, made and ended at the database itself.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Format, Settings};
use crate::{
    app::open_store,
    decision::local_time::rfc3339,
    domain::{Clock, Moment, Slug, Span, SystemClock},
    secret,
    store::{ApiKey, Author, Door, KeyOwner, KeyText, Store, StoreError, TenantScope},
};

/// A month, as in the admin API.
const MAX_OVERLAP_SECONDS: u32 = 30 * 24 * 3600;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it, this once.
    Create(Create),
    /// List keys, without the keys themselves.
    List(List),
    /// Make a new key in place of an old one, which goes on for a while.
    Rotate(Rotate),
    /// End a key now.
    Revoke(Revoke),
}

/// Whose key.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Owner {
    /// A tenant's slug.
    #[arg(long, value_name = "SLUG")]
    tenant: Option<Slug>,
    /// The platform: keys that open every tenant.
    #[arg(long)]
    platform: bool,
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    settings: Settings,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    common: Common,
    /// What the key is for.
    #[arg(long, default_value = "made on the command line")]
    name: String,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct Rotate {
    /// The key's id, as `keys list` prints it.
    id: i64,
    #[command(flatten)]
    common: Common,
    /// How long the old key goes on working.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_OVERLAP_SECONDS)))]
    overlap: u32,
}

#[derive(Args)]
pub struct Revoke {
    /// The key's id, as `keys list` prints it.
    id: i64,
    #[command(flatten)]
    common: Common,
}

impl KeysCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let common = match &self {
            Self::Create(command) => &command.common,
            Self::List(command) => &command.common,
            Self::Rotate(command) => &command.common,
            Self::Revoke(command) => &command.common,
        };
        let config = common.settings.load()?;
        let scope = common.owner.tenant.clone().map(TenantScope::new);
        let (owner, format) = (scope.map_or(KeyOwner::Platform, KeyOwner::Tenant), common.format);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = open_store(&config).await?;
            let outcome = self.execute(&store, &owner, format, SystemClock.now()).await;
            store.close().await;
            outcome
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn execute(self, store: &Store, owner: &KeyOwner, format: Format, now: Moment) -> anyhow::Result<()> {
        let author = |summary: String| Author {
            actor: "cuetone keys".to_owned(),
            door: Door::CommandLine,
            summary,
            request: None,
        };
        match self {
            Self::Create(Create { name, .. }) => {
                if name.is_empty() || name.chars().any(char::is_control) {
                    bail!("--name takes one line of text");
                }
                let author = author(format!("make key \"{name}\""));
                let made = store.create_key(owner, &name, None, secret::random_key()?, &author, now).await;
                let (key, text) = made.map_err(|error| match error {
                    StoreError::NoTenant { .. } => anyhow!("{error}: apply its bundle first"),
                    error => error.into(),
                })?;
                print_issued(&key, &text, format);
            }
            Self::List(_) => {
                let keys = store.keys(owner, None, u32::MAX).await?;
                if format == Format::Json {
                    println!("{}", json!(keys.iter().map(as_json).collect::<Vec<_>>()));
                } else {
                    keys.iter().for_each(|key| println!("{}", line(key, now)));
                }
            }
            Self::Rotate(Rotate { id, overlap, .. }) => {
                let known = find(store, owner, id).await?;
                let author = author(format!("replace key {id} \"{}\"", known.name));
                let overlap = Span::from_secs(overlap.into());
                let made = store.rotate_key(owner, id, overlap, None, secret::random_key()?, &author, now).await?;
                let (key, text) = made.context("this key has ended: make a new one instead")?;
                print_issued(&key, &text, format);
            }
            Self::Revoke(Revoke { id, .. }) => {
                let known = find(store, owner, id).await?;
                let author = author(format!("revoke key {id} \"{}\"", known.name));
                store.revoke_key(owner, id, &author, now).await?;
                let text = format!("key {id} ({}) is revoked; running servers follow within a second", known.name);
                format.print(&text, || json!({"id": id, "revoked": true}));
            }
        }
        Ok(())
    }
}

async fn find(store: &Store, owner: &KeyOwner, id: i64) -> anyhow::Result<ApiKey> {
    let keys = store.keys(owner, Some(id.saturating_sub(1)), 1).await?;
    let found = keys.into_iter().find(|key| key.id == id);
    found.ok_or_else(|| anyhow!("there is no such key: {id}; see `cuetone keys list`"))
}

fn as_json(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "prefix": key.prefix,
        "created_at": rfc3339(key.created_at),
        "expires_at": key.expires_at.map(rfc3339),
        "revoked_at": key.revoked_at.map(rfc3339),
    })
}

/// The key alone on standard output, so that a script can take it; what to know about it on standard error.
fn print_issued(key: &ApiKey, text: &KeyText, format: Format) {
    if format == Format::Json {
        let mut value = as_json(key);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("key".to_owned(), json!(text.as_str()));
        }
        println!("{value}");
        return;
    }
    println!("{}", text.as_str());
    eprintln!("This is key {} ({}). It is shown this once: keep it safe.", key.id, key.name);
}

fn line(key: &ApiKey, now: Moment) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", rfc3339(at)),
        (None, Some(at)) if at <= now => format!("ended {}", rfc3339(at)),
        (None, Some(at)) => format!("ends {}", rfc3339(at)),
        (None, None) => "good".to_owned(),
    };
    format!("{}  {}…  made {}  {state}  {}", key.id, key.prefix, rfc3339(key.created_at), key.name)
}
