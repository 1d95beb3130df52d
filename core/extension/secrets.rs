//! Secrets in a configuration: `{ secret: name }` stands for a value that scripts never see.
//!
//! A script gets a placeholder in its place, writes it wherever the value belongs, and the host fills it in when it
//! sends. Does not know the values or where they are kept.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::Slug;

/// The member that makes an object stand for a secret.
const KEY: &str = "secret";

/// Placeholders and the names of the secrets that they stand for.
pub type Placeholders = BTreeMap<String, Slug>;

/// The configuration as scripts get it: each `{ secret: name }` replaced by what `placeholder` says for the name.
pub fn hide(config: &Value, placeholder: &impl Fn(&Slug) -> String) -> (Value, Placeholders) {
    let mut found = Placeholders::new();
    (hide_in(config, placeholder, &mut found), found)
}

/// With placeholders that say what they are: for trials and tests, where nothing is sent.
pub fn hide_for_trial(config: &Value) -> Value {
    hide(config, &|name| format!("secret-{name}")).0
}

fn hide_in(value: &Value, placeholder: &impl Fn(&Slug) -> String, found: &mut Placeholders) -> Value {
    match value {
        Value::Object(fields) => match named(fields) {
            Some(name) => {
                let text = placeholder(&name);
                found.insert(text.clone(), name);
                Value::String(text)
            }
            None => {
                let hidden = fields.iter().map(|(key, value)| (key.clone(), hide_in(value, placeholder, found)));
                Value::Object(hidden.collect())
            }
        },
        Value::Array(items) => Value::Array(items.iter().map(|item| hide_in(item, placeholder, found)).collect()),
        plain => plain.clone(),
    }
}

fn named(fields: &Map<String, Value>) -> Option<Slug> {
    let name = fields.get(KEY).filter(|_| fields.len() == 1)?;
    name.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_replaced_wherever_it_stands_and_nothing_else_is() {
        let config = json!({
            "url": "https://a", "token": {"secret": "shop"}, "headers": {"A": {"secret": "b"}}, "list": [{"secret": "shop"}],
            "plain": {"secret": 1}, "more": {"secret": "x", "y": 1}, "odd": {"secret": "No Slug"},
        });
        let (hidden, found) = hide(&config, &|name| format!("<{name}>"));
        let expect = json!({
            "url": "https://a", "token": "<shop>", "headers": {"A": "<b>"}, "list": ["<shop>"],
            "plain": {"secret": 1}, "more": {"secret": "x", "y": 1}, "odd": {"secret": "No Slug"},
        });
        assert_eq!(hidden, expect);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["<b>", "<shop>"]);
    }
}
