//! Every tenant's request limiter, kept over reloads while its rate is unchanged.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::rate_limit::{RetryAfter, TenantLimiter};
use crate::domain::{Slug, Tenant};

#[derive(Default)]
pub struct TenantLimits(RwLock<HashMap<Slug, Arc<TenantLimiter>>>);

impl TenantLimits {
    /// Takes one request's worth of the tenant's limit.
    pub fn check(&self, tenant: &Tenant) -> Result<(), RetryAfter> {
        let wanted = tenant.rate_limit_per_minute;
        if let Some(limiter) = self.0.read().get(&tenant.slug).filter(|limiter| limiter.per_minute() == wanted) {
            return limiter.check();
        }
        let mut limiters = self.0.write();
        // Another request may have been here first: two limiters would let twice as many in.
        let known = limiters.get(&tenant.slug).filter(|limiter| limiter.per_minute() == wanted);
        let limiter = known.cloned().unwrap_or_else(|| Arc::new(TenantLimiter::new(wanted)));
        limiters.insert(tenant.slug.clone(), limiter.clone());
        drop(limiters);
        limiter.check()
    }
}
