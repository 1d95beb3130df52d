//! One sink's task: wait for news, read a batch, ask the extension, send, move the cursor. In between it delivers dead
//! letters again that somebody has asked for.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{
    SinkSpec, Tools,
    send::{Failure, Transport},
    vault::Opened,
};
use crate::{
    domain::{Event, Moment, Span},
    extension::{ExtensionError, SinkInput, SinkRequest, lane::NotRun, limits::MAX_SINK_REQUESTS},
    store::{DeadLetter, StoredEvent, StoredLetter},
};

/// Events of one call to a sink: their JSON stays far below the scripts' string limit.
const MAX_BATCH: u32 = 500;

/// How long a node delivers for a sink without saying so again: longer than the slowest request, and no longer than a
/// receiver may wait when a node dies.
const HOLD: Span = Span::from_secs(30);

/// Said again when less than this is left: longer than a request and its retries' first pauses take.
const HOLD_AGAIN: Span = Span::from_secs(15);

/// What has been done of a batch; later attempts go on from here.
#[derive(Default)]
struct Progress {
    requests: Option<Arc<[SinkRequest]>>,
    sent: usize,
}

pub(super) struct Delivery {
    tools: Arc<Tools>,
    spec: Arc<SinkSpec>,
    transport: Transport,
    stopped: watch::Receiver<bool>,
    /// A failure of this sink is, or may be, written down.
    failing: bool,
    /// When to look again for letters to deliver again.
    look_for_letters: Instant,
    /// Until then this node is the one that delivers.
    held_until: Moment,
}

/// Who delivers for a sink.
enum Hold {
    /// We do, as before.
    Kept,
    /// We do from now on, after this position.
    Taken(i64),
    /// Another node does.
    Other,
}

impl Delivery {
    pub fn new(tools: Arc<Tools>, spec: SinkSpec, stopped: watch::Receiver<bool>) -> Self {
        let spec = Arc::new(spec);
        let transport = Transport::new(tools.clone(), spec.clone());
        Self {
            tools,
            spec,
            transport,
            stopped,
            failing: true,
            look_for_letters: Instant::now(),
            held_until: Moment::MIN,
        }
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
            match self.hold().await {
                Hold::Kept => {}
                Hold::Taken(position) => {
                    cursor = Some(position);
                    continue;
                }
                Hold::Other => {
                    self.pause(self.tools.timing.poll).await;
                    continue;
                }
            }
            if let Some(letter) = self.wanted_letter().await {
                self.replay(letter).await;
                continue;
            }
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
        if self.held_until > Moment::MIN {
            // Otherwise another node waits until ours is over.
            let released = self.tools.store.release_sink(&self.spec.scope, &self.spec.name, &self.tools.node).await;
            if let Err(error) = released {
                self.warn("sink could not be released", &error.to_string());
            }
        }
    }

    /// Sees to it that no other node delivers meanwhile. A database in a file has one node.
    async fn hold(&mut self) -> Hold {
        let now = self.tools.clock.now();
        if !self.tools.store.tells() || self.held_until > now + HOLD_AGAIN {
            return Hold::Kept;
        }
        let (until, scope, name) = (now + HOLD, &self.spec.scope, &self.spec.name);
        match self.tools.store.hold_sink(scope, name, &self.tools.node, now, until).await {
            Ok(Some(position)) => {
                let taken = self.held_until < now;
                self.held_until = until;
                if taken { Hold::Taken(position) } else { Hold::Kept }
            }
            Ok(None) => {
                self.held_until = Moment::MIN;
                Hold::Other
            }
            Err(error) => {
                self.warn("sink could not ask whether it is to deliver", &error.to_string());
                if self.held_until > now { Hold::Kept } else { Hold::Other }
            }
        }
    }

    /// In the middle of a batch: whether it is still ours.
    async fn still_held(&mut self) -> Result<(), Failure> {
        match self.hold().await {
            Hold::Kept => Ok(()),
            Hold::Taken(_) | Hold::Other => {
                // Whoever delivered meanwhile has moved the cursor: it is to be read again.
                self.held_until = Moment::MIN;
                Err(Failure::retry("another node delivers for this sink"))
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
            if self.tools.store.tells() && self.held_until == Moment::MIN {
                return None;
            }
            self.note_failure(&failure.message).await;
            if failure.untried {
                // Like a database that is away: it costs time and no attempt. What nobody was asked for is not given up.
                self.pause(self.tools.timing.poll).await;
                if *self.stopped.borrow() {
                    return None;
                }
                continue;
            }
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
        self.note_success().await;
        Some(last)
    }

    /// A dead letter that is to be delivered again, looked for now and then.
    async fn wanted_letter(&mut self) -> Option<StoredLetter> {
        if Instant::now() < self.look_for_letters {
            return None;
        }
        let found = self.tools.store.next_replay(&self.spec.scope, &self.spec.name).await;
        let letter = found.unwrap_or_else(|error| {
            self.warn("sink could not look for letters to deliver again", &error.to_string());
            None
        });
        if letter.is_none() {
            self.look_for_letters = Instant::now() + self.tools.timing.poll;
        }
        letter
    }

    /// Delivers a letter's events again, once: it is gone, or it stays with what went wrong this time. Where the host did not
    /// let it be tried, it stays wanted.
    async fn replay(&mut self, letter: StoredLetter) {
        let (first, last) = (letter.letter.first_event, letter.letter.last_event);
        let (store, scope) = (self.tools.store.clone(), self.spec.scope.clone());
        let outcome = match store.events_after(&scope, first.saturating_sub(1), MAX_BATCH).await {
            Ok(events) => {
                let wanted = events.into_iter().filter(|stored| stored.id <= last);
                let events: Arc<[Event]> = wanted.map(|stored| stored.event).collect();
                // As they are now: a viewer who was erased meanwhile is in none of them.
                let delivered = self.attempt(&events, &mut Progress::default()).await;
                if delivered.is_ok() {
                    self.count("replayed", events.len());
                }
                delivered
            }
            Err(error) => Err(Failure::retry(error.to_string())),
        };
        if *self.stopped.borrow() && outcome.is_err() {
            // Not tried to the end; it stays wanted.
            return;
        }
        if outcome.as_ref().is_err_and(|failure| failure.untried) {
            self.look_for_letters = Instant::now() + self.tools.timing.poll;
            return;
        }
        let stored = match &outcome {
            Ok(()) => store.delete_letter(&scope, letter.id).await.map(drop),
            Err(failure) => {
                self.warn("sink could not deliver a dead letter again", &failure.message);
                store.replay_failed(&scope, letter.id, &failure.message, self.tools.clock.now()).await
            }
        };
        if let Err(error) = stored {
            self.warn("sink could not store what became of a dead letter", &error.to_string());
            self.pause(self.tools.timing.poll).await;
        }
    }

    /// Written down for whoever looks; not being able to is no trouble of the sink's.
    async fn note_failure(&mut self, message: &str) {
        self.failing = true;
        let now = self.tools.clock.now();
        if let Err(error) = self.tools.store.note_sink_failure(&self.spec.scope, &self.spec.name, message, now).await {
            tracing::debug!(%error, "a sink's failure could not be written down");
        }
    }

    async fn note_success(&mut self) {
        if self.failing {
            let cleared = self.tools.store.clear_sink_failure(&self.spec.scope, &self.spec.name).await;
            self.failing = cleared.is_err();
        }
    }

    async fn attempt(&mut self, events: &Arc<[Event]>, progress: &mut Progress) -> Result<(), Failure> {
        let requests = match &progress.requests {
            Some(requests) => requests.clone(),
            None => progress.requests.insert(self.ask(events.clone()).await?).clone(),
        };
        if requests.is_empty() {
            return Ok(());
        }
        let secrets = match self.spec.secrets.is_empty() {
            true => Opened::default(),
            false => {
                let opened = self.tools.vault.open(&self.spec.scope, &self.spec.secrets).await;
                opened.map_err(|error| Failure::retry(error.to_string()))?
            }
        };
        for request in requests.iter().skip(progress.sent) {
            if *self.stopped.borrow() {
                return Err(Failure::retry("stopped"));
            }
            self.still_held().await?;
            self.transport.send(request, &secrets).await?;
            progress.sent += 1;
        }
        Ok(())
    }

    /// Calls the extension on a blocking thread: a slow script costs its own tenant only.
    async fn ask(&self, events: Arc<[Event]>) -> Result<Arc<[SinkRequest]>, Failure> {
        let spec = self.spec.clone();
        let lane = spec.lane.clone();
        let call = lane.run(move || {
            let tenant = spec.scope.tenant().as_str();
            spec.sink.deliver(&SinkInput { tenant, events: &events, config: &spec.config })
        });
        let requests = match call.await {
            Ok(Ok(requests)) => requests,
            Ok(Err(error @ ExtensionError::Compile { .. })) => return Err(Failure::hopeless(error.to_string())),
            Ok(Err(error)) if error.is_the_hosts() || matches!(error, ExtensionError::CircuitOpen { .. }) => {
                return Err(Failure::untried(error.to_string()));
            }
            Ok(Err(error)) => return Err(Failure::retry(error.to_string())),
            Err(error @ NotRun::NoTurn) => return Err(Failure::untried(format!("the sink was not asked: {error}"))),
            Err(error @ NotRun::BrokeOff) => return Err(Failure::retry(format!("the sink was not asked: {error}"))),
        };
        if requests.len() > MAX_SINK_REQUESTS {
            let asked = requests.len();
            return Err(Failure::hopeless(format!(
                "the sink asked for {asked} requests, more than {MAX_SINK_REQUESTS}"
            )));
        }
        Ok(requests.into())
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
