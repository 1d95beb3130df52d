//! The query of a VAST or VMAP request: our own parameters are taken out of it, the rest is the player's for scripts.

use axum::http::request::Parts;

use crate::{
    domain::{AdType, AvailId, Position, Span, Viewer},
    http::{
        Player,
        decision::body::{MAX_BREAK_SECONDS, avail_id, break_length, position_named},
        error::Problem,
        player,
    },
    media::vast::Version,
    tracking::{Audience, beacon::MAX_SESSION_NAME},
};

/// Parameters that are still to be read; mistakes so far.
pub struct Query {
    viewer: Viewer,
    problem: Option<Problem>,
}

impl Query {
    pub fn read(player: &Player, parts: &Parts) -> Result<Self, Problem> {
        Ok(Self { viewer: player::viewer(player, parts)?, problem: None })
    }

    /// A parameter of ours; absent and empty are one.
    pub fn take<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.viewer.params.remove(name).filter(|text| !text.is_empty())?;
        read(&text).map_err(|reason| self.mistake(name, reason)).ok()
    }

    pub fn mistake(&mut self, name: &str, reason: impl Into<String>) {
        let problem = self.problem.take().unwrap_or_else(|| Problem::bad_request("the query has mistakes"));
        self.problem = Some(problem.field(name, reason));
    }

    /// Whose ads are asked for, and the viewer with the parameters that are left.
    pub fn finish(mut self, player: &Player) -> Result<(Audience, Viewer), Problem> {
        let named = self.viewer.session_id.clone();
        if named.as_ref().is_some_and(|name| name.len() > MAX_SESSION_NAME) {
            self.mistake("session_id", format!("expected at most {MAX_SESSION_NAME} bytes"));
        }
        let audience = named.map_or_else(|| Audience::Anonymous((player.random)()), Audience::Named);
        self.problem.map_or(Ok((audience, self.viewer)), Err)
    }

    pub fn version(&mut self) -> Version {
        self.take("version", version).unwrap_or_default()
    }

    pub fn avail(&mut self) -> Option<AvailId> {
        self.take("avail", avail_id)
    }

    /// The length of a break in seconds.
    pub fn break_length(&mut self) -> Option<Span> {
        self.take("duration", |text| {
            let length = text.parse().ok().and_then(break_length);
            length.ok_or_else(|| format!("expected seconds, above 0 and at most {MAX_BREAK_SECONDS}"))
        })
    }

    /// Where the break is, and which ads are wanted for it. An overlay is over content wherever it is.
    pub fn place(&mut self) -> (Position, AdType) {
        let overlay = self.viewer.params.get("position").is_some_and(|text| &**text == "overlay");
        if overlay {
            self.viewer.params.remove("position");
        }
        let position = self.take("position", |text| {
            position_named(text).map_err(|_| "expected pre-roll, mid-roll, post-roll or overlay".to_owned())
        });
        let asked = self.take("type", |text| match text {
            "linear" => Ok(AdType::Linear),
            "nonlinear" | "non-linear" => Ok(AdType::NonLinear),
            _ => Err("expected linear or nonlinear".to_owned()),
        });
        let by_default = if overlay { AdType::NonLinear } else { AdType::Linear };
        (position.unwrap_or(Position::MidRoll), asked.unwrap_or(by_default))
    }
}

fn version(text: &str) -> Result<Version, String> {
    // 4.3 is read from others; what we write is 4.2, which its players read.
    let written = Version::ALL.into_iter().filter(|version| *version <= Version::V4_2);
    let known: Vec<&str> = written.clone().map(Version::as_str).collect();
    let found = written.into_iter().find(|version| version.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", known.join(", ")))
}
