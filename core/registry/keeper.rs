//! Changes that nobody asks for: campaigns that are over or spent, trials that fail. They go through the same door as
//! everybody's, under Cuetone's own name, so that the audit log tells.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use serde_json::json;

use super::{Registry, RegistryError, TrialFigures, TrialWatch};
use crate::{
    bundle::{Document, Section},
    domain::{CampaignStatus, Slug},
    store::{Author, Door},
};

/// Trials that are rolled back side by side: a tenant that is being changed lets those of others pass.
const ROLLED_BACK_AT_A_TIME: usize = 16;

/// Why an edit of ours was not made.
enum Refused {
    /// The state is another by now: nothing to do.
    Moot,
    Failed(RegistryError),
}

impl From<RegistryError> for Refused {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

impl Registry {
    /// Ends an active campaign: `Paused` when its money is spent, `Completed` when its time or its goal is over.
    pub async fn end_campaign(
        &self,
        tenant: &Slug,
        campaign: &Slug,
        status: CampaignStatus,
        why: &str,
    ) -> Result<(), RegistryError> {
        let author = ourselves(format!("campaign {campaign}: {why}"));
        let edit = |document: &mut Document| {
            let item = document.item(Section::Campaigns, campaign.as_str());
            let mut item = item.filter(|item| item["status"] == json!(CampaignStatus::Active)).ok_or(Refused::Moot)?;
            item["status"] = json!(status);
            document.put(Section::Campaigns, campaign.as_str(), item);
            Ok(())
        };
        self.unasked(tenant, &author, edit).await
    }

    /// Takes a trial out again. `failed` tells which: one of other scripts, or of other versions of them, goes on.
    async fn end_trial(&self, tenant: &Slug, failed: &Arc<TrialWatch>, why: &str) -> Result<(), RegistryError> {
        let author = ourselves(format!("trial rolled back: {why}"));
        let edit = |document: &mut Document| {
            let under_way = self.snapshot().tenants.get(tenant).and_then(|runtime| runtime.trial.clone());
            under_way.filter(|(_, watch)| Arc::ptr_eq(watch, failed)).ok_or(Refused::Moot)?;
            let mut extensions = document.extensions();
            extensions.as_object_mut().and_then(|fields| fields.remove("trial")).ok_or(Refused::Moot)?;
            document.set_extensions(extensions);
            Ok(())
        };
        self.unasked(tenant, &author, edit).await
    }

    /// Rolls back every trial whose scripts fail more often than it allows; one that cannot be rolled back now holds up no
    /// other, and is found again.
    pub async fn end_failed_trials(&self) {
        let failed: Vec<_> = {
            let snapshot = self.snapshot();
            let trials = snapshot.tenants.iter().filter_map(|(tenant, runtime)| {
                let (trial, watch) = runtime.trial.as_ref()?;
                let figures = watch.figures();
                figures.failed(trial).then(|| (tenant.clone(), watch.clone(), figures))
            });
            trials.collect()
        };
        let end = async |(tenant, watch, figures): (Slug, Arc<TrialWatch>, TrialFigures)| {
            let why = format!("{} of the latest {} calls failed", figures.recent_errors, figures.recent_calls);
            match self.end_trial(&tenant, &watch, &why).await {
                Ok(()) => {
                    tracing::warn!(%tenant, %why, "a trial was rolled back");
                    metrics::counter!("cuetone_trials_rolled_back_total", "tenant" => tenant.to_string()).increment(1);
                }
                Err(error) => tracing::warn!(%tenant, %why, %error, "a failing trial could not be rolled back"),
            }
        };
        stream::iter(failed).for_each_concurrent(ROLLED_BACK_AT_A_TIME, end).await;
    }

    async fn unasked(
        &self,
        tenant: &Slug,
        author: &Author,
        edit: impl Fn(&mut Document) -> Result<(), Refused>,
    ) -> Result<(), RegistryError> {
        match self.change(tenant, author, edit).await {
            Ok(_) | Err(Refused::Moot) => Ok(()),
            Err(Refused::Failed(error)) => Err(error),
        }
    }
}

fn ourselves(summary: String) -> Author {
    Author { actor: "cuetone".to_owned(), door: Door::Cuetone, summary, request: None }
}
