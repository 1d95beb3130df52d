//! `cuetone reports …`: sums held against single events, days closed and counted anew, reports written to files.
//!
//! Works at the database itself, beside servers that run: whoever counts first counts.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Format, Settings};
use crate::{
    app::open_store,
    domain::{Clock, Slug, SystemClock},
    media::datetime,
    registry::stored,
    store::{COLUMNS, ReportQuery, ReportTraffic, Store, Sums, TenantScope},
    tracking::{
        report::{self, Asked, Document, Shape, Subject},
        rollup::{
            Rollups,
            calendar::{ReportSettings, day_of, last_due, zone},
            recount::{Progress, Recounted},
        },
    },
};

#[derive(Subcommand)]
pub enum ReportsCommand {
    /// Hold a day's sums against its single events: what is counted, what is not yet, which days are closed.
    Check(Check),
    /// Close a day: count it anew and make that its report. The server does so by itself at each tenant's report time.
    Aggregate(Aggregate),
    /// Count days anew from their single events.
    Backfill(Backfill),
    /// Write a report into a file.
    Export(Export),
}

#[derive(Args)]
struct Common {
    /// Of this tenant only.
    #[arg(long, value_name = "SLUG")]
    tenant: Option<Slug>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
pub struct Check {
    /// The day, such as 2026-11-24; today on each tenant's calendar if not given.
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    #[command(flatten)]
    common: Common,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct Aggregate {
    /// The day; the last that is over and due on each tenant's calendar if not given.
    date: Option<Date>,
    #[command(flatten)]
    common: Common,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct Backfill {
    /// The first day.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The last day, included.
    #[arg(long, value_name = "DATE")]
    to: Date,
    #[command(flatten)]
    common: Common,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Args)]
pub struct Export {
    /// The tenant's slug.
    #[arg(long, value_name = "SLUG")]
    tenant: Slug,
    /// The first day.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The last day, included.
    #[arg(long, value_name = "DATE")]
    to: Date,
    /// What rows are told apart by: day, hour, channel, campaign, ad, device, geo, counted_by.
    #[arg(long, value_name = "LIST", default_value = "day")]
    group_by: String,
    /// Which traffic.
    #[arg(long, value_enum, default_value_t = Traffic::Valid)]
    traffic: Traffic,
    #[arg(long, value_enum, default_value_t = FileFormat::Csv)]
    format: FileFormat,
    /// Where to write it; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Traffic {
    Valid,
    Invalid,
    All,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FileFormat {
    Json,
    Csv,
    Parquet,
}

impl ReportsCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = match &self {
            Self::Check(command) => &command.common.settings,
            Self::Aggregate(command) => &command.common.settings,
            Self::Backfill(command) => &command.common.settings,
            Self::Export(command) => &command.settings,
        };
        let config = settings.load()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = open_store(&config).await?;
            let outcome = match &self {
                Self::Check(command) => command.run(&store).await,
                Self::Aggregate(command) => command.run(&store).await,
                Self::Backfill(command) => command.run(&store).await,
                Self::Export(command) => command.run(&store).await,
            };
            store.close().await;
            outcome
        })
    }
}

/// What is known of the tenants that have events.
struct World {
    rollups: Rollups,
    tenants: Vec<TenantScope>,
}

impl World {
    async fn open(store: &Store, only: Option<&Slug>) -> anyhow::Result<Self> {
        let mut known = BTreeMap::new();
        let mut tenants = Vec::new();
        for position in store.rollup_positions().await? {
            let scope = TenantScope::new(position.tenant.clone());
            if let Some(found) = stored(store, &scope).await? {
                known.insert(position.tenant.clone(), ReportSettings::of(&found.manifest.tenant));
            }
            if only.is_none_or(|only| *only == position.tenant) {
                tenants.push(scope);
            }
        }
        if let Some(only) = only.filter(|_| tenants.is_empty()) {
            bail!("there are no events of a tenant `{only}`");
        }
        let rollups = Rollups::new(store.clone(), Arc::new(SystemClock), Arc::new(move || known.clone()));
        Ok(Self { rollups, tenants })
    }
}

fn sums(sums: &Sums) -> Value {
    let named = COLUMNS.iter().zip(sums.numbers()).map(|(name, number)| ((*name).to_owned(), json!(number)));
    Value::Object(named.collect())
}

impl Check {
    async fn run(&self, store: &Store) -> anyhow::Result<ExitCode> {
        let world = World::open(store, self.common.tenant.as_ref()).await?;
        let mut right = true;
        for scope in &world.tenants {
            let settings = world.rollups.settings(scope).await?;
            let day = self.date.unwrap_or_else(|| day_of(SystemClock.now(), &zone(&settings.timezone)));
            let checked = world.rollups.check(scope, day).await?;
            let positions = store.rollup_positions().await?;
            let lag = positions.iter().find(|position| position.tenant == *scope.tenant());
            let lag = lag.map_or(0, |position| position.head - position.position);
            let open = store.open_days(scope, day.yesterday()?).await?;
            let open: Vec<String> = open.iter().map(|day| day.day.to_string()).collect();
            let agrees = checked.as_ref().is_none_or(|checked| checked.agrees());
            right &= agrees;
            let mut text = format!("{} {day} ({}): ", scope.tenant(), settings.timezone);
            match &checked {
                None => text += "no events",
                Some(checked) => {
                    let state = checked.day.state.as_str();
                    text += &format!("{} events, {state}, ", checked.day.events);
                    text += match (&checked.raw, agrees) {
                        (None, _) => "single events are deleted by age",
                        (Some(_), true) => "the sums are those of the single events",
                        (Some(_), false) => {
                            "THE SUMS ARE NOT THOSE OF THE SINGLE EVENTS: see `cuetone reports backfill`"
                        }
                    };
                    let (_, raw) = checked.raw.unwrap_or((0, checked.counted));
                    for ((name, counted), raw) in COLUMNS.iter().zip(checked.counted.numbers()).zip(raw.numbers()) {
                        if *counted != 0 || *raw != 0 {
                            let apart = if counted == raw { String::new() } else { format!(" (single events: {raw})") };
                            text += &format!("\n  {name:<16} {counted}{apart}");
                        }
                    }
                }
            }
            text += &format!("\n  not counted yet  {}", if lag > 0 { "some events" } else { "none" });
            if !open.is_empty() {
                text += &format!("\n  days not closed  {}", open.join(", "));
            }
            self.format.print(&text, || {
                json!({
                    "tenant": scope.tenant(),
                    "day": day.to_string(),
                    "timezone": settings.timezone,
                    "events": checked.as_ref().map_or(0, |checked| checked.day.events),
                    "state": checked.as_ref().map(|checked| checked.day.state.as_str()),
                    "closed_at": checked.as_ref().and_then(|checked| checked.day.closed_at).map(datetime::format),
                    "counted": checked.as_ref().map(|checked| sums(&checked.counted)),
                    "raw_events": checked.as_ref().and_then(|checked| checked.raw).map(|(events, _)| events),
                    "raw": checked.as_ref().and_then(|checked| checked.raw).map(|(_, raw)| sums(&raw)),
                    "agrees": agrees,
                    "caught_up": lag <= 0,
                    "open_days": open,
                })
            });
        }
        Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Shows how far a recount is, on standard error, a hundred times at most.
fn shown(scope: &TenantScope, day: Date) -> impl FnMut(Progress) + Send {
    let name = scope.tenant().to_string();
    let mut percent = -1;
    move |progress: Progress| {
        let now = progress.done.saturating_mul(100) / progress.whole.max(1);
        if now != percent {
            percent = now;
            eprint!("\r{name} {day}: {now} %, {} events ", progress.events);
            if now >= 100 {
                eprintln!();
            }
        }
    }
}

fn told(format: Format, scope: &TenantScope, day: Date, outcome: &Recounted) {
    let (what, events, differences) = match outcome {
        Recounted::Done { events, differences } => ("counted", Some(*events), Some(*differences)),
        Recounted::Empty => ("no events", None, None),
        Recounted::RawGone => ("not counted: single events are deleted by age, its sums stay as they are", None, None),
        Recounted::Restless => ("not counted: too many events came in meanwhile, try again", None, None),
    };
    let mut text = format!("{} {day}: {what}", scope.tenant());
    if let (Some(events), Some(differences)) = (events, differences) {
        text += &format!(", {events} events, ");
        text += &if differences == 0 {
            "as it was before".to_owned()
        } else {
            format!("{differences} rows were different before")
        };
    }
    format.print(&text, || {
        json!({"tenant": scope.tenant(), "day": day.to_string(), "outcome": what, "events": events,
            "differences": differences})
    });
}

impl Aggregate {
    async fn run(&self, store: &Store) -> anyhow::Result<ExitCode> {
        let world = World::open(store, self.common.tenant.as_ref()).await?;
        for scope in &world.tenants {
            let settings = world.rollups.settings(scope).await?;
            let due = last_due(SystemClock.now(), settings.report_time, &zone(&settings.timezone));
            let Some(day) = self.date.or(due.map(|(day, _)| day)) else { continue };
            if day >= day_of(SystemClock.now(), &zone(&settings.timezone)) {
                bail!("{day} is not over for {}: its sums are live; see `cuetone reports check`", scope.tenant());
            }
            let outcome = world.rollups.close(scope, day, &mut shown(scope, day)).await?;
            told(self.format, scope, day, &outcome);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Backfill {
    async fn run(&self, store: &Store) -> anyhow::Result<ExitCode> {
        report::days(self.from, self.to)?;
        let world = World::open(store, self.common.tenant.as_ref()).await?;
        let mut left_out = false;
        for scope in &world.tenants {
            world.rollups.catch_up_one(scope).await?;
            let days = store.report_days(scope, self.from, self.to).await?;
            if days.is_empty() && self.format == Format::Human {
                println!("{} {} to {}: no events", scope.tenant(), self.from, self.to);
            }
            for known in days {
                let day = known.day;
                let outcome = world.rollups.recount(scope, day, false, &mut shown(scope, day)).await?;
                left_out |= matches!(outcome, Recounted::RawGone | Recounted::Restless);
                told(self.format, scope, day, &outcome);
            }
        }
        Ok(if left_out { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Export {
    async fn run(&self, store: &Store) -> anyhow::Result<ExitCode> {
        report::days(self.from, self.to)?;
        let scope = TenantScope::new(self.tenant.clone());
        let Some(found) = stored(store, &scope).await? else { bail!("there is no tenant `{}`", self.tenant) };
        let tenant = &found.manifest.tenant;
        let subject = Subject {
            tenant: self.tenant.clone(),
            timezone: tenant.timezone.clone(),
            currency: tenant.currency.clone(),
        };
        let traffic = match self.traffic {
            Traffic::Valid => ReportTraffic::Valid,
            Traffic::Invalid => ReportTraffic::Invalid,
            Traffic::All => ReportTraffic::All,
        };
        let group_by = report::group_by(&self.group_by)?;
        let query = ReportQuery { from: self.from, to: self.to, group_by, filters: Vec::new(), traffic };
        let shape = match self.format {
            FileFormat::Json => Shape::Json,
            FileFormat::Csv => Shape::Csv,
            FileFormat::Parquet => Shape::Parquet,
        };
        let mut document = Document::new(store.clone(), subject, Asked { query, shape })?;
        let cannot = || format!("{} cannot be written", self.out.display());
        let mut out: Box<dyn std::io::Write> = if self.out.as_os_str() == "-" {
            Box::new(std::io::stdout().lock())
        } else {
            Box::new(std::fs::File::create(&self.out).with_context(cannot)?)
        };
        while let Some(bytes) = document.next().await? {
            out.write_all(&bytes).with_context(cannot)?;
            eprint!("\r{} rows", document.rows);
        }
        out.flush().with_context(cannot)?;
        eprintln!("\r{} rows in {}", document.rows, self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}
