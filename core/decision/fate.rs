//! How an ad's way through a decision ended, kept without words until somebody wants to read it.

use super::{Outcome, ScriptTrace, SkipReason, Stage, allowance::Allowance, candidates::MAX_OFFERED};
use crate::{
    domain::{Slug, Span},
    extension::ExtensionError,
};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// Which of how many in the pod, from 0.
    Chosen(usize, usize),
    Creative(SkipReason),
    TooLong {
        duration: Span,
        room: Span,
    },
    /// A targeting script dropped it, or failed and lets nothing pass then.
    Script(String),
    /// Its campaign may have no more in this pod than the better ones of it.
    Surplus {
        campaign: Slug,
        allowance: Allowance,
    },
    /// Another ad of its competitive category is in the pod.
    Separated {
        category: String,
        from: Slug,
    },
    NotBest,
    /// No fill strategy gave an answer that could be used.
    NoAnswer,
    LeftOut,
}

impl Fate {
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Chosen(..) => Outcome::Chosen,
            Self::NotBest | Self::NoAnswer | Self::LeftOut => Outcome::Left,
            Self::Creative(_)
            | Self::TooLong { .. }
            | Self::Script(_)
            | Self::Surplus { .. }
            | Self::Separated { .. } => Outcome::Dropped,
        }
    }

    pub fn stage(&self) -> Stage {
        match self {
            Self::Creative(_) => Stage::Creative,
            Self::Script(_) => Stage::Script,
            Self::Surplus { allowance, .. } => allowance.stage(),
            Self::Separated { .. } => Stage::Separation,
            Self::TooLong { .. } | Self::NotBest => Stage::Offer,
            Self::Chosen(..) | Self::NoAnswer | Self::LeftOut => Stage::Fill,
        }
    }

    pub fn reason(&self) -> String {
        match self {
            Self::Chosen(at, all) => format!("{} of {all} in the pod", at + 1),
            Self::Creative(reason) => reason.to_string(),
            Self::TooLong { duration, room } => format!("it lasts {duration} s, the break {room} s"),
            Self::Script(reason) => reason.clone(),
            Self::Surplus { campaign, allowance } => allowance.surplus(campaign),
            Self::Separated { category, from } => format!("{from} is in the pod and of its category {category} too"),
            Self::NotBest => format!("it is not among the best {MAX_OFFERED}"),
            Self::NoAnswer => "no fill strategy gave an answer that could be used".into(),
            Self::LeftOut => "the fill strategy left it out".into(),
        }
    }
}

/// What a decision notes down on its way.
#[derive(Default)]
pub(super) struct Notes {
    /// Places and fates of the ads that got as far as their creative, in the order in which that was settled.
    pub fates: Vec<(usize, Fate)>,
    /// In the order of their first calls.
    pub scripts: Vec<ScriptTrace>,
}

impl Notes {
    pub fn settle(&mut self, place: usize, fate: Fate) {
        self.fates.push((place, fate));
    }

    /// Adds a call to what the script has cost so far.
    pub fn called(&mut self, name: &str, version: &str, ads: usize, micros: u64, error: Option<&ExtensionError>) {
        let judged = u32::from(error.is_none_or(|error| !error.is_the_hosts()));
        let failed = if error.is_some() { judged } else { 0 };
        let error = error.map(ToString::to_string);
        let known = self.scripts.iter_mut().find(|script| script.name == name && script.version == version);
        if let Some(known) = known {
            known.calls += 1;
            known.ads += ads;
            known.micros += micros;
            known.error = known.error.take().or(error);
            known.judged += judged;
            known.failed += failed;
        } else {
            let (name, version) = (name.to_owned(), version.to_owned());
            self.scripts.push(ScriptTrace { name, version, calls: 1, ads, micros, error, judged, failed });
        }
    }
}
