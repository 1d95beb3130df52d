//! Where ads are asked for: a channel's ad server, or the tag of one ad.

use std::{sync::Arc, time::Duration};

use super::limits::DEFAULT_TIMEOUT;
use crate::domain::{Ad, Channel, Money, Slug, Tenant};

/// Whose demand it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The channel's external ad server.
    Channel(Slug),
    /// An ad whose creative comes from a tag.
    Ad { ad: Slug, campaign: Option<Slug> },
}

/// A tag, and how to ask for it.
#[derive(Clone, Debug)]
pub struct Source {
    pub tenant: Slug,
    pub owner: Owner,
    /// With macros in brackets.
    pub template: Arc<str>,
    /// For the whole answer, wrappers included.
    pub timeout: Duration,
    /// Sends the viewer's address as `X-Forwarded-For` too.
    pub forwarded_for: bool,
    /// The tenant's currency (ISO 4217): prices in others are not believed.
    pub currency: Box<str>,
    /// Price of a thousand impressions where the answer names none.
    pub cpm: Option<Money>,
}

impl Source {
    /// The channel's ad server, if it has one.
    pub fn of_channel(tenant: &Tenant, channel: &Channel) -> Option<Self> {
        let server = channel.ad_server.as_ref()?;
        Some(Self {
            tenant: tenant.slug.clone(),
            owner: Owner::Channel(channel.slug.clone()),
            template: server.vast_url.as_str().into(),
            timeout: server.timeout,
            forwarded_for: server.forwarded_for,
            currency: tenant.currency.as_str().into(),
            cpm: server.cpm,
        })
    }

    /// The tag of an ad that has no creative of its own.
    pub fn of_ad(tenant: &Tenant, ad: &Ad) -> Option<Self> {
        let url = ad.vast_url.as_deref().filter(|_| ad.creative.is_none())?;
        Some(Self {
            tenant: tenant.slug.clone(),
            owner: Owner::Ad { ad: ad.slug.clone(), campaign: ad.campaign.clone() },
            template: url.into(),
            timeout: DEFAULT_TIMEOUT,
            forwarded_for: false,
            currency: tenant.currency.as_str().into(),
            cpm: None,
        })
    }
}
