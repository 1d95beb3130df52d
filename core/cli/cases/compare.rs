//! Whether an answer is what a test expects, and if not, where not.
//!
//! An expectation names what matters: of a map, only the keys that it mentions are compared. Lists must have the same
//! length. Numbers may differ by a thousandth, because times pass through floating-point arithmetic.

use serde_json::Value;

/// A millisecond, where numbers are seconds.
const TOLERANCE: f64 = 0.001;

/// One place where answer and expectation differ.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Such as `[0].duration`; empty for the whole answer.
    pub at: String,
    pub expected: String,
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, expected, found } = self;
        if at.is_empty() {
            write!(f, "expected {expected}, found {found}")
        } else {
            write!(f, "{at}: expected {expected}, found {found}")
        }
    }
}

/// All differences; none means that the test passes.
pub fn compare(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    descend(String::new(), expected, found, &mut differences);
    differences
}

fn descend(at: String, expected: &Value, found: &Value, differences: &mut Vec<Difference>) {
    let differ = || Difference { at: at.clone(), expected: show(expected), found: show(found) };
    match (expected, found) {
        // `drop` alone is happy with any reason, `score` with any number.
        (Value::String(word), Value::Object(verdict)) if matches!(word.as_str(), "drop" | "score") => {
            if !verdict.contains_key(word) {
                differences.push(differ());
            }
        }
        (Value::Object(expected_entries), Value::Object(found_entries)) => {
            for (key, expected) in expected_entries {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match found_entries.get(key) {
                    // What went wrong is matched by a part of it: messages carry paths and positions.
                    Some(Value::String(message)) if key == "error" => {
                        let part = expected.as_str().unwrap_or_default();
                        if !message.contains(part) {
                            let expected = format!("an error with {}", show(expected));
                            differences.push(Difference { at, expected, found: show(&Value::from(message.as_str())) });
                        }
                    }
                    Some(found) => descend(at, expected, found, differences),
                    None => {
                        let known = found_entries.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                        let found = format!("nothing (there are {known})");
                        differences.push(Difference { at, expected: show(expected), found });
                    }
                }
            }
        }
        (Value::Array(expected_items), Value::Array(found_items)) => {
            for (index, (expected, found)) in expected_items.iter().zip(found_items).enumerate() {
                descend(format!("{at}[{index}]"), expected, found, differences);
            }
            if expected_items.len() != found_items.len() {
                let many = |items: &[Value]| format!("{} items: {}", items.len(), show(&items.into()));
                differences.push(Difference { at, expected: many(expected_items), found: many(found_items) });
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let near = a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= TOLERANCE);
            if !near {
                differences.push(differ());
            }
        }
        _ if expected == found => {}
        _ => differences.push(differ()),
    }
}

/// Long answers are cut: the place tells where to look.
fn show(value: &Value) -> String {
    const SHOWN: usize = 300;
    let mut text = value.to_string();
    if text.len() > SHOWN {
        text.truncate(text.floor_char_boundary(SHOWN));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expected: Value, found: Value, differences: &[&str]) {
        let shown: Vec<String> = compare(&expected, &found).iter().map(ToString::to_string).collect();
        assert_eq!(shown, differences, "{expected} / {found}");
    }

    #[test]
    fn only_what_the_test_mentions_is_compared() {
        check(json!([{ "id": "a" }]), json!([{ "id": "a", "start": 1.0 }]), &[]);
        check(
            json!([{ "id": "a", "start": 2 }]),
            json!([{ "id": "a", "start": 1.0 }]),
            &["[0].start: expected 2, found 1.0"],
        );
    }

    #[test]
    fn a_slip_in_a_key_is_a_difference() {
        check(
            json!({ "durations": 1 }),
            json!({ "duration": 1 }),
            &["durations: expected 1, found nothing (there are duration)"],
        );
    }

    #[test]
    fn numbers_may_differ_by_a_thousandth() {
        check(json!(30), json!(30.0004), &[]);
        check(json!(30), json!(30.01), &["expected 30, found 30.01"]);
    }

    #[test]
    fn lists_have_the_same_length() {
        check(json!([]), json!(["a"]), &["expected 0 items: [], found 1 items: [\"a\"]"]);
    }

    #[test]
    fn a_bare_drop_takes_any_reason_and_a_named_one_only_its_own() {
        check(json!("drop"), json!({ "drop": "too old" }), &[]);
        check(
            json!({ "drop": "too old" }),
            json!({ "drop": "too young" }),
            &["drop: expected \"too old\", found \"too young\""],
        );
        check(json!("drop"), json!("keep"), &["expected \"drop\", found \"keep\""]);
    }

    #[test]
    fn an_error_is_matched_by_a_part_of_its_message() {
        check(json!({ "error": "no ad 9" }), json!({ "error": "x.rhai: there is no ad 9" }), &[]);
        check(json!({ "error": "no ad 9" }), json!(["a"]), &["expected {\"error\":\"no ad 9\"}, found [\"a\"]"]);
    }
}
