//! The decision log: a share of the decisions, written down so that they can be explained later and run again.
//!
//! Written in batches by one task. Nobody waits for it: when the disk is behind, records are dropped and counted.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    decision::DecisionRecord,
    store::{DecisionRow, Store},
};

/// Records that wait for the disk. A second's worth under load; they are worth less than the memory of more.
const MAX_WAITING: usize = 2_000;

/// Records of one transaction, and how long the first waits for company.
const BATCH: usize = 200;
const GATHER: Duration = Duration::from_millis(200);

pub struct DecisionLog {
    queue: parking_lot::Mutex<Option<mpsc::Sender<DecisionRecord>>>,
    writer: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl DecisionLog {
    /// Starts the writer on the current runtime.
    pub fn start(store: Store) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let writer = tokio::spawn(write(store, receiver));
        Arc::new(Self { queue: Some(sender).into(), writer: Some(writer).into() })
    }

    pub fn add(&self, record: DecisionRecord) {
        let queue = self.queue.lock();
        if queue.as_ref().is_none_or(|queue| queue.try_send(record).is_err()) {
            metrics::counter!("cuetone_decision_records_dropped_total").increment(1);
        }
    }

    /// Writes what waits.
    pub async fn shutdown(&self) {
        drop(self.queue.lock().take());
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            let _ended = writer.await;
        }
    }
}

async fn write(store: Store, mut queue: mpsc::Receiver<DecisionRecord>) {
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        let until = Instant::now() + GATHER;
        while batch.len() < BATCH {
            let Ok(Some(row)) = timeout_at(until, queue.recv()).await else { break };
            batch.push(row);
        }
        let rows: Vec<DecisionRow> = batch.iter().map(row).collect();
        if let Err(error) = store.put_decisions(&rows).await {
            tracing::warn!(%error, records = batch.len(), "decision records could not be written");
            metrics::counter!("cuetone_decision_records_dropped_total").increment(batch.len() as u64);
        }
    }
}

fn row(record: &DecisionRecord) -> DecisionRow {
    DecisionRow {
        tenant: record.tenant.clone(),
        channel: record.channel.clone(),
        // A session decides a break once.
        id: format!("{}/{}", record.session, record.avail.id),
        time: record.time,
        version: record.version,
        // A record is plain data: it has a spelling in JSON.
        body: serde_json::to_string(record).unwrap_or_default(),
    }
}
