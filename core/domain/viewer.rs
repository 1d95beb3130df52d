//! What is known of a viewer when ads are chosen. No address is kept.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceType {
    SmartTv,
    SetTopBox,
    Console,
    Mobile,
    Tablet,
    Desktop,
    #[default]
    Other,
}

impl DeviceType {
    pub const ALL: [Self; 7] =
        [Self::SmartTv, Self::SetTopBox, Self::Console, Self::Mobile, Self::Tablet, Self::Desktop, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SmartTv => "smart-tv",
            Self::SetTopBox => "set-top-box",
            Self::Console => "console",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
            Self::Other => "other",
        }
    }

    /// The kind of device that a User-Agent header names, by the tokens that makers document.
    pub fn from_user_agent(user_agent: &str) -> Self {
        const TOKENS: [(&str, DeviceType); 23] = [
            ("roku", DeviceType::SetTopBox),
            ("appletv", DeviceType::SetTopBox),
            ("apple tv", DeviceType::SetTopBox),
            ("aft", DeviceType::SetTopBox),
            ("crkey", DeviceType::SetTopBox),
            ("playstation", DeviceType::Console),
            ("xbox", DeviceType::Console),
            ("nintendo", DeviceType::Console),
            ("tizen", DeviceType::SmartTv),
            ("web0s", DeviceType::SmartTv),
            ("webos", DeviceType::SmartTv),
            ("smart-tv", DeviceType::SmartTv),
            ("smarttv", DeviceType::SmartTv),
            ("hbbtv", DeviceType::SmartTv),
            ("bravia", DeviceType::SmartTv),
            ("googletv", DeviceType::SmartTv),
            ("android tv", DeviceType::SmartTv),
            ("ipad", DeviceType::Tablet),
            ("iphone", DeviceType::Mobile),
            ("mobile", DeviceType::Mobile),
            ("android", DeviceType::Tablet),
            ("windows nt", DeviceType::Desktop),
            ("macintosh", DeviceType::Desktop),
        ];
        let lower = user_agent.to_ascii_lowercase();
        let found = TOKENS.iter().find(|(token, _)| lower.contains(token)).map(|(_, device)| *device);
        found.unwrap_or(if lower.contains("x11; linux") || lower.contains("cros") {
            Self::Desktop
        } else {
            Self::Other
        })
    }
}

impl FromStr for DeviceType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|device| device.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown device `{text}`: expected one of {known}")
        })
    }
}

/// One viewer's facts, fixed when the session starts.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Viewer {
    /// The caller's own name for the viewer's session (`session_id` of seed 000), if it sent one.
    pub session_id: Option<Box<str>>,
    /// ISO 3166-1 alpha-2, upper case; empty when unknown.
    pub geo: Box<str>,
    pub device: DeviceType,
    /// Player parameters from the query string.
    pub params: BTreeMap<Box<str>, Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_of_living_rooms_and_desks_are_told_apart() {
        for (agent, device) in [
            ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36", DeviceType::SmartTv),
            ("Roku/DVP-12.0 (12.0.0.4182-88)", DeviceType::SetTopBox),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148", DeviceType::Mobile),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/120.0 Mobile Safari/537.36", DeviceType::Mobile),
            ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/156.0", DeviceType::Desktop),
            ("curl/8", DeviceType::Other),
        ] {
            assert_eq!(DeviceType::from_user_agent(agent), device, "{agent}");
        }
    }
}
