//! Asks an extension with a given input, as the server would, and shows its answer as JSON.

use serde_json::{Value, json};

use super::{
    given::{AdGiven, DetectGiven, FillGiven, RequestGiven, SinkGiven, TargetingGiven},
    subject::{Subject, Told, Usage},
};
use crate::{
    domain::Span,
    extension::{
        Candidate, DetectInput, ExtensionError, FillInput, Patience, Point, RequestContext, RuleInput, SinkInput,
        Verdict, check, rhai::api::avail::kind_text, secrets,
    },
};

/// An input for any of the points.
#[derive(Debug)]
pub enum Given {
    Detect(DetectGiven),
    Targeting(Box<TargetingGiven>),
    Fill(FillGiven),
    Sink(SinkGiven),
}

/// What came of asking.
#[derive(Debug)]
pub struct Outcome {
    pub answer: Value,
    pub usage: Usage,
    pub log: Vec<String>,
}

impl Given {
    /// Reads one from YAML; the error has line and column.
    pub fn from_yaml(point: Point, text: &str) -> Result<Self, serde_yaml::Error> {
        Ok(match point {
            Point::Detect => Self::Detect(serde_yaml::from_str(text)?),
            Point::Targeting => Self::Targeting(Box::new(serde_yaml::from_str(text)?)),
            Point::Fill => Self::Fill(serde_yaml::from_str(text)?),
            Point::Sink => Self::Sink(serde_yaml::from_str(text)?),
        })
    }
}

/// The input makes no sense, or the extension failed.
#[derive(Debug)]
pub enum AskError {
    Input(String),
    Extension(ExtensionError),
}

impl From<ExtensionError> for AskError {
    fn from(error: ExtensionError) -> Self {
        Self::Extension(error)
    }
}

pub fn ask(subject: &dyn Subject, given: &Given) -> Result<Outcome, AskError> {
    match given {
        Given::Detect(given) => detect(subject, given),
        Given::Targeting(given) => target(subject, given),
        Given::Fill(given) => fill(subject, given),
        Given::Sink(given) => deliver(subject, given),
    }
}

/// The host's own check of the answer, and the answer as JSON.
fn checked<T>(
    subject: &dyn Subject,
    told: Told<T>,
    verify: impl FnOnce(&T) -> check::Verified,
    show: impl FnOnce(&Told<T>) -> Value,
) -> Result<Outcome, AskError> {
    verify(&told.answer).map_err(|message| ExtensionError::Answer { path: subject.path().to_owned(), message })?;
    Ok(Outcome { answer: show(&told), usage: told.usage, log: told.log })
}

fn detect(subject: &dyn Subject, given: &DetectGiven) -> Result<Outcome, AskError> {
    let window = given.window.to_domain().map_err(AskError::Input)?;
    let known: Vec<_> = given.known.iter().map(super::given::AvailGiven::to_domain).collect();
    let input = DetectInput {
        window: &window,
        known: &known,
        break_interval: Span::from_secs_f64(given.break_interval),
        break_duration: Span::from_secs_f64(given.break_duration),
        config: &given.config,
    };
    let told = subject.detect(&input)?;
    checked(
        subject,
        told,
        |found| check::avails(&input, found),
        |told| {
            let show = |found: &crate::extension::FoundAvail| {
                json!({
                    "id": found.id,
                    "start": found.start.as_secs_f64(),
                    "duration": found.duration.as_secs_f64(),
                    "kind": kind_text(found.kind),
                    "position": found.position.as_str(),
                    "closed": found.closed,
                    "metadata": found.metadata,
                })
            };
            told.answer.iter().map(show).collect()
        },
    )
}

fn target(subject: &dyn Subject, given: &TargetingGiven) -> Result<Outcome, AskError> {
    let ads: Vec<&AdGiven> = given.ad.iter().chain(&given.ads).collect();
    if ads.is_empty() {
        return Err(AskError::Input("give an `ad`, or a list of `ads`".to_owned()));
    }
    let show = |verdict: &Verdict| match verdict {
        Verdict::Keep => json!("keep"),
        Verdict::Drop { reason } => json!({ "drop": reason }),
        Verdict::Score(score) => json!({ "score": score }),
    };
    let alone = given.ads.is_empty();
    with_candidates(&given.request, &ads, |request, candidates| {
        let counters = given.counters.known();
        let input = RuleInput { request, candidates, config: &given.config, counters: &counters };
        let told = subject.judge(&input)?;
        checked(
            subject,
            told,
            |verdicts| check::verdicts(&input, verdicts),
            |told| match told.answer.first() {
                Some(verdict) if alone => show(verdict),
                _ => told.answer.iter().map(show).collect(),
            },
        )
    })
}

fn fill(subject: &dyn Subject, given: &FillGiven) -> Result<Outcome, AskError> {
    let ads: Vec<&AdGiven> = given.ads.iter().collect();
    let avail = given.avail.to_domain();
    let with_avail = |request: &RequestContext<'_>, candidates: &[Candidate<'_>]| {
        let request = RequestContext { avail: &avail, ..request.clone() };
        let counters = given.counters.known();
        let input = FillInput { request: &request, candidates, config: &given.config, counters: &counters };
        let told = subject.fill(&input)?;
        checked(
            subject,
            told,
            |chosen| check::pod(&input, chosen),
            |told| told.answer.iter().map(|index| candidates.get(*index).map(|ad| ad.id)).collect(),
        )
    };
    with_candidates(&RequestGiven::default(), &ads, with_avail)
}

fn deliver(subject: &dyn Subject, given: &SinkGiven) -> Result<Outcome, AskError> {
    let events: Result<Vec<_>, String> = given.events.iter().map(super::given::EventGiven::to_domain).collect();
    let events = events.map_err(AskError::Input)?;
    let config = secrets::hide_for_trial(&given.config);
    let input = SinkInput { tenant: "acme", events: &events, config: &config };
    let told = subject.deliver(&input)?;
    checked(
        subject,
        told,
        |requests| check::requests(&input, requests),
        |told| {
            let show = |request: &crate::extension::SinkRequest| {
                // A body that is JSON is shown as what it says.
                let body = serde_json::from_str(&request.body).unwrap_or_else(|_| Value::String(request.body.clone()));
                json!({ "method": request.method, "url": request.url, "headers": request.headers, "body": body })
            };
            json!({ "requests": told.answer.iter().map(show).collect::<Vec<_>>(), "log": told.log })
        },
    )
}

fn with_candidates<T>(
    given: &RequestGiven,
    ads: &[&AdGiven],
    body: impl FnOnce(&RequestContext<'_>, &[Candidate<'_>]) -> T,
) -> T {
    /// Micro-units in a unit of currency.
    const MICROS: f64 = 1_000_000.0;
    let viewer = given.viewer();
    let avail = given.avail.to_domain();
    let request = RequestContext {
        tenant: &given.tenant,
        channel: &given.channel,
        channel_labels: &given.labels,
        viewer: &viewer,
        avail: &avail,
        now: given.now(),
        seed: given.seed,
        patience: &Patience::default(),
    };
    let candidates = ads.iter().map(|ad| Candidate {
        id: &ad.id,
        campaign: ad.campaign.as_deref(),
        duration: Span::from_secs_f64(ad.duration),
        priority: ad.priority,
        cpm_micros: (ad.cpm * MICROS).round() as i64,
        score: ad.score,
        labels: &ad.labels,
        category: ad.category.as_deref(),
        seen: ad.seen,
    });
    body(&request, &candidates.collect::<Vec<_>>())
}
