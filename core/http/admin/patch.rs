//! JSON Merge Patch (RFC 7396) on items. Nulls take members away.

use serde_json::{Map, Value};

use crate::http::error::FieldError;

/// Lays `patch` over `target` (RFC 7396 section 2).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.shift_remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Members that the schema of a patch does not know. Values are checked once they are merged; a member that is
/// unknown and null would be gone by then, and its author none the wiser.
pub fn unknown(patch: &Value, schema: &Value) -> Vec<FieldError> {
    let mut found = Vec::new();
    collect(patch, schema, "", &mut found);
    found
}

fn collect(patch: &Value, schema: &Value, path: &str, found: &mut Vec<FieldError>) {
    let (Some(fields), Some(known)) = (patch.as_object(), schema.get("properties").and_then(Value::as_object)) else {
        return;
    };
    for (name, value) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match known.get(name) {
            Some(schema) => collect(value, object_form(schema), &path, found),
            None => {
                let known = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                found.push(FieldError { field: path, reason: format!("unknown member; known are {known}") });
            }
        }
    }
}

/// Where a value may have several forms, the one with members.
fn object_form(schema: &Value) -> &Value {
    let forms = schema.get("anyOf").and_then(Value::as_array);
    forms.and_then(|forms| forms.iter().find(|form| form.get("properties").is_some())).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7396 appendix A.
    #[test]
    fn the_examples_of_the_standard_come_out_as_printed() {
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut target = original.clone();
            merge(&mut target, &patch);
            assert_eq!(target, result, "{original} with {patch}");
        }
    }

    #[test]
    fn an_unknown_member_is_found_even_where_it_would_take_something_away() {
        let schema = json!({"properties": {
            "name": {"type": "string"},
            "pre_roll": {"anyOf": [{"type": "null"}, {"properties": {"max": {}}}]},
            "config": {"type": "object"},
        }});
        let patch = json!({"nmae": null, "pre_roll": {"mxa": null}, "config": {"x": null}, "name": "y"});
        let fields: Vec<String> = unknown(&patch, &schema).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["nmae", "pre_roll.mxa"]);
    }
}
