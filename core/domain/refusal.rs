//! Where the answer of a receiver says what it did not take, although its status says that all is well.
//!
//! A JSON pointer (RFC 6901) in which `*` stands for every item of a list and every member of an object. Does not know
//! who answers, or what becomes of what was refused.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a pointer; APIs have names of some ten letters, and few levels.
pub const MAX_POINTER_BYTES: usize = 200;

/// `/offsets/*/error_code`: a value there other than null is a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Refusal {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Each,
    Named(String),
}

/// Why a text is no pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusalError {
    #[error("`{0}` does not begin with a slash")]
    NoSlash(String),
    #[error("`{0}` has a `~` that is neither `~0` (for ~) nor `~1` (for /)")]
    Escape(String),
    #[error("the pointer has more than {MAX_POINTER_BYTES} bytes")]
    TooLong,
}

impl Refusal {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first value that is a refusal, and where it stands.
    pub fn found<'v>(&self, answer: &'v Value) -> Option<(String, &'v Value)> {
        first(&self.steps, answer)
            .map(|(path, value)| (path.iter().rev().map(|step| format!("/{step}")).collect(), value))
    }
}

/// With the names of the steps to it, last first.
fn first<'v>(steps: &[Step], value: &'v Value) -> Option<(Vec<String>, &'v Value)> {
    let Some((step, rest)) = steps.split_first() else {
        return (!value.is_null()).then(|| (Vec::new(), value));
    };
    let go = |name: &dyn fmt::Display, value: &'v Value| {
        let (mut path, found) = first(rest, value)?;
        path.push(name.to_string().replace('~', "~0").replace('/', "~1"));
        Some((path, found))
    };
    match (step, value) {
        (Step::Each, Value::Array(items)) => items.iter().enumerate().find_map(|(at, item)| go(&at, item)),
        (Step::Each, Value::Object(members)) => members.iter().find_map(|(name, value)| go(name, value)),
        (Step::Named(name), Value::Object(members)) => members.get(name).and_then(|value| go(name, value)),
        (Step::Named(name), Value::Array(items)) => {
            let at: usize = name.parse().ok()?;
            items.get(at).and_then(|value| go(name, value))
        }
        _ => None,
    }
}

impl std::str::FromStr for Refusal {
    type Err = RefusalError;
    fn from_str(text: &str) -> Result<Self, RefusalError> {
        if text.len() > MAX_POINTER_BYTES {
            return Err(RefusalError::TooLong);
        }
        let Some(steps) = text.strip_prefix('/') else { return Err(RefusalError::NoSlash(text.to_owned())) };
        let step = |step: &str| match step {
            "*" => Ok(Step::Each),
            name if name.split('~').skip(1).all(|rest| rest.starts_with(['0', '1'])) => {
                Ok(Step::Named(name.replace("~1", "/").replace("~0", "~")))
            }
            _ => Err(RefusalError::Escape(text.to_owned())),
        };
        Ok(Self { text: text.to_owned(), steps: steps.split('/').map(step).collect::<Result<_, _>>()? })
    }
}

impl TryFrom<String> for Refusal {
    type Error = RefusalError;
    fn try_from(text: String) -> Result<Self, RefusalError> {
        text.parse()
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(pointer: &str, answer: Value, expect: Option<(&str, Value)>) {
        let refusal: Refusal = pointer.parse().expect("a pointer");
        let found = refusal.found(&answer).map(|(path, value)| (path, value.clone()));
        assert_eq!(found, expect.map(|(path, value)| (path.to_owned(), value)), "{pointer} in {answer}");
    }

    #[test]
    fn any_value_but_null_at_any_of_the_places_is_a_refusal() {
        let offsets = |codes: &[Value]| json!({"offsets": codes.iter().map(|code| json!({"offset": 1, "error_code": code})).collect::<Vec<_>>()});
        let pointer = "/offsets/*/error_code";
        check(pointer, offsets(&[json!(null), json!(null)]), None);
        check(pointer, offsets(&[json!(null), json!(50002)]), Some(("/offsets/1/error_code", json!(50002))));
        check(pointer, offsets(&[json!(false)]), Some(("/offsets/0/error_code", json!(false))));
        for nothing in [json!({}), json!({"offsets": []}), json!({"offsets": [{}]}), json!([]), json!("offsets")] {
            check(pointer, nothing, None);
        }
        check("/errors/*", json!({"errors": {"a": null, "b": "full"}}), Some(("/errors/b", json!("full"))));
        check("/0/status", json!([{"status": 429}]), Some(("/0/status", json!(429))));
        check("/a~1b/m~0n", json!({"a/b": {"m~n": 1}}), Some(("/a~1b/m~0n", json!(1))));
        check("/~01", json!({"~1": 1, "/": 2}), Some(("/~01", json!(1))));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["", "offsets/*", "$.offsets"] {
            assert_eq!(text.parse::<Refusal>(), Err(RefusalError::NoSlash(text.to_owned())));
        }
        for text in ["/a~", "/a~2", "/~*"] {
            assert_eq!(text.parse::<Refusal>(), Err(RefusalError::Escape(text.to_owned())));
        }
        assert_eq!("/x".repeat(MAX_POINTER_BYTES).parse::<Refusal>(), Err(RefusalError::TooLong));
    }
}
