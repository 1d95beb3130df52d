//! Which rule speaks for a UPID.

use cuetone_plugin::{Cue, Signal};

use crate::config::{Action, Config, Rule};

/// segmentation_upid_type of a list of UPIDs (MID).
const MULTIPLE: u8 = 0x0D;

/// What becomes of the break that a cue opens.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    pub action: Action,
    pub rule: Option<&'a Rule>,
}

/// The first rule that matches decides, else `default_action`.
pub fn judge<'a>(cue: &Cue, config: &'a Config) -> Verdict<'a> {
    let rule = config.upids.iter().find(|rule| matches(rule, cue.signal.as_ref()));
    Verdict { action: rule.map_or(config.default_action, |rule| rule.action), rule }
}

fn matches(rule: &Rule, signal: Option<&Signal>) -> bool {
    let segmentation_type = signal.and_then(|signal| signal.segmentation_type);
    if rule.segmentation_type.is_some() && rule.segmentation_type != segmentation_type {
        return false;
    }
    let upids = signal.map(upids).unwrap_or_default();
    if rule.missing {
        return upids.is_empty();
    }
    if rule.equals.is_none() && rule.prefix.is_none() && rule.upid_type.is_none() {
        return true;
    }
    upids.iter().any(|(upid_type, upid)| {
        rule.upid_type.is_none_or(|wanted| Some(wanted) == *upid_type)
            && rule.equals.as_deref().is_none_or(|wanted| wanted == *upid)
            && rule.prefix.as_deref().is_none_or(|wanted| upid.starts_with(wanted))
    })
}

/// Types and texts: one, or those of a MID, which the host writes as `TT:value;TT:value` with hexadecimal types.
fn upids(signal: &Signal) -> Vec<(Option<u8>, &str)> {
    let Some(upid) = signal.upid.as_deref() else { return Vec::new() };
    let mut all = vec![(signal.upid_type, upid)];
    if signal.upid_type == Some(MULTIPLE) {
        let parts = upid.split(';').filter_map(|part| part.split_once(':'));
        all.extend(parts.map(|(upid_type, upid)| (u8::from_str_radix(upid_type, 16).ok(), upid)));
    }
    all
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::cue_out;

    use super::*;

    fn cue(upid: Option<&str>, upid_type: u8, segmentation_type: u8) -> Cue {
        let signal = Signal {
            command: "time_signal".into(),
            segmentation_type: Some(segmentation_type),
            upid: upid.map(str::to_owned),
            upid_type: Some(upid_type),
            segment_num: None,
            segments_expected: None,
        };
        Cue { signal: Some(signal), ..cue_out(0.0, 30.0) }
    }

    fn rule(equals: &str, prefix: &str, upid_type: Option<u8>) -> Rule {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Rule { equals: given(equals), prefix: given(prefix), upid_type, ..Rule::default() }
    }

    #[test]
    fn all_that_a_rule_says_has_to_match() {
        for (rule, expect) in [
            (rule("ABCD0123", "", None), true),
            (rule("ABCD", "", None), false),
            (rule("", "ABCD", None), true),
            (rule("", "abcd", None), false),
            (rule("", "ABCD", Some(3)), true),
            (rule("", "ABCD", Some(9)), false),
            (rule("", "", Some(3)), true),
            (Rule { segmentation_type: Some(0x34), ..rule("", "ABCD", None) }, true),
            (Rule { segmentation_type: Some(0x36), ..rule("", "ABCD", None) }, false),
            (Rule { segmentation_type: Some(0x34), ..Rule::default() }, true),
            (Rule { missing: true, ..Rule::default() }, false),
        ] {
            assert_eq!(matches(&rule, cue(Some("ABCD0123"), 3, 0x34).signal.as_ref()), expect, "{rule:?}");
        }
    }

    #[test]
    fn a_missing_upid_can_have_a_rule() {
        let missing = Rule { missing: true, ..Rule::default() };
        assert!(matches(&missing, None));
        assert!(matches(&missing, cue(None, 0, 0x34).signal.as_ref()));
        assert!(!matches(&rule("", "A", None), None));
    }

    #[test]
    fn each_part_of_a_list_counts() {
        let cue = cue(Some("03:ABCD0123;0C:4D4D"), MULTIPLE, 0x34);
        let signal = cue.signal.as_ref();
        assert!(matches(&rule("ABCD0123", "", Some(3)), signal));
        assert!(matches(&rule("", "4D", Some(0x0C)), signal));
        assert!(!matches(&rule("ABCD0123", "", Some(0x0C)), signal));
    }

    #[test]
    fn the_first_rule_decides_and_else_the_default() {
        let deny = Rule { action: Action::Deny, ..rule("", "AB", None) };
        let config = Config { upids: vec![rule("ABCD", "", None), deny], ..Config::default() };
        let action = |upid, config: &Config| judge(&cue(Some(upid), 3, 0x34), config).action;
        assert_eq!(action("ABCD", &config), Action::Allow);
        assert_eq!(action("ABXX", &config), Action::Deny);
        assert_eq!(action("X", &config), Action::Allow);
        assert_eq!(action("X", &Config { default_action: Action::Deny, ..config }), Action::Deny);
    }
}
