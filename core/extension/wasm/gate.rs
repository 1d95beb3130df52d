//! Places for calls, counted: who finds none waits for one instead of failing, and who came first is served first.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

pub struct Gate {
    places: usize,
    state: Mutex<State>,
}

struct State {
    /// None while somebody waits: a place that becomes free is handed to the first of them. Otherwise a call that has just
    /// ended and goes on to the next would be quicker than who has to wake up, over and over.
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Default)]
struct Waiter {
    /// It has a place. Read and written while the gate's state is locked.
    served: AtomicBool,
    woken: Condvar,
}

/// A place that is taken; dropping it, on whichever thread, frees it.
pub struct Place(Arc<Gate>);

impl Gate {
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, state: Mutex::new(State { free: places, waiting: VecDeque::new() }) })
    }

    /// All that there are.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Waits at most so long for a place, behind those who wait already.
    pub fn enter(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let mut state = self.state.lock();
        if let Some(left) = state.free.checked_sub(1) {
            state.free = left;
            return Some(Place(Arc::clone(self)));
        }
        let waiter = Arc::new(Waiter::default());
        state.waiting.push_back(Arc::clone(&waiter));
        waiter.woken.wait_while_for(&mut state, |_| !waiter.served.load(Relaxed), patience);
        if waiter.served.load(Relaxed) {
            return Some(Place(Arc::clone(self)));
        }
        state.waiting.retain(|other| !Arc::ptr_eq(other, &waiter));
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        match state.waiting.pop_front() {
            Some(first) => {
                first.served.store(true, Relaxed);
                first.woken.notify_one();
            }
            None => state.free += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn until(so: impl Fn() -> bool) {
        while !so() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_place_is_waited_for_and_not_for_ever() {
        let gate = Gate::new(1);
        let place = gate.enter(Duration::ZERO).expect("a place");
        assert!(gate.enter(Duration::from_millis(5)).is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(LONG).is_some());
            drop(place);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(gate.enter(Duration::ZERO).is_some());
    }

    #[test]
    fn who_came_first_is_served_first_however_quick_the_next_is() {
        let gate = Gate::new(1);
        let served = AtomicUsize::new(0);
        let place = gate.enter(Duration::ZERO).expect("a place");
        thread::scope(|scope| {
            scope.spawn(|| {
                let _place = gate.enter(LONG).expect("a place");
                served.fetch_add(1, Ordering::SeqCst);
            });
            until(|| gate.state.lock().waiting.len() == 1);
            drop(place);
            // Quicker than any thread that has to wake up.
            let _next = gate.enter(LONG).expect("a place");
            assert_eq!(served.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn every_place_is_used_and_none_is_lost_whoever_gives_up() {
        let gate = Gate::new(3);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for patience in (0..16).map(|thread| Duration::from_micros(if thread % 2 == 0 { 50 } else { 10_000_000 })) {
                let (gate, inside, most) = (&gate, &inside, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let Some(_place) = gate.enter(patience) else { continue };
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let state = gate.state.lock();
        assert_eq!((state.free, state.waiting.len()), (3, 0));
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }
}
