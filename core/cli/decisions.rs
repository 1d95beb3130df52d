//! `cuetone decisions …`: what was decided, and what other rules would have decided.

mod replay;

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use self::replay::{Replay, What};
use super::{Format, Settings};
use crate::{
    app::open_store,
    bundle::{is_plugin, pack},
    decision::DecisionRecord,
    domain::{Clock, Moment, Slug, Span, SystemClock},
    store::{Store, TenantScope},
};

/// Records read at a time.
const PAGE: u32 = 500;

#[derive(Subcommand)]
pub enum DecisionsCommand {
    /// List written-down decisions: which ads for whom.
    List(List),
    /// Print one decision with everything that it depended on, as JSON.
    Show(Show),
    /// Decide again, with the same scripts or others, and print what would change.
    ///
    /// Without --with, every decision must come out as it did, to the byte: proof that nothing but the inputs decides.
    /// With --with FILE the script or plugin stands in for the one that is mounted under its path, or for the one that
    /// --in-place-of names; a script that stands in for none is asked in addition to the others.
    Replay(ReplayArgs),
}

/// Which decisions.
#[derive(Args)]
struct Range {
    /// The tenant's slug.
    tenant: Slug,
    /// From when: RFC 3339 (2026-11-23T00:00:00Z), a day (2026-11-23), or how long ago (24h, 30m, 7d).
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Until when, likewise; now if not given.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Of this channel only.
    #[arg(long)]
    channel: Option<Slug>,
    /// At most this many, oldest first.
    #[arg(long, default_value_t = 100_000)]
    limit: usize,
    #[command(flatten)]
    settings: Settings,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    range: Range,
}

#[derive(Args)]
pub struct Show {
    /// The tenant's slug.
    tenant: Slug,
    /// As `decisions list` prints it.
    id: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    range: Range,
    /// A script or plugin to decide with.
    #[arg(long, value_name = "FILE")]
    with: Option<std::path::PathBuf>,
    /// The mounted script that it stands in for, such as rules/kids.rhai or shipped:fill/best_effort.
    #[arg(long, value_name = "SCRIPT", requires = "with")]
    in_place_of: Option<String>,
    /// Prints each decision that changes.
    #[arg(long)]
    each: bool,
}

impl DecisionsCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::List(list) => list.run().await,
                Self::Show(show) => show.run().await,
                Self::Replay(arguments) => arguments.run().await,
            }
        })
    }
}

/// Written-down decisions, page by page.
struct Records {
    store: Store,
    scope: TenantScope,
    channel: Option<Slug>,
    since: Moment,
    until: Moment,
    after: Option<(Moment, String)>,
    left: usize,
}

impl Range {
    async fn open(&self) -> anyhow::Result<Records> {
        let store = open_store(&self.settings.load()?).await?;
        let now = SystemClock.now();
        Ok(Records {
            store,
            scope: TenantScope::new(self.tenant.clone()),
            channel: self.channel.clone(),
            since: moment(&self.since, now).context("--since")?,
            until: self.until.as_deref().map_or(Ok(now), |text| moment(text, now)).context("--until")?,
            after: None,
            left: self.limit,
        })
    }
}

impl Records {
    /// The next ones with their ids; empty at the end.
    async fn next(&mut self) -> anyhow::Result<Vec<(String, DecisionRecord)>> {
        let limit = PAGE.min(u32::try_from(self.left).unwrap_or(PAGE));
        if limit == 0 {
            return Ok(Vec::new());
        }
        let after = self.after.as_ref().map(|(time, id)| (*time, id.as_str()));
        let channel = self.channel.as_ref();
        let rows = self.store.decisions_between(&self.scope, channel, self.since, self.until, after, limit).await?;
        self.left -= rows.len().min(self.left);
        if let Some(last) = rows.last() {
            self.after = Some((last.time, last.id.clone()));
        }
        let read = |row: crate::store::DecisionRow| {
            let record =
                serde_json::from_str(&row.body).with_context(|| format!("decision {} cannot be read", row.id))?;
            Ok((row.id, record))
        };
        rows.into_iter().map(read).collect()
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let mut records = self.range.open().await?;
        loop {
            let page = records.next().await?;
            if page.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            for (id, record) in page {
                let ads: Vec<&str> = record.result.pod.iter().map(|ad| ad.ad.as_str()).collect();
                let time = crate::decision::local_time::rfc3339(record.time);
                let position = record.avail.position.as_str();
                let text = format!(
                    "{time} {id} {} {position} {} s: {}",
                    record.channel,
                    record.avail.duration,
                    ads.join(", ")
                );
                self.range.format.print(&text, || {
                    json!({"id": id, "time": time, "channel": record.channel, "position": position,
                        "duration_seconds": record.avail.duration.as_secs_f64(), "ads": ads, "version": record.version})
                });
            }
        }
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let store = open_store(&self.settings.load()?).await?;
        let row = store.decision(&TenantScope::new(self.tenant.clone()), &self.id).await?;
        let Some(row) = row else { bail!("there is no decision {} of {} on record", self.id, self.tenant) };
        let value: serde_json::Value = serde_json::from_str(&row.body)?;
        println!("{}", serde_json::to_string_pretty(&value)?);
        Ok(ExitCode::SUCCESS)
    }
}

impl ReplayArgs {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let what = match &self.with {
            None => What::Same,
            Some(path) => {
                let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                let path = path.display().to_string();
                let text = if is_plugin(&path) {
                    pack(&bytes)
                } else {
                    String::from_utf8(bytes).with_context(|| format!("{path} is no text"))?
                };
                What::With { path, text, in_place_of: self.in_place_of.clone() }
            }
        };
        let mut records = self.range.open().await?;
        let mut replay = Replay::new(records.store.clone(), records.scope.clone(), what)?;
        loop {
            let page = records.next().await?;
            if page.is_empty() {
                break;
            }
            for (id, record) in page {
                if let Some(change) = replay.run(&record).await?
                    && self.each
                {
                    let list = |ads: &[Slug]| ads.iter().map(Slug::as_str).collect::<Vec<_>>().join(", ");
                    let text = format!("{id}: {} -> {}", list(&change.before), list(&change.after));
                    self.range.format.print(&text, || json!({"id": id, "change": change}));
                }
            }
            eprint!("\r{} decisions", replay.summary.decisions);
        }
        eprintln!();
        self.range.format.print(&replay.summary.text(), || json!(replay.summary));
        // With the same scripts a difference is a fault; with others it is the answer.
        let faulty = self.with.is_none() && replay.summary.identical != replay.summary.decisions;
        Ok(if faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// `2026-11-23T00:00:00Z`, `2026-11-23` (midnight in UTC) or how long before `now`: `24h`.
fn moment(text: &str, now: Moment) -> anyhow::Result<Moment> {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    for (unit, seconds) in units {
        if let Some(number) = text.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok()) {
            return Ok(now - Span::from_secs(number.saturating_mul(seconds)));
        }
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Moment(stamp.as_microsecond()));
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        return Ok(Moment(day.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_microsecond()));
    }
    bail!("`{text}` is no time: write 2026-11-23T00:00:00Z, 2026-11-23, or how long ago, such as 24h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_three_ways() {
        let now = Moment(1_700_000_000_000_000);
        assert_eq!(moment("24h", now).unwrap(), now - Span::from_secs(86_400));
        assert_eq!(moment("2023-11-14T22:13:20Z", now).unwrap(), now);
        assert_eq!(moment("2023-11-14", now).unwrap(), Moment(1_699_920_000_000_000));
        assert!(moment("yesterday", now).unwrap_err().to_string().contains("2026-11-23"));
    }
}
