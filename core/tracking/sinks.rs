//! Delivery of events to the tenants' sinks: one task per sink, reading the journal by a durable cursor.
//!
//! At least once and in order: a batch's cursor moves when all its requests were taken, or when the batch was given up
//! and written to the dead letters. A sink that hangs, fails or dies holds up nobody but itself. The sink extension only
//! says *what* to send; it is called off the async threads, and its requests reach the hosts of the
//! tenant's manifest and no others, or a file in the tenant's own folder. Knows no script engine and no HTTP routes.

mod deliver;
pub mod file;
mod send;
#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod tests;
pub mod vault;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
};

use self::{deliver::Delivery, vault::Vault};
use super::Journal;
use crate::{
    domain::{Clock, Refusal},
    extension::{Lane, TrackingSink, secrets::Placeholders},
    outbound::Outbound,
    secret::KEY_BYTES,
    store::{Store, StoreError, TenantScope},
};

/// Numbers from 0 (included) to 1 (excluded), for jitter.
pub type Random = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How patiently sinks deliver.
#[derive(Clone, Copy, Debug)]
pub struct SinkTiming {
    /// After the first news, how long a sink waits for more: a request per event would drown its receiver.
    pub gather: Duration,
    /// How often a sink looks without having been told: events of other nodes tell nobody here.
    pub poll: Duration,
    /// Pause after the first failure; doubled with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Attempts before a batch becomes a dead letter.
    pub attempts: u32,
    /// One request, from name to status.
    pub request_deadline: Duration,
}

impl Default for SinkTiming {
    /// Eight attempts span about a minute and a half: longer than a receiver's restart, shorter than a backlog that
    /// could not be caught up.
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(100),
            poll: Duration::from_secs(5),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            attempts: 8,
            request_deadline: Duration::from_secs(10),
        }
    }
}

/// A sink as the tenant's manifest mounts it.
#[derive(Clone)]
pub struct SinkSpec {
    pub scope: TenantScope,
    /// Stable name of this sink within its tenant: its cursor hangs on it.
    pub name: String,
    /// Changes when anything about the sink does (content hash of script, configuration, hosts): it is then restarted.
    pub revision: String,
    pub sink: Arc<dyn TrackingSink>,
    /// Where it is asked.
    pub lane: Lane,
    /// With placeholders in place of secrets.
    pub config: Value,
    pub secrets: Placeholders,
    /// Hosts that the manifest grants. Nothing by default.
    pub allow_hosts: Vec<String>,
    /// Where an answer of 2xx says what was not taken after all.
    pub refused_if: Option<Refusal>,
    /// The tenant's key for `X-Cuetone-Signature`.
    pub signing_key: [u8; KEY_BYTES],
}

/// Runs every tenant's sinks.
pub struct SinkRunner {
    tools: Arc<Tools>,
    running: Mutex<HashMap<(TenantScope, String), Running>>,
}

/// What every sink's task works with.
pub struct Tools {
    pub store: Store,
    pub journal: Arc<Journal>,
    pub outbound: Outbound,
    pub vault: Vault,
    /// Files of sinks are in a folder of it.
    pub data_dir: PathBuf,
    /// Names this process among those that could deliver for the same sinks.
    pub node: String,
    pub clock: Arc<dyn Clock>,
    pub random: Random,
    pub timing: SinkTiming,
}

struct Running {
    /// `None` once told to stop.
    revision: Option<String>,
    /// Set to true, or dropped, to stop the task after the request under way.
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl SinkRunner {
    pub fn new(tools: Tools) -> Self {
        Self { tools: Arc::new(tools), running: Mutex::default() }
    }

    /// Makes the running sinks those of `specs`: starts new ones, restarts changed ones where they were, stops the
    /// rest. A sink never seen before gets every event recorded after this call and none from before.
    pub async fn reconcile(&self, specs: Vec<SinkSpec>) -> Result<(), StoreError> {
        let mut running = self.running.lock().await;
        let head = self.tools.store.events_head().await?;
        let mut wanted = HashMap::with_capacity(specs.len());
        for spec in specs {
            wanted.insert((spec.scope.clone(), spec.name.clone()), spec);
        }
        running.retain(|_, sink| !sink.task.is_finished() || sink.revision.is_some());
        for (key, sink) in running.iter_mut().filter(|(key, _)| !wanted.contains_key(*key)) {
            // Kept until it has ended: mounted again soon, its successor must wait for it.
            if sink.revision.take().is_some() {
                sink.stop.send_replace(true);
                tracing::info!(tenant = %key.0.tenant(), sink = %key.1, "sink stopped");
            }
        }
        for (key, spec) in wanted {
            if running
                .get(&key)
                .is_some_and(|sink| sink.revision.as_ref() == Some(&spec.revision) && !sink.task.is_finished())
            {
                continue;
            }
            let cursor = self.tools.store.sink_cursor(&spec.scope, &spec.name, head, self.tools.clock.now()).await?;
            let previous = running.remove(&key);
            if let Some(previous) = &previous {
                previous.stop.send_replace(true);
            }
            tracing::info!(tenant = %key.0.tenant(), sink = %key.1, "sink started");
            let (stop, stopped) = watch::channel(false);
            let revision = Some(spec.revision.clone());
            let (tools, previous) = (self.tools.clone(), previous.map(|sink| sink.task));
            let task = tokio::spawn(async move {
                // One task per sink at a time: order and cursor are its alone.
                let cursor = match previous {
                    Some(previous) => {
                        let _ended = previous.await;
                        None
                    }
                    None => Some(cursor),
                };
                Delivery::new(tools, spec, stopped).run(cursor).await;
            });
            running.insert(key, Running { revision, stop, task });
        }
        Ok(())
    }

    /// Stops every sink after the request under way. What was not delivered is delivered after the next start.
    pub async fn shutdown(&self) {
        let stopping: Vec<Running> = self.running.lock().await.drain().map(|(_, sink)| sink).collect();
        for sink in &stopping {
            sink.stop.send_replace(true);
        }
        for sink in stopping {
            let _ended = sink.task.await;
        }
    }
}
