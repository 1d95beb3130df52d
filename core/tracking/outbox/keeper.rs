//! Writes orders down in groups, and goes on trying while the database is away.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::Tools;
use crate::store::BeaconOrder;

/// Orders of one transaction: keeps it short for everybody who waits.
const MAX_GROUP: usize = 64;

/// Pause while the database is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Attempts once the server is shutting down.
const LAST_ATTEMPTS: u32 = 3;

pub(super) struct Entry {
    pub order: BeaconOrder,
    pub reply: oneshot::Sender<()>,
}

pub(super) async fn run(tools: Arc<Tools>, mut entries: mpsc::Receiver<Entry>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while entries.recv_many(&mut group, MAX_GROUP).await > 0 {
        let mut waiting = Vec::with_capacity(group.len());
        let mut orders = Vec::with_capacity(group.len());
        for Entry { order, reply } in group.drain(..) {
            orders.push(order);
            waiting.push(reply);
        }
        keep(&tools, &orders, &entries).await;
        for reply in waiting {
            // The viewer may not have waited.
            let _gone = reply.send(());
        }
    }
}

async fn keep(tools: &Tools, orders: &[BeaconOrder], entries: &mpsc::Receiver<Entry>) {
    let mut last = 0;
    loop {
        match tools.parts.store.keep_orders(orders, &*tools.parts.day_of, tools.now()).await {
            Ok(()) => return tools.due.notify_one(),
            Err(error) => tracing::warn!(%error, orders = orders.len(), "beacons could not be kept; trying again"),
        }
        last += u32::from(entries.is_closed());
        if last >= LAST_ATTEMPTS {
            tracing::error!(orders = orders.len(), "beacons are lost: the database is away and the server stops");
            return metrics::counter!("cuetone_beacon_orders_lost_total").increment(orders.len() as u64);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
