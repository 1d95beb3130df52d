//! What every event goes through on its way in, whoever tells of it: validate → privacy → traffic → identity → journal.
//!
//! `report` reads bodies of the API, `read` makes events of them; our own ways in (ad segments, beacons) make theirs and
//! hand them to [`Intake::record`] with what the request says of its viewer. `privacy` says what may be kept, `traffic`
//! and `networks` who is no viewer. Knows no HTTP, and of a tenant what its [`Catalogue`] tells.

pub mod judge;
pub mod networks;
pub mod privacy;
pub mod read;
pub mod report;
#[cfg(test)]
mod tests;
pub mod traffic;

use std::sync::Arc;

pub use self::{
    judge::{Catalogue, Facts, Judge},
    privacy::Consent,
    read::{Read, Refused},
    report::Batch,
    traffic::TrafficLists,
};
use super::{Journal, JournalError, Recorded};
use crate::domain::{Event, Traffic};

pub struct Intake {
    journal: Arc<Journal>,
    judge: Judge,
}

impl Intake {
    pub fn new(journal: Arc<Journal>, judge: Judge) -> Arc<Self> {
        Arc::new(Self { journal, judge })
    }

    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Whether anything is to be known of addresses: else nobody's has to be found out.
    pub fn asks_for_addresses(&self) -> bool {
        self.judge.traffic.knows_addresses()
    }

    /// Events of our own making, about the viewer who made this request. On disk when the future resolves.
    pub fn record(
        &self,
        tenant: &dyn Catalogue,
        facts: &Facts<'_>,
        mut events: Vec<Event>,
    ) -> impl Future<Output = Result<Recorded, JournalError>> + Send + use<> {
        let (traffic, named) = self.traffic(tenant, facts);
        for event in &mut events {
            event.traffic = traffic;
            if !named {
                event.viewer = None;
            }
        }
        self.journal.record(events)
    }

    /// Who seems to be there, and whether events may name the viewer.
    pub fn traffic(&self, tenant: &dyn Catalogue, facts: &Facts<'_>) -> (Traffic, bool) {
        let agent = facts.user_agent.map(|agent| self.judge.traffic.agent(agent));
        let private = facts.consent.withholds(&tenant.tenant().privacy);
        (self.judge.traffic.judge(agent, facts.address), !private)
    }

    /// Events that were read from reports.
    pub fn journal(&self, events: Vec<Event>) -> impl Future<Output = Result<Recorded, JournalError>> + Send + use<> {
        self.journal.record(events)
    }
}
