//! `cuetone sinks …`: how sinks do and what they could not deliver, at the database itself. Works beside a running server.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Format, Settings};
use crate::{
    app::open_store,
    domain::{Clock, Slug, SystemClock},
    http::admin::sinks::{shown, shown_state},
    store::{SinkState, Store, StoredLetter, TenantScope},
};

#[derive(Subcommand)]
pub enum SinksCommand {
    /// List a tenant's sinks, how far each is, and its dead letters.
    List(List),
    /// Have dead letters delivered again by the running server.
    Replay(Replay),
    /// Throw dead letters away; their events stay in the journal.
    Drop(Chosen),
}

#[derive(Args)]
struct Common {
    /// The tenant's slug.
    #[arg(long, value_name = "SLUG")]
    tenant: Slug,
    #[command(flatten)]
    settings: Settings,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct Chosen {
    /// Numbers of letters, as `sinks list` prints them.
    #[arg(value_name = "LETTER", required_unless_present = "all")]
    letters: Vec<i64>,
    /// All of the tenant's.
    #[arg(long, conflicts_with = "letters")]
    all: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// The sink that delivers them, if not the one that gave them up.
    #[arg(long, value_name = "SINK")]
    to: Option<String>,
}

impl SinksCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let common = match &self {
            Self::List(command) => &command.common,
            Self::Replay(command) => &command.chosen.common,
            Self::Drop(command) => &command.common,
        };
        let (config, format, scope) = (common.settings.load()?, common.format, TenantScope::new(common.tenant.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = open_store(&config).await?;
            let outcome = self.execute(&store, &scope, format).await;
            store.close().await;
            outcome
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn execute(self, store: &Store, scope: &TenantScope, format: Format) -> anyhow::Result<()> {
        match self {
            Self::List(_) => {
                let (states, letters) = (store.sink_states(scope).await?, store.letters(scope, 0, u32::MAX).await?);
                let text: Vec<String> = states.iter().map(state_line).chain(letters.iter().map(letter_line)).collect();
                let text = if text.is_empty() { format!("{scope} has no sinks") } else { text.join("\n") };
                let shown_states =
                    || states.iter().map(|state| shown_state(&state.sink, None, Some(state))).collect::<Vec<_>>();
                format.print(&text, || {
                    json!({"sinks": shown_states(), "dead_letters": letters.iter().map(shown).collect::<Vec<Value>>()})
                });
            }
            Self::Replay(Replay { chosen, to }) => {
                let states = store.sink_states(scope).await?;
                if let Some(to) = to.as_ref().filter(|to| !states.iter().any(|state| state.sink == **to)) {
                    bail!("there is no sink `{to}`; see `cuetone sinks list`");
                }
                let letters = chosen.letters(store, scope).await?;
                for letter in &letters {
                    store.request_replay(scope, *letter, to.as_deref(), SystemClock.now()).await?;
                }
                let text =
                    format!("{} to be delivered again; a running server does so within seconds", count(&letters));
                format.print(&text, || json!({"wanted": letters}));
            }
            Self::Drop(chosen) => {
                let letters = chosen.letters(store, scope).await?;
                for letter in &letters {
                    store.delete_letter(scope, *letter).await?;
                }
                format.print(&format!("{} thrown away", count(&letters)), || json!({"dropped": letters}));
            }
        }
        Ok(())
    }
}

impl Chosen {
    /// The wanted letters: all of them are there.
    async fn letters(&self, store: &Store, scope: &TenantScope) -> anyhow::Result<Vec<i64>> {
        let known: Vec<i64> = store.letters(scope, 0, u32::MAX).await?.iter().map(|letter| letter.id).collect();
        if self.all {
            return Ok(known);
        }
        match self.letters.iter().find(|letter| !known.contains(letter)) {
            Some(letter) => Err(anyhow!("{scope} has no dead letter {letter}; see `cuetone sinks list`")),
            None => Ok(self.letters.clone()),
        }
    }
}

fn count(letters: &[i64]) -> String {
    format!("{} dead letter{}", letters.len(), if letters.len() == 1 { "" } else { "s" })
}

fn state_line(state: &SinkState) -> String {
    let failure = state
        .failure
        .as_ref()
        .map_or_else(String::new, |failure| format!("  failing ({} attempts): {}", failure.failures, failure.error));
    let SinkState { sink, position, behind, dead_letters, .. } = state;
    format!("{sink}  at event {position}, {behind} behind, {dead_letters} dead letters{failure}")
}

fn letter_line(stored: &StoredLetter) -> String {
    let letter = &stored.letter;
    let wanted = if stored.replay_at.is_some() { ", wanted again" } else { "" };
    let (first, last) = (letter.first_event, letter.last_event);
    format!(
        "dead letter {}  {}: events {first} to {last}, {} attempts{wanted}: {}",
        stored.id, letter.sink, letter.attempts, letter.error
    )
}
