//! The declared rules of one ad, compiled when a bundle is loaded.
//!
//! What a rule may say is `domain::rule`'s business; this evaluates and explains. Scripts named by `script` rules are
//! only listed here: they are asked in batches, later.

use crate::{
    domain::{AdRule, Condition, DeviceType, RuleError, RuleType, Viewer},
    extension::point::LocalTime,
};

/// What rules may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub viewer: &'a Viewer,
    pub channel: &'a str,
    pub now: LocalTime,
}

#[derive(Clone, Debug, PartialEq)]
struct Compiled {
    condition: Condition,
    /// As declared: `geo in [US, CA]`.
    text: Box<str>,
}

/// All must pass; script rules come after the others.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CompiledRules {
    native: Box<[Compiled]>,
    scripts: Box<[Box<str>]>,
}

impl CompiledRules {
    pub fn compile(rules: &[AdRule]) -> Result<Self, RuleError> {
        let (mut native, mut scripts) = (Vec::new(), Vec::new());
        for rule in rules {
            match Condition::new(rule)? {
                Condition::Script(name) => scripts.push(name.into_boxed_str()),
                condition => native.push(Compiled { condition, text: rule.to_string().into() }),
            }
        }
        Ok(Self { native: native.into(), scripts: scripts.into() })
    }

    /// Why the ad may not play, by its first rule that fails: `geo in [US, CA]: viewer is in ID`.
    pub fn first_failure(&self, facts: &Facts<'_>) -> Option<String> {
        let failed = self.native.iter().find(|rule| !passes(&rule.condition, facts))?;
        Some(format!("{}: {}", failed.text, found(rule_type(&failed.condition), facts)))
    }

    /// The rules that need no script.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.native.iter().map(|rule| &rule.condition)
    }

    /// The targeting scripts that must keep this ad, as `ExtensionRef` prints them.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.scripts.iter().map(AsRef::as_ref)
    }
}

pub(super) fn passes(condition: &Condition, facts: &Facts<'_>) -> bool {
    match condition {
        Condition::Geo { countries, wanted } => {
            countries.iter().any(|country| country.eq_ignore_ascii_case(&facts.viewer.geo)) == *wanted
        }
        Condition::Device(devices) => {
            let at = (0_u32..).zip(DeviceType::ALL).find(|(_, device)| *device == facts.viewer.device);
            at.is_some_and(|(at, _)| devices.contains(at))
        }
        Condition::Hour(hours) => u32::try_from(facts.now.hour).is_ok_and(|hour| hours.contains(hour)),
        Condition::Weekday(days) => u32::try_from(facts.now.weekday).is_ok_and(|day| days.contains(day)),
        Condition::Channel { slugs, wanted } => slugs.iter().any(|slug| slug.as_str() == facts.channel) == *wanted,
        Condition::ChannelContains(part) => facts.channel.contains(part.as_ref()),
        Condition::Script(_) => true,
    }
}

fn rule_type(condition: &Condition) -> RuleType {
    match condition {
        Condition::Geo { .. } => RuleType::Geo,
        Condition::Device(_) => RuleType::Device,
        Condition::Hour(_) => RuleType::Time,
        Condition::Weekday(_) => RuleType::DayOfWeek,
        Condition::Channel { .. } | Condition::ChannelContains(_) => RuleType::Channel,
        Condition::Script(_) => RuleType::Script,
    }
}

/// What was found instead.
fn found(kind: RuleType, facts: &Facts<'_>) -> String {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    match kind {
        RuleType::Geo if facts.viewer.geo.is_empty() => "the viewer's country is unknown".into(),
        RuleType::Geo => format!("viewer is in {}", facts.viewer.geo),
        RuleType::Device => format!("device is {}", facts.viewer.device.as_str()),
        RuleType::Time => format!("it is {:02}:{:02}", facts.now.hour, facts.now.minute),
        RuleType::DayOfWeek => {
            let at = usize::try_from(facts.now.weekday).unwrap_or(0).saturating_sub(1);
            format!("it is {}", DAYS.get(at).copied().unwrap_or("another day"))
        }
        RuleType::Channel => format!("channel is {}", facts.channel),
        RuleType::Script => "the script dropped it".into(),
    }
}
