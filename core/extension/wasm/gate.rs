//! Places in the pool of instances, counted: who finds none waits for one instead of failing.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

pub struct Gate {
    free: Mutex<usize>,
    left: Condvar,
}

/// A place that is taken; dropping it, on whichever thread, frees it.
pub struct Place(Arc<Gate>);

impl Gate {
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(places), left: Condvar::new() })
    }

    /// Waits at most so long for a place.
    pub fn enter(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let mut free = self.free.lock();
        if *free == 0 {
            self.left.wait_while_for(&mut free, |free| *free == 0, patience);
        }
        *free = free.checked_sub(1)?;
        Some(Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_waited_for_and_not_for_ever() {
        let gate = Gate::new(1);
        let place = gate.enter(Duration::ZERO).expect("a place");
        assert!(gate.enter(Duration::from_millis(5)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(Duration::from_secs(10)).is_some());
            drop(place);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(gate.enter(Duration::ZERO).is_some());
    }
}
