//! Who is no viewer: robots by parts of their User-Agent, data centres by network (MRC: general invalid traffic, filtered
//! by lists). What is found is flagged and kept. Knows no headers and no tenants.

use std::net::IpAddr;

use aho_corasick::AhoCorasick;
use moka::sync::Cache;

use super::networks::Networks;
use crate::domain::{DeviceType, Traffic};

/// The list that is built in.
const SHIPPED: &str = include_str!("bots.txt");

/// A line that takes the built-in list into a file.
const TAKE_SHIPPED: &str = "@shipped";

/// Bytes of a User-Agent that are looked at; names stand in front.
pub const MAX_USER_AGENT: usize = 512;

/// User-Agents whose verdict is remembered: more than a country's living rooms have.
const REMEMBERED: u64 = 20_000;

/// Parts of a list at most: somebody's log file is no list.
const MAX_PARTS: usize = 10_000;

/// What a User-Agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    pub device: DeviceType,
    pub bot: bool,
}

pub struct TrafficLists {
    parts: AhoCorasick,
    /// Patterns from here on are what is no robot.
    exceptions: usize,
    centres: Networks,
    agents: Cache<Box<str>, Agent>,
}

impl TrafficLists {
    /// `bots` and `centres` are texts of files; the error says which line of which is wrong.
    pub fn read(bots: Option<&str>, centres: Option<&str>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut exceptions = Vec::new();
        let own = bots.unwrap_or(TAKE_SHIPPED);
        for line in entries(own) {
            let lines: Vec<&str> = if line == TAKE_SHIPPED { entries(SHIPPED).collect() } else { vec![line] };
            for line in lines {
                match line.strip_prefix('!') {
                    Some(exception) => exceptions.push(exception.trim()),
                    None => parts.push(line),
                }
            }
        }
        if let Some(short) = parts.iter().chain(&exceptions).find(|part| part.len() < 3) {
            return Err(format!("the part `{short}` is too short: it would be in every User-Agent"));
        }
        let first_exception = parts.len();
        parts.extend(exceptions);
        if parts.len() > MAX_PARTS {
            return Err(format!("{} parts are too many: expected at most {MAX_PARTS}", parts.len()));
        }
        let parts = AhoCorasick::builder().ascii_case_insensitive(true).build(parts);
        Ok(Self {
            parts: parts.map_err(|error| error.to_string())?,
            exceptions: first_exception,
            centres: centres.map(Networks::parse).transpose()?.unwrap_or_default(),
            agents: Cache::builder().max_capacity(REMEMBERED).build(),
        })
    }

    /// What is known of a User-Agent: looked up once for each that is seen.
    pub fn agent(&self, user_agent: &str) -> Agent {
        let start = user_agent.get(..user_agent.floor_char_boundary(MAX_USER_AGENT)).unwrap_or(user_agent);
        if let Some(known) = self.agents.get(start) {
            return known;
        }
        let agent = Agent { device: DeviceType::from_user_agent(start), bot: self.is_bot(start) };
        self.agents.insert(start.into(), agent);
        agent
    }

    /// Whether any list of addresses was given: without one, nobody's has to be found out.
    pub fn knows_addresses(&self) -> bool {
        !self.centres.is_empty()
    }

    pub fn is_data_centre(&self, address: IpAddr) -> bool {
        self.centres.contains(address)
    }

    /// The verdict on both. A robot in a data centre is a robot.
    pub fn judge(&self, agent: Option<Agent>, address: Option<IpAddr>) -> Traffic {
        if agent.is_some_and(|agent| agent.bot) {
            Traffic::Bot
        } else if address.is_some_and(|address| self.is_data_centre(address)) {
            Traffic::DataCentre
        } else {
            Traffic::Valid
        }
    }

    fn is_bot(&self, agent: &str) -> bool {
        let found = || self.parts.find_overlapping_iter(agent);
        let inside_exception = |start: usize, end: usize| {
            found().any(|found| {
                found.pattern().as_usize() >= self.exceptions && found.start() <= start && end <= found.end()
            })
        };
        found().any(|part| part.pattern().as_usize() < self.exceptions && !inside_exception(part.start(), part.end()))
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> TrafficLists {
        TrafficLists::read(None, Some("203.0.113.0/24")).expect("the lists")
    }

    #[test]
    fn robots_are_told_from_living_rooms() {
        let lists = shipped();
        for robot in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "curl/8.5.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36",
            "python-requests/2.31",
            "CUBOT crawler",
        ] {
            assert!(lists.agent(robot).bot, "{robot}");
        }
        for viewer in [
            "Roku/DVP-12.0",
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 76.0.3809.146/6.0 TV Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; CUBOT_NOTE_20) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36",
            "ExoPlayerLib/2.18 (Linux; Android 11) okhttp/4.9",
            "AppleCoreMedia/1.0.0.20K71 (Apple TV; U; CPU OS 16_1 like Mac OS X; en_us)",
            "",
        ] {
            assert!(!lists.agent(viewer).bot, "{viewer}");
        }
        assert_eq!(lists.agent("Roku/DVP-12.0").device, DeviceType::SetTopBox, "the second look is the remembered one");
    }

    #[test]
    fn a_list_of_one_s_own_replaces_the_built_in_one_or_goes_beside_it() {
        let own = TrafficLists::read(Some("# ours\nacmeprobe\n"), None).expect("a list");
        assert!(own.agent("AcmeProbe/1").bot && !own.agent("curl/8").bot);
        let both = TrafficLists::read(Some("acmeprobe\n@shipped\n"), None).expect("a list");
        assert!(both.agent("AcmeProbe/1").bot && both.agent("curl/8").bot);
        assert!(TrafficLists::read(Some("a"), None).is_err(), "a letter is in every agent");
        assert!(TrafficLists::read(None, Some("not a network")).is_err());
    }

    #[test]
    fn what_is_flagged_says_why() {
        let lists = shipped();
        let (robot, viewer) = (Some(lists.agent("curl/8")), Some(lists.agent("Roku/DVP")));
        let (centre, home) = ("203.0.113.9".parse().ok(), "198.51.100.1".parse().ok());
        assert_eq!(lists.judge(robot, centre), Traffic::Bot);
        assert_eq!(lists.judge(viewer, centre), Traffic::DataCentre);
        assert_eq!(lists.judge(None, centre), Traffic::DataCentre);
        assert_eq!(lists.judge(viewer, home), Traffic::Valid);
        assert_eq!(lists.judge(None, None), Traffic::Valid, "who says nothing is taken for a viewer");
    }
}
