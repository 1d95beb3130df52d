//! A channel as those see it who stay with it for hours: always in its newest version.
//!
//! A session that held the version it began with would keep all of it in memory, compiled plugins among it; with a
//! viewer from each version, none would ever go. So sessions hold a [`Followed`], and every swap brings that up to date.
//! When the channel is gone, paused or has moved to another origin, its viewers go on with the last version that was theirs.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{ChannelRuntime, TenantRuntime};
use crate::{channel::RunningChannel, domain::Slug};

pub struct Followed {
    tenant: Slug,
    channel: Slug,
    running: Arc<RunningChannel>,
    newest: ArcSwap<Version>,
}

/// A channel and its tenant, of the same version.
pub struct Version {
    pub tenant: Arc<TenantRuntime>,
    pub channel: Arc<ChannelRuntime>,
}

/// Where a channel's versions find who follows it; handed on from one to the next.
#[derive(Default)]
pub struct Followers(Mutex<State>);

#[derive(Default)]
struct State {
    followed: Weak<Followed>,
    /// For who comes with an older version in hand.
    newest: (Weak<TenantRuntime>, Weak<ChannelRuntime>),
}

impl Followed {
    pub fn tenant(&self) -> &Slug {
        &self.tenant
    }

    pub fn channel(&self) -> &Slug {
        &self.channel
    }

    /// What all versions share.
    pub fn running(&self) -> &Arc<RunningChannel> {
        &self.running
    }

    pub fn newest(&self) -> Arc<Version> {
        self.newest.load_full()
    }
}

impl Followers {
    /// The channel, to be followed from this version on.
    pub(super) fn join(&self, tenant: &Arc<TenantRuntime>, channel: &Arc<ChannelRuntime>) -> Arc<Followed> {
        let mut state = self.0.lock();
        if let Some(followed) = state.followed.upgrade() {
            return followed;
        }
        let newest = state.newest.0.upgrade().zip(state.newest.1.upgrade());
        let (tenant, channel) = newest.unwrap_or_else(|| (tenant.clone(), channel.clone()));
        let followed = Arc::new(Followed {
            tenant: tenant.manifest.tenant.slug.clone(),
            channel: channel.channel.slug.clone(),
            running: channel.running.clone(),
            newest: ArcSwap::from_pointee(Version { tenant, channel }),
        });
        state.followed = Arc::downgrade(&followed);
        followed
    }

    /// There is a new version.
    pub(super) fn tell(&self, tenant: &Arc<TenantRuntime>, channel: &Arc<ChannelRuntime>) {
        let mut state = self.0.lock();
        if state.newest.0.as_ptr() == Arc::as_ptr(tenant) {
            return;
        }
        state.newest = (Arc::downgrade(tenant), Arc::downgrade(channel));
        if let Some(followed) = state.followed.upgrade() {
            followed.newest.store(Arc::new(Version { tenant: tenant.clone(), channel: channel.clone() }));
        }
    }
}
