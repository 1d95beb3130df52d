//! Who wants to hear of events that are new in the database.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use crate::domain::{Event, Slug};

/// Events kept for a slow listener of the live feed before it loses the oldest.
const LIVE_FEED_EVENTS: usize = 1_024;

pub struct News {
    live: broadcast::Sender<Arc<Event>>,
    heads: Mutex<HashMap<Slug, watch::Sender<i64>>>,
}

impl Default for News {
    fn default() -> Self {
        Self { live: broadcast::channel(LIVE_FEED_EVENTS).0, heads: Mutex::default() }
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

    pub fn tell(&self, new: Vec<(i64, Event)>) {
        let mut newest: HashMap<&Slug, i64> = HashMap::new();
        for (id, event) in &new {
            newest.insert(&event.tenant, *id);
        }
        let heads = self.heads.lock();
        for (tenant, id) in newest {
            if let Some(head) = heads.get(tenant) {
                head.send_replace(id);
            }
        }
        drop(heads);
        if self.live.receiver_count() > 0 {
            for (_, event) in new {
                let _nobody = self.live.send(Arc::new(event));
            }
        }
    }
}
