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

    /// The kind of device that a User-Agent header names, by the tokens that makers document. The first token found
    /// decides: what is special stands before what many say (a TV stick says that it runs Android, too).
    pub fn from_user_agent(user_agent: &str) -> Self {
        let agent = user_agent.to_ascii_lowercase();
        if let Some((_, device)) = TOKENS.iter().find(|(token, _)| agent.contains(token)) {
            return *device;
        }
        match agent.contains("android") {
            // Android browsers say `Mobile` on phones and leave it out on tablets; apps say it on neither, and are
            // on phones most of the time.
            true if agent.starts_with("mozilla/") => Self::Tablet,
            true => Self::Mobile,
            false => Self::Other,
        }
    }
}

/// Parts of User-Agent headers, in lower case.
const TOKENS: [(&str, DeviceType); 49] = [
    // TVs that call themselves by the name of a stick's software.
    ("vizio", DeviceType::SmartTv),
    ("devicetype/androidtv", DeviceType::SmartTv),
    // Boxes and sticks.
    ("roku", DeviceType::SetTopBox),
    ("appletv", DeviceType::SetTopBox),
    ("apple tv", DeviceType::SetTopBox),
    ("tvos", DeviceType::SetTopBox),
    // Models of Fire TV: AFTMM, AFTKA …
    ("; aft", DeviceType::SetTopBox),
    ("crkey", DeviceType::SetTopBox),
    ("chromecast", DeviceType::SetTopBox),
    ("shield android tv", DeviceType::SetTopBox),
    ("mibox", DeviceType::SetTopBox),
    ("stbapp", DeviceType::SetTopBox),
    ("_stb", DeviceType::SetTopBox),
    ("tivo", DeviceType::SetTopBox),
    ("comcast", DeviceType::SetTopBox),
    // Consoles: the Xbox says Windows, too.
    ("playstation", DeviceType::Console),
    ("xbox", DeviceType::Console),
    ("nintendo", DeviceType::Console),
    // TVs.
    ("tizen", DeviceType::SmartTv),
    ("web0s", DeviceType::SmartTv),
    ("webos", DeviceType::SmartTv),
    ("netcast", DeviceType::SmartTv),
    ("smart-tv", DeviceType::SmartTv),
    ("smarttv", DeviceType::SmartTv),
    ("smart tv", DeviceType::SmartTv),
    ("smartcast", DeviceType::SmartTv),
    ("hbbtv", DeviceType::SmartTv),
    ("nettv", DeviceType::SmartTv),
    ("bravia", DeviceType::SmartTv),
    ("viera", DeviceType::SmartTv),
    ("vidaa", DeviceType::SmartTv),
    ("mitv", DeviceType::SmartTv),
    ("googletv", DeviceType::SmartTv),
    ("google tv", DeviceType::SmartTv),
    ("android tv", DeviceType::SmartTv),
    ("androidtv", DeviceType::SmartTv),
    // The end of a model's name, before its build number.
    ("tv build", DeviceType::SmartTv),
    // Hands and laps. Fire tablets are models KFTRWI, KFONWI …; some say `Mobile`.
    ("ipad", DeviceType::Tablet),
    ("tablet", DeviceType::Tablet),
    ("; kf", DeviceType::Tablet),
    ("iphone", DeviceType::Mobile),
    ("ipod", DeviceType::Mobile),
    ("mobile", DeviceType::Mobile),
    ("windows phone", DeviceType::Mobile),
    // Desks.
    ("windows nt", DeviceType::Desktop),
    ("macintosh", DeviceType::Desktop),
    ("mac os x", DeviceType::Desktop),
    ("x11;", DeviceType::Desktop),
    ("cros ", DeviceType::Desktop),
];

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
    fn user_agents_of_living_rooms_hands_and_desks_are_told_apart() {
        for (device, agents) in [
            (
                DeviceType::SmartTv,
                &[
                    "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
                    "Mozilla/5.0 (Linux; Tizen 2.3; SmartHub; SMART-TV; SmartTV; U; Maple2012) AppleWebKit/538.1+ TV Safari/538.1+",
                    "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.79 Safari/537.36 WebAppManager",
                    "Mozilla/5.0 (DirectFB; Linux armv7l) AppleWebKit/534.26+ Safari/534.26+ LG Browser/5.00.00(LGE; 42LM670T-ZA) LG NetCast.TV-2012",
                    "Mozilla/5.0 (Linux; Android 9; BRAVIA 4K UR3 Build/PTT1.190515.001.S104) AppleWebKit/537.36 Chrome/88.0.4324.152 Safari/537.36",
                    "Mozilla/5.0 (Linux armv7l) AppleWebKit/537.36 Chrome/49.0 Safari/537.36 OPR/36.0 OMI/4.8.0 HbbTV/1.4.1 (+DRM; Philips; 55PUS7; 1.0;)",
                    "Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 Chrome/76.0 Safari/537.36 CrKey/1.0.999999 VIZIO SmartCast(Conjure/MTKE-5.1)",
                    "Mozilla/5.0 (X11; FreeBSD; U; Viera; de-DE) AppleWebKit/537.11 (KHTML, like Gecko) Viera/3.10.0 Chrome/23.0 Safari/537.11",
                    "Mozilla/5.0 (Linux; Android 11.0; Build/RP1A) AppleWebKit/537.36 Chrome/90.0 Safari/537.36 CrKey/1.56.500000 DeviceType/AndroidTV",
                    "Mozilla/5.0 (Linux; U; Vestel; TV) AppleWebKit/537.36 Chrome/88 Safari/537.36 VIDAA/6.0(Hisense;SmartTV;43A6BG)",
                    "Dalvik/2.1.0 (Linux; U; Android 9; BeyondTV Build/PTT1.190826.001)",
                    "Dalvik/2.1.0 (Linux; U; Android 9; MiTV-AXSO0 Build/PI)",
                ][..],
            ),
            (
                DeviceType::SetTopBox,
                &[
                    "Roku/DVP-12.0 (12.0.0.4182-88)",
                    "Mozilla/5.0 (Linux; Android 7.1.2; AFTMM Build/NS6265; wv) AppleWebKit/537.36 Version/4.0 Chrome/70.0 Mobile Safari/537.36",
                    "Dalvik/2.1.0 (Linux; U; Android 9; AFTKA Build/PS7624.3337N)",
                    "AppleCoreMedia/1.0.0.20K71 (Apple TV; U; CPU OS 16_1 like Mac OS X; en_us)",
                    "AppleTV11,1/16.1",
                    "Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 Chrome/90.0.4430.225 Safari/537.36 CrKey/1.56.500000 DeviceType/Chromecast",
                    "Dalvik/2.1.0 (Linux; U; Android 12; Chromecast Build/STTE.230319.008.H1)",
                    "Dalvik/2.1.0 (Linux; U; Android 11; SHIELD Android TV Build/RQ1A.210105.003)",
                    "Dalvik/2.1.0 (Linux; U; Android 9; MIBOX4 Build/PI)",
                    "Mozilla/5.0 (QtEmbedded; U; Linux; C) AppleWebKit/533.3 (KHTML, like Gecko) MAG200 stbapp ver: 2 rev: 250 Safari/533.3",
                ],
            ),
            (
                DeviceType::Console,
                &[
                    "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) AppleWebKit/537.36 Chrome/48.0 Safari/537.36 Edge/20.02",
                    "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/606.4 (KHTML, like Gecko) NF/6.0.1.15.4 NintendoBrowser/5.1.0",
                ],
            ),
            (
                DeviceType::Mobile,
                &[
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1",
                    "AppleCoreMedia/1.0.0.21A329 (iPhone; U; CPU OS 17_0 like Mac OS X; en_us)",
                    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
                    "Mozilla/5.0 (Android 14; Mobile; rv:121.0) Gecko/121.0 Firefox/121.0",
                    "Minecraft-TV-Guide/2.1 (Linux;Android 13) ExoPlayerLib/2.18.1",
                ],
            ),
            (
                DeviceType::Tablet,
                &[
                    "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 Version/12.1 Mobile/15E148 Safari/604.1",
                    "AppleCoreMedia/1.0.0.20F75 (iPad; U; CPU OS 16_5 like Mac OS X; en_us)",
                    "Mozilla/5.0 (Linux; Android 13; SM-T870) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
                    "Mozilla/5.0 (Linux; Android 9; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/108.4.6 like Chrome/108.0 Mobile Safari/537.36",
                ],
            ),
            (
                DeviceType::Desktop,
                &[
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
                    "AppleCoreMedia/1.0.0.21G115 (Macintosh; U; Intel Mac OS X 12_5; en_us)",
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0 Safari/537.36",
                    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
                    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
                ],
            ),
            (DeviceType::Other, &["curl/8.5.0", "VLC/3.0.18 LibVLC/3.0.18", "Lavf/60.16.100", ""]),
        ] {
            for agent in agents {
                assert_eq!(DeviceType::from_user_agent(agent), device, "{agent}");
            }
        }
    }
}
