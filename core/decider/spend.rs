//! What a decision may spend: looked up in the ledger, then held there.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use super::Ask;
use crate::{
    decision::{Decision, Spend, SpendView},
    domain::{Moment, Slug},
    ledger::{HoldKey, Ledger, TenantSpend},
};

/// One decision's view of the ledger. Campaigns whose budget was gone when it was to be held are out for good.
pub struct Purse<'a> {
    ledger: &'a Ledger,
    lines: TenantSpend,
    ask: &'a Ask,
    until: Moment,
    gone: BTreeSet<Slug>,
    /// Campaigns that could pay and have nothing on this node at the moment.
    starved: RefCell<BTreeSet<Slug>>,
}

impl<'a> Purse<'a> {
    pub fn new(ledger: &'a Arc<Ledger>, ask: &'a Ask, until: Moment) -> Self {
        let lines = ledger.tenant(&ask.tenant.manifest.tenant.slug);
        Self { ledger, lines, ask, until, gone: BTreeSet::new(), starved: RefCell::default() }
    }

    /// Campaigns that looked empty: the ledger was told, and may have more in a moment.
    pub fn starved(&self) -> Vec<Slug> {
        self.starved.take().into_iter().collect()
    }

    /// Holds an impression for each ad of the pod. If a campaign has none left, nothing is held, and it is out.
    pub fn pay(&mut self, decision: &Decision) -> bool {
        let tenant = &self.ask.tenant.manifest.tenant.slug;
        let mut held = Vec::with_capacity(decision.pod.len());
        for (position, picked) in decision.pod.iter().enumerate() {
            let Some(campaign) = &picked.campaign else { continue };
            let position = u16::try_from(position).unwrap_or(u16::MAX);
            let key = HoldKey::new(&self.ask.session, &self.ask.avail.id, position);
            if self.ledger.hold(tenant, campaign, key, self.until).is_err() {
                held.into_iter().for_each(|key| self.ledger.release(key));
                self.gone.insert(campaign.clone());
                return false;
            }
            held.push(key);
        }
        true
    }
}

impl SpendView for Purse<'_> {
    fn spend(&self, campaign: &Slug) -> Spend {
        let known = self.lines.spend(campaign);
        if known.available == Some(0) {
            self.starved.borrow_mut().insert(campaign.clone());
        }
        let available = if self.gone.contains(campaign) { Some(0) } else { known.available };
        Spend { money: known.money, impressions: known.impressions, available }
    }
}
