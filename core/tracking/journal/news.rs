//! Who wants to hear of events that are new in the database.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use crate::domain::{Event, Money, Slug};

/// Events kept for a slow listener of the live feed before it loses the oldest.
const LIVE_FEED_EVENTS: usize = 1_024;

pub struct News {
    live: broadcast::Sender<Arc<Event>>,
    heads: Mutex<HashMap<Slug, watch::Sender<i64>>>,
    /// Of the tenants that were told of since the last waking.
    newest: Mutex<HashMap<Slug, i64>>,
}

impl Default for News {
    fn default() -> Self {
        Self { live: broadcast::channel(LIVE_FEED_EVENTS).0, heads: Mutex::default(), newest: Mutex::default() }
    }
}

impl News {
    pub fn live(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }

    pub fn head(&self, tenant: &Slug) -> watch::Receiver<i64> {
        let mut heads = self.heads.lock();
        heads.entry(tenant.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// An event that is new, with what was charged for it. Copied only if somebody listens.
    pub fn tell(&self, id: i64, price: Money, event: &Event) {
        let mut newest = self.newest.lock();
        match newest.get_mut(&event.tenant) {
            Some(known) => *known = id.max(*known),
            None => drop(newest.insert(event.tenant.clone(), id)),
        }
        drop(newest);
        if self.live.receiver_count() > 0 {
            let _nobody = self.live.send(Arc::new(Event { price, ..event.clone() }));
        }
    }

    /// Wakes who waits for the tenants that were told of.
    pub fn wake(&self) {
        let heads = self.heads.lock();
        for (tenant, id) in self.newest.lock().drain() {
            if let Some(head) = heads.get(&tenant) {
                head.send_replace(id);
            }
        }
    }
}
