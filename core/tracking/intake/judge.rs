//! What an event is judged by: its tenant's catalogue, the server's lists, and what the request says of its viewer.

use std::{net::IpAddr, sync::Arc};

use super::{Consent, TrafficLists};
use crate::{
    domain::{Ad, Channel, Money, Slug, Tenant},
    geo::Geo,
    tracking::SigningKey,
};

/// What of a tenant decides over its events.
pub trait Catalogue: Send + Sync {
    fn tenant(&self) -> &Tenant;
    /// For hashes of what must not be kept as it is.
    fn viewer_key(&self) -> &SigningKey;
    fn ad(&self, slug: &str) -> Option<&Ad>;
    fn channel(&self, slug: &str) -> Option<&Channel>;
    /// What one impression costs that this campaign pays for.
    fn impression_price(&self, campaign: Option<&Slug>) -> Money;
}

/// What a request says of the viewer who made it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Nothing where no list asks for it.
    pub address: Option<IpAddr>,
    pub user_agent: Option<&'a str>,
    pub consent: Consent,
}

/// What reports are judged with.
pub struct Judge {
    pub traffic: TrafficLists,
    /// Asked for the country of an address when a report names none.
    pub geo: Option<Arc<dyn Geo>>,
}
