//! One sink's task: wait for news, read a batch, ask the extension, send, move the cursor.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::watch;
use url::Url;

use super::{SinkSpec, Tools};
use crate::{
    domain::Event,
    extension::{ExtensionError, SinkInput, SinkRequest},
    outbound::{OutboundError, SendRequest},
    store::{DeadLetter, StoredEvent},
    tracking::signature::sign_body,
};

/// Events of one call to a sink: their JSON stays far below the scripts' string limit.
const MAX_BATCH: u32 = 500;

/// Requests that a sink may answer for one batch: one per event.
const MAX_REQUESTS: usize = 500;

/// `t=<seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`: proves to the receiver who sent a request, and when.
const SIGNATURE_HEADER: &str = "x-cuetone-signature";

/// A batch that could not be delivered now.
struct Failure {
    message: String,
    /// Trying again cannot help.
    hopeless: bool,
    /// The receiver asked for this pause.
    pause: Option<Duration>,
}

impl Failure {
    fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), hopeless: false, pause: None }
    }
    fn hopeless(message: impl Into<String>) -> Self {
        Self { message: message.into(), hopeless: true, pause: None }
    }
}

/// What has been done of a batch; later attempts go on from here.
#[derive(Default)]
struct Progress {
    requests: Option<Arc<[SinkRequest]>>,
    sent: usize,
}

pub(super) struct Delivery {
    tools: Arc<Tools>,
    spec: Arc<SinkSpec>,
    stopped: watch::Receiver<bool>,
}

impl Delivery {
    pub fn new(tools: Arc<Tools>, spec: SinkSpec, stopped: watch::Receiver<bool>) -> Self {
        Self { tools, spec: Arc::new(spec), stopped }
    }

    /// Runs until stopped. Without a cursor it reads its own first.
    pub async fn run(mut self, cursor: Option<i64>) {
        let mut news = self.tools.journal.head(self.spec.scope.tenant());
        let mut cursor = cursor;
        while !*self.stopped.borrow() {
            let Some(position) = cursor else {
                cursor = self.read_cursor().await;
                if cursor.is_none() {
                    self.pause(self.tools.timing.poll).await;
                }
                continue;
            };
            // Before reading: what is committed while we read wakes us again.
            news.mark_unchanged();
            let batch = match self.tools.store.events_after(&self.spec.scope, position, MAX_BATCH).await {
                Ok(batch) => batch,
                Err(error) => {
                    self.warn("sink could not read the journal", &error.to_string());
                    self.pause(self.tools.timing.poll).await;
                    continue;
                }
            };
            if batch.is_empty() {
                self.wait_for_news(&mut news).await;
                continue;
            }
            if let Some(reached) = self.deliver(batch).await {
                cursor = Some(reached);
            }
        }
    }

    async fn read_cursor(&self) -> Option<i64> {
        let now = self.tools.clock.now();
        match self.tools.store.sink_cursor(&self.spec.scope, &self.spec.name, 0, now).await {
            Ok(cursor) => Some(cursor),
            Err(error) => {
                self.warn("sink could not read its cursor", &error.to_string());
                None
            }
        }
    }

    /// Delivers a batch or gives it up; answers how far the journal is done, `None` when stopped in between.
    async fn deliver(&mut self, batch: Vec<StoredEvent>) -> Option<i64> {
        let (first, last) = (batch.first()?.id, batch.last()?.id);
        let events: Arc<[Event]> = batch.into_iter().map(|stored| stored.event).collect();
        let mut progress = Progress::default();
        let mut attempts = 0;
        loop {
            let failure = match self.attempt(&events, &mut progress).await {
                Ok(()) => break,
                Err(failure) => failure,
            };
            attempts += 1;
            self.count("failed_attempt", 1);
            let given_up = failure.hopeless || attempts >= self.tools.timing.attempts;
            if given_up {
                self.warn("sink gave up a batch; it is among the dead letters", &failure.message);
                let letter = DeadLetter {
                    sink: self.spec.name.clone(),
                    first_event: first,
                    last_event: last,
                    attempts,
                    error: failure.message,
                    time: self.tools.clock.now(),
                };
                self.count("dead", events.len());
                self.store_outcome(last, Some(letter)).await?;
                return Some(last);
            }
            tracing::debug!(tenant = %self.spec.scope.tenant(), sink = %self.spec.name, error = %failure.message, attempts, "sink will try again");
            let pause = self.back_off(attempts).max(failure.pause.unwrap_or_default());
            self.pause(pause).await;
            if *self.stopped.borrow() {
                return None;
            }
        }
        self.count("delivered", events.len());
        self.store_outcome(last, None).await?;
        Some(last)
    }

    async fn attempt(&self, events: &Arc<[Event]>, progress: &mut Progress) -> Result<(), Failure> {
        let requests = match &progress.requests {
            Some(requests) => requests.clone(),
            None => progress.requests.insert(self.ask(events.clone()).await?).clone(),
        };
        for request in requests.iter().skip(progress.sent) {
            if *self.stopped.borrow() {
                return Err(Failure::retry("stopped"));
            }
            self.send(request).await?;
            progress.sent += 1;
        }
        Ok(())
    }

    /// Calls the extension on a blocking thread: a slow script costs its own tenant only.
    async fn ask(&self, events: Arc<[Event]>) -> Result<Arc<[SinkRequest]>, Failure> {
        let spec = self.spec.clone();
        let call = tokio::task::spawn_blocking(move || {
            let tenant = spec.scope.tenant().as_str();
            spec.sink.deliver(&SinkInput { tenant, events: &events, config: &spec.config })
        });
        let requests = match call.await {
            Ok(Ok(requests)) => requests,
            Ok(Err(error @ ExtensionError::Compile { .. })) => return Err(Failure::hopeless(error.to_string())),
            Ok(Err(error)) => return Err(Failure::retry(error.to_string())),
            Err(error) => return Err(Failure::retry(format!("the sink broke off: {error}"))),
        };
        if requests.len() > MAX_REQUESTS {
            let asked = requests.len();
            return Err(Failure::hopeless(format!("the sink asked for {asked} requests, more than {MAX_REQUESTS}")));
        }
        Ok(requests.into())
    }

    async fn send(&self, request: &SinkRequest) -> Result<(), Failure> {
        let url = Url::parse(&request.url).map_err(|error| Failure::hopeless(format!("malformed URL: {error}")))?;
        let seconds = self.tools.clock.now().as_secs();
        let digest = sign_body(&self.spec.signing_key, seconds, request.body.as_bytes());
        let signature = format!("t={seconds},v1={digest}");
        // Only the host signs.
        let own = request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(SIGNATURE_HEADER));
        let headers: Vec<(&str, &str)> = own
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([(SIGNATURE_HEADER, signature.as_str())])
            .collect();
        let sent = self.tools.outbound.send(SendRequest {
            method: &request.method,
            url: &url,
            headers: &headers,
            body: Bytes::copy_from_slice(request.body.as_bytes()),
            deadline: Some(self.tools.timing.request_deadline),
            allowed_hosts: Some(&self.spec.allow_hosts),
        });
        match sent.await {
            Ok(sent) if sent.is_success() => Ok(()),
            Ok(sent) => Err(Failure {
                message: format!("{} answered {}", url.host_str().unwrap_or_default(), sent.status),
                hopeless: false,
                pause: sent.retry_after,
            }),
            Err(error) if OutboundError::is_refusal(&error) => Err(Failure::hopeless(error.to_string())),
            Err(error) => Err(Failure::retry(error.to_string())),
        }
    }

    /// Moves the cursor to `last`, with a dead letter if the batch was given up. Tries until the database takes it;
    /// `None` when stopped before.
    async fn store_outcome(&mut self, last: i64, letter: Option<DeadLetter>) -> Option<()> {
        loop {
            let (store, scope) = (&self.tools.store, &self.spec.scope);
            let stored = match &letter {
                Some(letter) => store.give_up(scope, letter).await,
                None => store.advance_sink(scope, &self.spec.name, last, self.tools.clock.now()).await,
            };
            match stored {
                Ok(()) => return Some(()),
                Err(error) => self.warn("sink could not store its progress", &error.to_string()),
            }
            if *self.stopped.borrow() {
                return None;
            }
            self.pause(self.tools.timing.poll).await;
        }
    }

    /// Doubles from the first pause to the longest; the upper half is chance, so that sinks do not march in step.
    fn back_off(&self, failures: u32) -> Duration {
        let timing = &self.tools.timing;
        let doubled =
            timing.first_pause.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(timing.longest_pause).mul_f64(0.5 + 0.5 * (self.tools.random)().clamp(0.0, 1.0))
    }

    async fn wait_for_news(&mut self, news: &mut watch::Receiver<i64>) {
        let timing = self.tools.timing;
        tokio::select! {
            _stop = self.stopped.wait_for(|stopped| *stopped) => return,
            _told = news.changed() => {}
            () = tokio::time::sleep(timing.poll) => return,
        }
        self.pause(timing.gather).await;
    }

    async fn pause(&mut self, length: Duration) {
        tokio::select! {
            _stop = self.stopped.wait_for(|stopped| *stopped) => {}
            () = tokio::time::sleep(length) => {}
        }
    }

    fn warn(&self, what: &str, error: &str) {
        tracing::warn!(tenant = %self.spec.scope.tenant(), sink = %self.spec.name, error, "{what}");
    }

    fn count(&self, outcome: &'static str, events: usize) {
        metrics::counter!("cuetone_sink_events_total", "outcome" => outcome).increment(events as u64);
    }
}
