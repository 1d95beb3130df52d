//! What viewers were promised: one impression per place in a pod, until it is counted or too late.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use super::line::Line;
use crate::domain::{AvailId, Event, Hashed, Moment};

/// Parts of the table that are locked by themselves: many more than there are processors.
const SHARDS: usize = 64;

/// A place in a viewer's pod. A hash of it: should two places ever share one, a single impression is held for both, and
/// the second is paid, if at all, from what is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HoldKey(u64);

impl HoldKey {
    pub fn new(session: &str, avail: &AvailId, position: u16) -> Self {
        let mut hasher = DefaultHasher::new();
        (session, avail, position).hash(&mut hasher);
        Self(hasher.finish())
    }

    pub fn of(event: &Event) -> Self {
        Self::new(&event.session, &event.avail, event.pod_position)
    }
}

pub(super) struct Hold {
    pub line: Arc<Line>,
    pub until: Moment,
}

type Shard = HashMap<HoldKey, Hold, BuildHasherDefault<Hashed>>;

pub(super) struct Holds {
    shards: Box<[Mutex<Shard>]>,
}

impl Default for Holds {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Holds {
    /// The part of the table that has this key.
    pub fn shard(&self, key: HoldKey) -> Option<MutexGuard<'_, Shard>> {
        // High bits: the maps use the low ones.
        let at = usize::try_from(key.0 >> 32).unwrap_or(0) % self.shards.len().max(1);
        self.shards.get(at).map(|shard| shard.lock())
    }

    pub fn remove(&self, key: HoldKey) -> Option<Hold> {
        self.shard(key)?.remove(&key)
    }

    /// Takes out what is too late.
    pub fn expire(&self, now: Moment) -> Vec<Hold> {
        let mut expired = Vec::new();
        for shard in &self.shards {
            expired.extend(shard.lock().extract_if(|_, hold| hold.until <= now).map(|(_, hold)| hold));
        }
        expired
    }

    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}
