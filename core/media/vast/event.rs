//! Names of tracking events, version by version.

use super::model::{TrackingEvent as Event, Version};

impl Event {
    /// The event of a name, in any case; the names of old versions too. Progress has its offset elsewhere.
    pub(super) fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "fullscreen" => Self::PlayerExpand,
            "exitfullscreen" => Self::PlayerCollapse,
            "expand" => Self::AdExpand,
            "collapse" => Self::AdCollapse,
            "acceptinvitationlinear" => Self::AcceptInvitation,
            lower => {
                let known = NAMES.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(lower));
                known.map_or_else(|| Self::Other(name.to_owned()), |(event, ..)| event.clone())
            }
        }
    }

    /// As VAST 4.2 calls it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Progress(_) => "progress",
            Self::Other(name) => name,
            event => NAMES.iter().find(|(known, ..)| known == event).map_or("", |(_, name, _)| name),
        }
    }

    /// Its name in a version, if the version has it.
    pub(super) fn name(&self, version: Version) -> Option<&str> {
        if version < Version::V4_0 {
            match self {
                Self::PlayerExpand => return Some("fullscreen"),
                Self::PlayerCollapse => return (version == Version::V3_0).then_some("exitFullscreen"),
                Self::AdExpand => return Some("expand"),
                Self::AdCollapse => return Some("collapse"),
                _ => {}
            }
        }
        let listed = match self {
            Self::Progress(_) => version >= Version::V3_0,
            // 4.0 alone does not list what 3.0 and 4.1 do.
            Self::CloseLinear => version == Version::V3_0 || version >= Version::V4_1,
            Self::Other(_) => false,
            event => {
                NAMES.iter().any(|(known, _, since)| known == event && since.is_some_and(|since| version >= since))
            }
        };
        listed.then(|| self.as_str())
    }
}

/// Events, what they are called, and the first version that lists them for creatives.
static NAMES: [(Event, &str, Option<Version>); 25] = [
    (Event::Loaded, "loaded", Some(Version::V4_1)),
    (Event::CreativeView, "creativeView", Some(Version::V2_0)),
    (Event::Start, "start", Some(Version::V2_0)),
    (Event::FirstQuartile, "firstQuartile", Some(Version::V2_0)),
    (Event::Midpoint, "midpoint", Some(Version::V2_0)),
    (Event::ThirdQuartile, "thirdQuartile", Some(Version::V2_0)),
    (Event::Complete, "complete", Some(Version::V2_0)),
    (Event::Mute, "mute", Some(Version::V2_0)),
    (Event::Unmute, "unmute", Some(Version::V2_0)),
    (Event::Pause, "pause", Some(Version::V2_0)),
    (Event::Resume, "resume", Some(Version::V2_0)),
    (Event::Rewind, "rewind", Some(Version::V2_0)),
    (Event::Skip, "skip", Some(Version::V3_0)),
    (Event::PlayerExpand, "playerExpand", Some(Version::V4_0)),
    (Event::PlayerCollapse, "playerCollapse", Some(Version::V4_0)),
    (Event::CloseLinear, "closeLinear", Some(Version::V3_0)),
    (Event::AcceptInvitation, "acceptInvitation", Some(Version::V2_0)),
    (Event::AdExpand, "adExpand", Some(Version::V4_0)),
    (Event::AdCollapse, "adCollapse", Some(Version::V4_0)),
    (Event::Minimize, "minimize", Some(Version::V4_0)),
    (Event::Close, "close", Some(Version::V2_0)),
    (Event::OverlayViewDuration, "overlayViewDuration", Some(Version::V4_0)),
    (Event::OtherAdInteraction, "otherAdInteraction", Some(Version::V4_0)),
    (Event::InteractiveStart, "interactiveStart", Some(Version::V4_2)),
    // Only for verifications, where any name will do.
    (Event::VerificationNotExecuted, "verificationNotExecuted", None),
];
