//! Names of breaks. The same prefix as the shipped detector's, so that a channel can go from one to the other and its
//! breaks keep their names.

use cuetone_plugin::Avail;

const PREFIX: &str = "scte35-";

/// Characters of an event id that become part of a name, which becomes part of URLs.
const MAX_EVENT_ID: usize = 64;

/// Whether a detector of this family named it.
pub fn is_ours(avail: &Avail) -> bool {
    avail.id.starts_with(PREFIX)
}

/// After its event id, or the second that it starts in.
pub fn of_break(event_id: Option<&str>, start: f64) -> String {
    match event_id {
        Some(id) => format!("{PREFIX}{}", clean(id)),
        None => format!("{PREFIX}at-{}", second(start)),
    }
}

/// For another break with the same event id.
pub fn of_repeated(event_id: &str, start: f64) -> String {
    format!("{PREFIX}{}-{}", clean(event_id), second(start))
}

/// Whether it is this name, or that of another break with the same event id.
pub fn is_or_repeats(name: &str, first: &str) -> bool {
    let Some(rest) = name.strip_prefix(first) else { return false };
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|second| !second.is_empty() && second.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether it is named after an event id.
pub fn tells_event_id(name: &str) -> bool {
    let by_start = |rest: &str| rest.strip_prefix("at-").is_some_and(|second| second.parse::<i64>().is_ok());
    name.strip_prefix(PREFIX).is_some_and(|rest| !by_start(rest))
}

fn second(start: f64) -> i64 {
    start.round() as i64
}

fn clean(id: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    id.chars().take(MAX_EVENT_ID).map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_addresses() {
        assert_eq!(of_break(Some("a/b c?ü"), 0.0), "scte35-a_b_c__");
        assert_eq!(of_break(None, 1012.6), "scte35-at-1013");
        assert_eq!(of_repeated("7", 1012.2), "scte35-7-1012");
        assert_eq!(of_break(Some(&"x".repeat(200)), 0.0).len(), 71);
    }

    #[test]
    fn a_name_tells_whether_it_has_an_event_id() {
        for (event_id, expect) in [(Some("7"), true), (Some("at-home"), true), (None, false)] {
            assert_eq!(tells_event_id(&of_break(event_id, 12.0)), expect, "{event_id:?}");
        }
        assert!(tells_event_id(&of_repeated("7", 12.0)) && !tells_event_id(&of_break(None, -12.0)));
    }

    #[test]
    fn a_name_tells_its_event_id() {
        let seven = of_break(Some("7"), 0.0);
        for (name, expect) in [
            ("scte35-7", true),
            ("scte35-7-1012", true),
            ("scte35-77", false),
            ("scte35-7-", false),
            ("scte35-7-b", false),
            ("static-7", false),
        ] {
            assert_eq!(is_or_repeats(name, &seven), expect, "{name}");
        }
    }
}
