//! Requests per minute and tenant, by GCRA: one atomic word per tenant, no lock, no timer. Knows no routes.
//!
//! A tenant may spend a whole minute's requests at once; after that they come back evenly.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// The limit is reached; the next request is let in after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

/// One tenant's limiter. Keep it over reloads while [`Self::per_minute`] stays the same: a new one starts full.
pub struct TenantLimiter<C: Clock = DefaultClock> {
    per_minute: u32,
    /// `None`: no limit.
    limiter: Option<RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>>,
    clock: C,
}

impl TenantLimiter {
    /// 0 means no limit.
    pub fn new(per_minute: u32) -> Self {
        Self::with_clock(per_minute, DefaultClock::default())
    }
}

impl<C: Clock + Clone> TenantLimiter<C> {
    pub fn with_clock(per_minute: u32, clock: C) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        let limiter = quota.map(|quota| RateLimiter::direct_with_clock(quota, clock.clone()));
        Self { per_minute, limiter, clock }
    }

    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Takes one request's worth, or says how long to wait.
    pub fn check(&self) -> Result<(), RetryAfter> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|until| RetryAfter(until.wait_time_from(self.clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_minute_s_requests_may_come_at_once_and_return_evenly() {
        let clock = FakeRelativeClock::default();
        let limiter = TenantLimiter::with_clock(60, clock.clone());
        assert!((0..60).all(|_| limiter.check().is_ok()));
        assert_eq!(limiter.check(), Err(RetryAfter(Duration::from_secs(1))));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limiter.check(), Ok(()));
        assert!(limiter.check().is_err());
        clock.advance(Duration::from_secs(600));
        assert_eq!((0..100).filter(|_| limiter.check().is_ok()).count(), 60, "unused minutes do not add up");
    }

    #[test]
    fn zero_is_no_limit_and_tenants_do_not_share() {
        let open = TenantLimiter::new(0);
        assert!((0..10_000).all(|_| open.check().is_ok()));
        let (one, other) = (TenantLimiter::new(1), TenantLimiter::new(1));
        assert!(one.check().is_ok() && one.check().is_err() && other.check().is_ok());
    }

    #[test]
    fn threads_together_get_no_more_than_the_limit() {
        let clock = FakeRelativeClock::default();
        let limiter = TenantLimiter::with_clock(1_000, clock);
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..500).filter(|_| limiter.check().is_ok()).count())).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(passed, 1_000);
    }
}
