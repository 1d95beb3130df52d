//! Changes that nobody asks for: campaigns that are over or spent, trials that fail. They go through the same door as
//! everybody's, under Cuetone's own name, so that the audit log tells.

use serde_json::json;

use super::{Registry, RegistryError};
use crate::{
    bundle::{Document, Section},
    domain::{CampaignStatus, Slug},
    store::{Author, Door},
};

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

    /// Takes a trial out again; `scripts` tells which, so that one that was started since goes on.
    async fn end_trial(&self, tenant: &Slug, scripts: &serde_json::Value, why: &str) -> Result<(), RegistryError> {
        let author = ourselves(format!("trial rolled back: {why}"));
        let edit = |document: &mut Document| {
            let mut extensions = document.extensions();
            let fields = extensions.as_object_mut().ok_or(Refused::Moot)?;
            if fields.get("trial").is_none_or(|trial| trial["scripts"] != *scripts) {
                return Err(Refused::Moot);
            }
            fields.remove("trial");
            document.set_extensions(extensions);
            Ok(())
        };
        self.unasked(tenant, &author, edit).await
    }

    /// Rolls back every trial whose scripts fail more often than it allows. Answers how many.
    pub async fn end_failed_trials(&self) -> Result<usize, RegistryError> {
        let failed: Vec<_> = {
            let snapshot = self.snapshot();
            let trials = snapshot.tenants.iter().filter_map(|(tenant, runtime)| {
                let (trial, watch) = runtime.trial.as_ref()?;
                let figures = watch.figures();
                figures.failed(trial).then(|| (tenant.clone(), json!(trial.scripts), figures))
            });
            trials.collect()
        };
        for (tenant, scripts, figures) in &failed {
            let why = format!("{} of {} calls failed", figures.errors, figures.calls);
            tracing::warn!(%tenant, trial.calls = figures.calls, trial.errors = figures.errors, "a trial fails: rolled back");
            metrics::counter!("cuetone_trials_rolled_back_total", "tenant" => tenant.to_string()).increment(1);
            self.end_trial(tenant, scripts, &why).await?;
        }
        Ok(failed.len())
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
