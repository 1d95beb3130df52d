//! Turns: who works on the same thing waits for each other, who works on another thing does not.
//!
//! Knows neither what is worked on nor with which lock: a lock is kept for as long as somebody holds or waits for it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

/// One lock of type `L` for each key that somebody works on.
pub struct Turns<K, L> {
    locks: Mutex<HashMap<K, Weak<L>>>,
}

impl<K: Eq + Hash, L: Default> Turns<K, L> {
    /// The lock of this key, the same for all who ask for it meanwhile.
    pub fn of(&self, key: K) -> Arc<L> {
        let mut locks = self.locks.lock();
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        // Before it grows, so that it is as large as what goes on at a time, not as all that ever went on.
        if locks.len() == locks.capacity() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}

impl<K, L> Default for Turns<K, L> {
    fn default() -> Self {
        Self { locks: Mutex::new(HashMap::new()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_has_one_lock_and_another_key_another() {
        let turns: Turns<&str, Mutex<()>> = Turns::default();
        let (first, again, other) = (turns.of("a"), turns.of("a"), turns.of("b"));
        let _held = first.lock();
        assert!(again.try_lock().is_none());
        assert!(other.try_lock().is_some());
    }

    #[test]
    fn keys_that_nobody_works_on_are_forgotten() {
        let turns: Turns<u32, Mutex<()>> = Turns::default();
        let held = turns.of(0);
        for key in 1..10_000 {
            drop(turns.of(key));
        }
        assert!(turns.locks.lock().len() < 100, "{}", turns.locks.lock().len());
        assert!(Arc::ptr_eq(&held, &turns.of(0)));
    }
}
