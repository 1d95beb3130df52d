//! The decision log: a share of the decisions, written down so that they can be explained later and run again.
//!
//! Written in batches by one task. Nobody waits for it: when the disk is behind, records are dropped and counted.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
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
    /// Nothing once it has been shut down. No lock: decisions of tenants that use much run when nobody else does, and one that
    /// held it would hold up the decisions of all.
    queue: ArcSwapOption<mpsc::Sender<DecisionRecord>>,
    writer: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl DecisionLog {
    /// Starts the writer on the current runtime.
    pub fn start(store: Store) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let writer = tokio::spawn(write(store, receiver));
        Arc::new(Self { queue: ArcSwapOption::from_pointee(sender), writer: Some(writer).into() })
    }

    pub fn add(&self, record: DecisionRecord) {
        let queue = self.queue.load();
        if queue.as_ref().is_none_or(|queue| queue.try_send(record).is_err()) {
            metrics::counter!("cuetone_decision_records_dropped_total").increment(1);
        }
    }

    /// Writes what waits.
    pub async fn shutdown(&self) {
        self.queue.store(None);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decision::RecordedResult,
        domain::{Avail, AvailId, AvailKind, Moment, Position, Span, Viewer},
        store::tests::{scope, store},
    };

    fn record(session: &str) -> DecisionRecord {
        DecisionRecord {
            tenant: "acme".parse().unwrap(),
            version: 1,
            channel: "news".parse().unwrap(),
            trial: false,
            session: session.to_owned(),
            viewer: Viewer::default(),
            avail: Avail {
                id: AvailId::new("a"),
                start: Moment(0),
                duration: Span::from_secs(30),
                kind: AvailKind::Replace,
                position: Position::MidRoll,
                closed: true,
                source: "test".to_owned(),
                metadata: Default::default(),
            },
            time: Moment(0),
            seed: 0,
            history: Vec::new(),
            spend: Default::default(),
            creatives: Default::default(),
            external: Vec::new(),
            external_creatives: Default::default(),
            counters: Default::default(),
            scripts: Vec::new(),
            result: RecordedResult {
                pod: Vec::new(),
                slate: None,
                rest: Span::ZERO,
                outcomes: Vec::new(),
                failures: Vec::new(),
            },
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_decision_that_is_held_up_while_it_is_written_down_holds_up_no_other() {
        let (_folder, store) = store().await;
        let log = DecisionLog::start(store.clone());
        log.add(record("before"));
        {
            // As a thread that has lost the processor in the middle of `add` has it.
            let _held = log.queue.load();
            let (other, (tell, told)) = (Arc::clone(&log), std::sync::mpsc::channel());
            std::thread::spawn(move || {
                other.add(record("beside"));
                tell.send(())
            });
            assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(()));
        }
        log.shutdown().await;
        log.add(record("after"));
        let written = async |session: &str| store.decision(&scope("acme"), &format!("{session}/a")).await.unwrap();
        assert!(written("before").await.is_some() && written("beside").await.is_some());
        assert!(written("after").await.is_none(), "nobody writes any more");
    }
}
