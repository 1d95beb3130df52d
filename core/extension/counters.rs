//! Counters as an extension meets them: what the tenant grants it, read from one moment's numbers, and noted, so that a
//! decision that is decided again reads the same.
//!
//! Does not know where the numbers come from: a live board, a record, a test.

use std::{collections::BTreeMap, fmt, sync::Arc};

use parking_lot::Mutex;

use crate::domain::{CounterGrant, CounterName};

/// Counters that one decision may read, by name: all campaigns and the ads of some batches. Each is written down with the
/// decision; a name beyond these is answered by none, then and in a replay.
const MAX_READ: usize = 2_000;

/// The numbers of a tenant at one moment.
pub trait CounterView: Send + Sync {
    /// None while it is not known.
    fn value(&self, name: &CounterName) -> Option<i64>;
}

/// What was written down or made up. What is not in it is not known.
impl CounterView for BTreeMap<String, i64> {
    fn value(&self, name: &CounterName) -> Option<i64> {
        self.get(&name.to_string()).copied()
    }
}

/// The counters that may be read in one decision, or in one call of it. Cheap to clone; clones note into one list.
#[derive(Clone, Default)]
pub struct Counters {
    view: Option<Arc<dyn CounterView>>,
    /// By the tenant. Nothing, as long as it is not known who asks.
    granted: Arc<[CounterGrant]>,
    /// By a plugin's metadata; scripts do not say what they read.
    asked: Option<Arc<[CounterGrant]>>,
    read: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl Counters {
    /// No extension may read any of them until it is [granted](Self::granting) some.
    pub fn new(view: Arc<dyn CounterView>) -> Self {
        Self { view: Some(view), ..Self::default() }
    }

    /// The same numbers, with nothing noted yet.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self { view: self.view.clone(), ..Self::default() }
    }

    /// For an extension that was granted these.
    #[must_use]
    pub fn granting(&self, grants: &Arc<[CounterGrant]>) -> Self {
        Self { granted: Arc::clone(grants), ..self.clone() }
    }

    /// For a plugin that asks for these and no others.
    #[must_use]
    pub fn asking(&self, asked: &Arc<[CounterGrant]>) -> Self {
        Self { asked: Some(Arc::clone(asked)), ..self.clone() }
    }

    /// None for what is no counter, is not asked for, not granted or not known.
    pub fn read(&self, name: &str) -> Option<i64> {
        let view = self.view.as_ref()?;
        let counter: CounterName = name.parse().ok()?;
        let among = |list: &[CounterGrant]| list.iter().any(|grant| grant.covers(&counter));
        if !among(&self.granted) || !self.asked.as_deref().is_none_or(among) {
            return None;
        }
        let mut read = self.read.lock();
        if let Some(value) = read.get(name) {
            return Some(*value);
        }
        if read.len() >= MAX_READ {
            return None;
        }
        let value = view.value(&counter)?;
        read.insert(name.to_owned(), value);
        Some(value)
    }

    /// What was read, by name.
    pub fn noted(&self) -> BTreeMap<String, i64> {
        self.read.lock().clone()
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.read.lock().iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Counters {
        let values = [("clicks.hour".to_owned(), 3), ("clicks.hour.ad.cola".to_owned(), 2)];
        Counters::new(Arc::new(BTreeMap::from(values)))
    }

    fn grants(texts: &[&str]) -> Arc<[CounterGrant]> {
        texts.iter().map(|text| text.parse().expect("a grant")).collect()
    }

    #[test]
    fn what_is_not_granted_is_not_told() {
        let counters = board();
        assert_eq!(counters.read("clicks.hour"), None);
        let ads = counters.granting(&grants(&["clicks.hour.ad.*"]));
        assert_eq!((ads.read("clicks.hour"), ads.read("clicks.hour.ad.cola")), (None, Some(2)));
        assert_eq!((ads.read("clicks.hour.ad.fanta"), ads.read("sold")), (None, None), "unknown");
        let all = counters.granting(&grants(&["clicks.hour", "clicks.hour.ad.*"]));
        assert_eq!((all.read("clicks.hour"), all.read("clicks.hour.ad.cola")), (Some(3), Some(2)));
        let asking = all.asking(&grants(&["clicks.hour", "impressions.hour"]));
        assert_eq!((asking.read("clicks.hour"), asking.read("clicks.hour.ad.cola")), (Some(3), None), "not asked for");
    }

    #[test]
    fn what_was_read_is_noted_and_nothing_else() {
        let counters = board();
        counters.granting(&grants(&["clicks.hour.ad.*"])).read("clicks.hour.ad.cola");
        counters.granting(&grants(&["clicks.hour"])).read("clicks.today");
        assert_eq!(counters.noted(), BTreeMap::from([("clicks.hour.ad.cola".to_owned(), 2)]));
        assert!(counters.afresh().noted().is_empty());
    }

    /// A record must not grow with what a script can spell, and a replay knows exactly what was noted.
    #[test]
    fn so_many_are_read_at_most_and_a_replay_reads_the_same() {
        struct All;
        impl CounterView for All {
            fn value(&self, _: &CounterName) -> Option<i64> {
                Some(1)
            }
        }
        let first = Counters::new(Arc::new(All));
        let names: Vec<String> = (0..MAX_READ + 10).map(|number| format!("clicks.hour.ad.a{number}")).collect();
        let read = |from: &Counters| {
            let from = from.granting(&grants(&["clicks.hour.ad.*"]));
            names.iter().map(|name| from.read(name)).collect::<Vec<_>>()
        };
        let told = read(&first);
        assert_eq!(told.iter().flatten().count(), MAX_READ);
        assert_eq!(read(&Counters::new(Arc::new(first.noted()))), told);
    }
}
