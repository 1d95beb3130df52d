//! The shapes of the API as JSON Schema (draft 2020-12): what OpenAPI calls components.
//!
//! An item has the shape that it has in `tenant.yaml`. The bundle readers decide what is valid; a schema says the same
//! as far as schemas can, with the readers' own limits, and never less: what it refuses, they refuse.

mod answers;
mod items;
mod parts;

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};

/// All components by name.
static COMPONENTS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    parts::add(&mut all);
    items::add(&mut all);
    answers::add(&mut all);
    all
});

pub fn components() -> &'static BTreeMap<String, Value> {
    &COMPONENTS
}

pub fn component(name: &str) -> &'static Value {
    static NONE: Value = Value::Null;
    COMPONENTS.get(name).unwrap_or(&NONE)
}

type Components = BTreeMap<String, Value>;

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object whose members are all known. A required one is written `name!`.
fn object(description: &str, members: &[(&str, Value)]) -> Value {
    let name = |written: &str| written.trim_end_matches('!').to_owned();
    let required: Vec<String> =
        members.iter().filter(|(written, _)| written.ends_with('!')).map(|(written, _)| name(written)).collect();
    let properties: Map<String, Value> = members
        .iter()
        .map(|(written, schema)| {
            (name(written), if written.ends_with('!') { schema.clone() } else { nullable(schema) })
        })
        .collect();
    let mut object = json!({"type": "object", "description": description, "properties": properties});
    if !required.is_empty() {
        set(&mut object, "required", json!(required));
    }
    set(&mut object, "additionalProperties", json!(false));
    object
}

/// The same schema with something more, such as a description.
fn with(mut schema: Value, name: &str, value: impl Into<Value>) -> Value {
    set(&mut schema, name, value.into());
    schema
}

fn about(schema: Value, description: &str) -> Value {
    with(schema, "description", description)
}

fn set(schema: &mut Value, name: &str, value: Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// A member without a value is as good as none.
fn nullable(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let Some(fields) = schema.as_object_mut() else { return schema };
    if let Some(choices) = fields.get_mut("enum").and_then(Value::as_array_mut)
        && !choices.contains(&Value::Null)
    {
        choices.push(Value::Null);
    }
    if let Some(forms) = fields.get_mut("anyOf").and_then(Value::as_array_mut) {
        if !forms.contains(&json!({"type": "null"})) {
            forms.push(json!({"type": "null"}));
        }
    } else if let Some(reference) = fields.remove("$ref") {
        fields.insert("anyOf".to_owned(), json!([{"$ref": reference}, {"type": "null"}]));
    } else if let Some(kind) = fields.get("type").and_then(Value::as_str).map(str::to_owned) {
        fields.insert("type".to_owned(), json!([kind, "null"]));
    }
    schema
}

/// Without what must be there: a body whose address says it already.
fn not_required(mut schema: Value, name: &str) -> Value {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|one| one != name);
        let empty = required.is_empty();
        if empty && let Some(fields) = schema.as_object_mut() {
            fields.shift_remove("required");
        }
    }
    if let Some(member) = schema.get("properties").and_then(|members| members.get(name)) {
        let member = about(nullable(member), "As in the address; may be left out.");
        if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            members.insert(name.to_owned(), member);
        }
    }
    schema
}

/// The shape of a merge patch for `schema`: nothing is required and everything may be taken away, at every level that
/// a patch merges; lists are replaced as a whole.
fn patch_of(schema: &Value, all: &Components) -> Value {
    let mut relaxed = match schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        Some(name) if all.get(name).is_some_and(|found| found.get("properties").is_some()) => {
            let mut found = all.get(name).cloned().unwrap_or_default();
            if let Some(description) = schema.get("description") {
                set(&mut found, "description", description.clone());
            }
            found
        }
        _ => schema.clone(),
    };
    let Some(fields) = relaxed.as_object_mut() else { return relaxed };
    if let Some(Value::Array(forms)) = fields.shift_remove("anyOf") {
        let null = json!({"type": "null"});
        // Alternatives among required members make no sense where nothing is required.
        let kept = forms.iter().filter(|form| form.get("type").is_some() || form.get("$ref").is_some());
        let forms: Vec<Value> = kept.map(|form| patch_of(form, all)).collect();
        match forms.as_slice() {
            [] => {}
            // One form or null: the form, which may be null.
            [one, other] if *other == null => {
                let mut one = nullable(one);
                if let (Some(description), Some(fields)) = (fields.get("description"), one.as_object_mut()) {
                    fields.insert("description".to_owned(), description.clone());
                }
                return one;
            }
            _ => set(&mut relaxed, "anyOf", Value::Array(forms)),
        }
    }
    let Some(fields) = relaxed.as_object_mut() else { return relaxed };
    if let Some(members) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        for (_, member) in members.iter_mut() {
            *member = nullable(&patch_of(member, all));
        }
    }
    if let Some(free) = fields.get_mut("additionalProperties").filter(|free| free.is_object()) {
        *free = nullable(free);
    }
    // A count holds for the outcome, not for the patch; an example is one of a whole.
    for name in ["required", "maxProperties", "examples"] {
        fields.shift_remove(name);
    }
    relaxed
}

/// A page of a list.
fn page(item: Value, what: &str) -> Value {
    let cursor =
        json!({"type": ["string", "null"], "description": "Give this as `cursor` to go on; null on the last page."});
    json!({
        "type": "object",
        "description": format!("A page of {what}."),
        "properties": {"items": {"type": "array", "items": item}, "next_cursor": cursor},
        "required": ["items", "next_cursor"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_component() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        components().values().for_each(|schema| references(schema, &mut found));
        for path in found {
            let name = path.strip_prefix("#/components/schemas/").expect("a component");
            assert!(components().contains_key(name), "{path}");
        }
    }

    /// The readers say which keys they know when they meet one that they do not.
    #[test]
    fn schemas_have_the_members_that_the_readers_know() {
        let yaml = "\
tenant: { slug: a, x: 1, privacy: { x: 1 } }
channels: [ { slug: c, hls_manifest_url: \"https://x.example.com/a\", x: 1, pre_roll: { max_duration_seconds: 1, x: 1 },
  ad_server: { vast_url: \"https://x.example.com/v\", x: 1 } } ]
campaigns: [ { slug: p, x: 1, frequency_cap: { impressions: 1, per: hour, x: 1 } } ]
ads: [ { slug: i, duration_seconds: 1, x: 1, creative: { hls: \"https://x.example.com/a\", x: 1 },
  rules: [ { type: geo, operator: in, value: [US], x: 1 } ] } ]
extensions: { x: 1, targeting: [ { use: \"shipped:geo\", x: 1 } ], sinks: [ { use: \"shipped:log\", x: 1 } ],
  trial: { scripts: { \"shipped:geo\": \"shipped:device\" }, mode: shadow, x: 1 } }
";
        let files = BTreeMap::from([("tenant.yaml".to_owned(), yaml.into())]);
        let errors = crate::bundle::parse(&crate::bundle::BundleFiles { files }).expect_err("unknown keys");
        for (field, name) in [
            ("tenant.x", "Tenant"),
            ("tenant.privacy.x", "Privacy"),
            ("channels[0].x", "Channel"),
            ("channels[0].pre_roll.x", "PreRoll"),
            ("channels[0].ad_server.x", "AdServer"),
            ("campaigns[0].x", "Campaign"),
            ("campaigns[0].frequency_cap.x", "FrequencyCap"),
            ("ads[0].x", "Ad"),
            ("ads[0].creative.x", "Creative"),
            ("ads[0].rules[0].x", "Rule"),
            ("extensions.x", "Mounts"),
            ("extensions.targeting[0].x", "TargetingMount"),
            ("extensions.sinks[0].x", "SinkMount"),
            ("extensions.trial.x", "ScriptTrial"),
        ] {
            let error = errors.iter().find(|error| error.field == field);
            let error = error.unwrap_or_else(|| panic!("no error at {field}:\n{errors}"));
            let known = error.expected.strip_prefix("one of ").expect("the known keys").split(", ");
            // Keys that are known only to be refused, and those of another kind of creative.
            let refused = ["mp4", "on_error", "allow_hosts", "refused_if"];
            let schema = &component(name)["properties"];
            for key in known.filter(|key| !refused.contains(key)) {
                assert!(schema.get(key).is_some(), "{name} has no `{key}`");
            }
        }
    }

    #[test]
    fn a_patch_may_take_away_every_member_and_must_name_none() {
        let patch = component("ChannelPatch");
        assert_eq!(patch.get("required"), None);
        let pre_roll = &patch["properties"]["pre_roll"];
        assert!(pre_roll["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null"))), "{pre_roll}");
        assert_eq!(pre_roll.get("required"), None, "{pre_roll}");
        assert_eq!(patch["additionalProperties"], json!(false));
    }
}
