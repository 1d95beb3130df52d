//! What is remembered of extensions over reloads, for as long as somebody has them: the standing of each version, and the
//! quota of each tenant.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use serde_json::Value;

use super::{
    breaker::Monotonic,
    call::{Label, Standing},
    figures::{Figures, Totals},
    logs::TenantLog,
    quota::{Allowance, Quota},
};

pub struct Watch {
    clock: Monotonic,
    /// None: extensions that somebody runs by hand, who waits for them himself.
    allowance: Option<Allowance>,
    /// By configuration too: what fails with one may do well with another.
    standings: Shared<(Label, String), Standing>,
    figures: Shared<Label, Figures>,
    quotas: Shared<String, Quota>,
    logs: Shared<String, TenantLog>,
}

/// How one version of an extension does.
#[derive(Clone, Debug)]
pub struct Insight {
    pub of: Label,
    /// Somewhere it failed so often in a row that it is left alone.
    pub breaker_open: bool,
    pub totals: Totals,
}

/// Values that are there as long as somebody outside holds them.
struct Shared<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K: Eq + Hash, V> Shared<K, V> {
    fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.0.lock().get(key).and_then(Weak::upgrade)
    }

    fn get_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut known = self.0.lock();
        if let Some(value) = known.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        // Now and then, when it could have doubled: what nobody holds any more is forgotten.
        if known.len() == known.capacity() {
            known.retain(|_, value| value.strong_count() > 0);
        }
        let value = Arc::new(make());
        known.insert(key, Arc::downgrade(&value));
        value
    }
}

impl Watch {
    pub fn new(allowance: Option<Allowance>, clock: &Monotonic) -> Self {
        Self {
            clock: Arc::clone(clock),
            allowance,
            standings: Shared(Mutex::default()),
            figures: Shared(Mutex::default()),
            quotas: Shared(Mutex::default()),
            logs: Shared(Mutex::default()),
        }
    }

    /// Of a version, mounted with this configuration.
    pub fn standing(&self, of: &Label, config: &Value) -> Arc<Standing> {
        let figures = self.figures.get_or(of.clone(), Figures::default);
        let log = self.log(&of.tenant);
        self.standings.get_or((of.clone(), config.to_string()), || Standing::new(&self.clock, figures, log))
    }

    pub fn log(&self, tenant: &str) -> Arc<TenantLog> {
        self.logs.get_or(tenant.to_owned(), || TenantLog::new(tenant, Arc::clone(&self.clock)))
    }

    /// The same, if the tenant has extensions.
    pub fn known_log(&self, tenant: &str) -> Option<Arc<TenantLog>> {
        self.logs.get(tenant)
    }

    /// Every version that is in use, of one tenant or of all, by name.
    pub fn seen(&self, tenant: Option<&str>) -> Vec<Insight> {
        let asked = |label: &Label| tenant.is_none_or(|tenant| label.tenant == tenant);
        let figures = self.figures.0.lock();
        let known = figures.iter().filter(|(label, _)| asked(label));
        let known: Vec<_> = known.filter_map(|(label, figures)| Some((label.clone(), figures.upgrade()?))).collect();
        drop(figures);
        let standings = self.standings.0.lock();
        let open: HashSet<&Label> = standings
            .iter()
            .filter(|((label, _), standing)| asked(label) && standing.upgrade().is_some_and(|of| of.is_open()))
            .map(|((label, _), _)| label)
            .collect();
        let insight = |(of, figures): (Label, Arc<Figures>)| Insight {
            breaker_open: open.contains(&of),
            totals: figures.totals(),
            of,
        };
        let mut all: Vec<Insight> = known.into_iter().map(insight).collect();
        all.sort_by_cached_key(|Insight { of, .. }| {
            (of.tenant.clone(), of.extension.clone(), of.point, of.version.clone())
        });
        all
    }

    pub fn quota(&self, tenant: &str) -> Option<Arc<Quota>> {
        let allowance = self.allowance?;
        Some(self.quotas.get_or(tenant.to_owned(), || Quota::new(allowance, Arc::clone(&self.clock))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{Point, monotonic};

    #[test]
    fn a_version_is_known_again_while_somebody_has_it_and_forgotten_then() {
        let watch = Watch::new(None, &monotonic());
        let label = |version: &str| Label {
            tenant: "acme".to_owned(),
            extension: "x.rhai".to_owned(),
            version: version.to_owned(),
            point: Point::Fill,
        };
        let none = Value::Null;
        let first = watch.standing(&label("1"), &none);
        assert!(Arc::ptr_eq(&first, &watch.standing(&label("1"), &none)));
        assert!(!Arc::ptr_eq(&first, &watch.standing(&label("2"), &none)));
        let other = watch.standing(&label("1"), &Value::from(1));
        assert!(!Arc::ptr_eq(&first, &other) && Arc::ptr_eq(&first.figures, &other.figures));
        first.figures.answered();
        drop((first, other));
        assert_eq!(watch.standing(&label("1"), &none).figures.totals().seen().calls, 0);
        for version in 0..1_000 {
            drop(watch.standing(&label(&version.to_string()), &none));
        }
        assert!(watch.standings.0.lock().len() < 100);
    }
}
