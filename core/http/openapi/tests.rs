//! The document, linted: what readers and generators of clients rely on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::document;
use crate::http::{admin, reports, tracking};

fn served() -> Value {
    let mut described = admin::described().to_openapi();
    described.merge(tracking::described().to_openapi());
    described.merge(reports::described().to_openapi());
    document(&described)
}

/// `(path, method, operation)` of all operations.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("an item");
        item.iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    operations.collect()
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => document.pointer(path.strip_prefix('#').expect("a local reference")).expect(path),
        None => value,
    }
}

fn none(mistakes: Vec<String>) {
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let document = served();
    let (mut mistakes, mut ids) = (Vec::new(), BTreeSet::new());
    let tags: Vec<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id) {
            mistakes.push(format!("{place}: operationId `{id}` is missing or used twice"));
        }
        if !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            mistakes.push(format!("{place}: operationId `{id}` makes no name in every language"));
        }
        for text in ["summary", "description"] {
            if operation[text].as_str().unwrap_or_default().is_empty() {
                mistakes.push(format!("{place}: no {text}"));
            }
        }
        if operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')) {
            mistakes.push(format!("{place}: a summary is no sentence"));
        }
        let tagged = operation["tags"].as_array().is_some_and(|used| {
            used.len() == 1 && used.iter().all(|tag| tags.contains(&tag.as_str().unwrap_or_default()))
        });
        if !tagged {
            mistakes.push(format!("{place}: needs one tag that is described"));
        }
    }
    assert!(ids.len() > 50, "only {} operations", ids.len());
    none(mistakes);
}

#[test]
fn every_answer_is_described_and_every_error_is_a_problem() {
    let document = served();
    let mut mistakes = Vec::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let answers = operation["responses"].as_object().expect("responses");
        if !answers.keys().any(|status| status.starts_with('2')) {
            mistakes.push(format!("{place}: never succeeds"));
        }
        let mut must = vec!["401", "403", "429", "500", "503"];
        if path.contains('{') {
            must.push("404");
        }
        if operation.get("requestBody").is_some() {
            must.extend(["400", "413", "415", "422"]);
        }
        for status in must {
            if !answers.contains_key(status) {
                mistakes.push(format!("{place}: {status} is not documented"));
            }
        }
        for (status, answer) in answers {
            let answer = resolve(&document, answer);
            if answer["description"].as_str().unwrap_or_default().is_empty() {
                mistakes.push(format!("{place}: {status} has no description"));
            }
            let problem = answer.pointer("/content/application~1problem+json/schema/$ref");
            if status.starts_with(['4', '5']) && problem != Some(&json!("#/components/schemas/Problem")) {
                mistakes.push(format!("{place}: {status} is no problem"));
            }
        }
    }
    none(mistakes);
}

#[test]
fn parameters_are_those_of_the_path_and_all_are_described() {
    let document = served();
    let mut mistakes = Vec::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let mut in_path = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = resolve(&document, parameter);
            let (name, place_of) =
                (parameter["name"].as_str().expect("a name"), parameter["in"].as_str().expect("a place"));
            if place_of == "path" {
                in_path.insert(name);
            }
            if !seen.insert((place_of, name)) {
                mistakes.push(format!("{place}: {name} is there twice"));
            }
            if parameter["description"].as_str().unwrap_or_default().is_empty() {
                mistakes.push(format!("{place}: {name} has no description"));
            }
            if parameter.get("schema").is_none() {
                mistakes.push(format!("{place}: {name} has no schema"));
            }
        }
        let named: BTreeSet<&str> = super::named_parts(path).collect();
        if named != in_path {
            mistakes.push(format!("{place}: the path has {named:?}, the parameters {in_path:?}"));
        }
        if path.contains("{*") {
            mistakes.push(format!("{place}: that is axum's notation"));
        }
    }
    none(mistakes);
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    fn collect<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let document = served();
    let mut found = BTreeSet::new();
    collect(&document, &mut found);
    let mut mistakes: Vec<String> = Vec::new();
    for path in &found {
        if document.pointer(path.strip_prefix('#').expect("local")).is_none() {
            mistakes.push(format!("{path} leads nowhere"));
        }
    }
    for kind in ["schemas", "responses", "parameters", "headers"] {
        for name in document["components"][kind].as_object().expect("components").keys() {
            let path = format!("#/components/{kind}/{name}");
            // Whatever a router answers by itself is in no operation.
            if !found.contains(path.as_str()) && name != "MethodNotAllowed" {
                mistakes.push(format!("{path} is not used"));
            }
        }
    }
    none(mistakes);
}

#[test]
fn every_object_says_whether_it_may_have_other_members_and_every_schema_that_people_write_is_described() {
    let document = served();
    let mut mistakes = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        if schema["description"].as_str().unwrap_or_default().is_empty() {
            mistakes.push(format!("{name}: no description"));
        }
        let open = ["Config"];
        if schema["type"] == "object" && schema.get("additionalProperties").is_none() && !open.contains(&name.as_str())
        {
            mistakes.push(format!("{name}: may it have other members?"));
        }
    }
    none(mistakes);
}

#[test]
fn examples_are_valid_against_their_schemas() {
    fn walk(document: &Value, place: &str, schema: &Value, checked: &mut usize, mistakes: &mut Vec<String>) {
        let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
        for example in examples.chain(schema.get("example")) {
            *checked += 1;
            if let Err(reason) = check(document, schema, example) {
                mistakes.push(format!("{place}: {example}: {reason}"));
            }
        }
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            walk(document, &format!("{place}.{name}"), member, checked, mistakes);
        }
        if let Some(items) = schema.get("items") {
            walk(document, &format!("{place}[]"), items, checked, mistakes);
        }
    }
    let document = served();
    let (mut checked, mut mistakes) = (0, Vec::new());
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        walk(&document, name, schema, &mut checked, &mut mistakes);
    }
    assert!(checked > 30, "only {checked} examples");
    none(mistakes);
}

#[test]
fn the_check_of_examples_refuses_what_is_wrong() {
    let document = served();
    let schema = |name: &str| &document["components"]["schemas"][name];
    for (name, value, fine) in [
        ("Slug", json!("summer-sale"), true),
        ("Slug", json!("Summer"), false),
        ("FrequencyCap", json!({"impressions": 3, "per": "hour"}), true),
        ("FrequencyCap", json!({"impressions": 0, "per": "hour"}), false),
        ("FrequencyCap", json!({"impressions": 3}), false),
        ("FrequencyCap", json!({"impressions": 3, "per": "hour", "x": 1}), false),
        ("Creative", json!({"image": "https://x.example.com/a.png"}), false),
        ("Campaign", json!({"slug": "a", "cpm": "1.2345"}), false),
        ("Campaign", json!({"slug": "a", "cpm": null, "budget": 7}), true),
        ("CampaignPatch", json!({"cpm": null, "frequency_cap": {"impressions": null}}), true),
        ("Rules", json!([{"type": "geo", "operator": "in", "value": ["US"]}]), true),
        ("Rules", json!([{"type": "geo", "operator": "in", "value": [true]}]), false),
    ] {
        assert_eq!(check(&document, schema(name), &value).is_ok(), fine, "{name}: {value}");
    }
}

/// The part of JSON Schema that our schemas use. Patterns are checked where they are simple; the rest is compared with
/// the readers by the tests of the API.
fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(document, schema);
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allows = |name: &str| name == kind || (name == "number" && kind == "integer");
    let typed = match &schema["type"] {
        Value::String(name) => allows(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(allows),
        _ => true,
    };
    if !typed {
        return Err(format!("{kind} where {} should be", schema["type"]));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        return Err("not one of the choices".to_owned());
    }
    if let Some(forms) = schema["anyOf"].as_array()
        && !forms.iter().any(|form| check(document, form, value).is_ok())
    {
        return Err("none of the forms fits".to_owned());
    }
    if let Some(number) = value.as_f64() {
        let beyond =
            |name: &str, beyond: fn(f64, f64) -> bool| schema[name].as_f64().is_some_and(|end| beyond(number, end));
        if beyond("minimum", |n, end| n < end) || beyond("maximum", |n, end| n > end) {
            return Err("out of range".to_owned());
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|min| length < min)
            || schema["maxLength"].as_u64().is_some_and(|max| length > max)
        {
            return Err("too short or too long".to_owned());
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !matches(pattern, text)
        {
            return Err(format!("does not match {pattern}"));
        }
    }
    if let Some(items) = value.as_array() {
        if schema["maxItems"].as_u64().is_some_and(|max| items.len() as u64 > max) {
            return Err("too many items".to_owned());
        }
        if let Some(form) = schema.get("items") {
            items.iter().try_for_each(|item| check(document, form, item))?;
        }
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, member) in members {
        let form = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        match form {
            Some(Value::Bool(false)) => return Err(format!("{name} is unknown")),
            Some(form) => check(document, form, member).map_err(|reason| format!("{name}: {reason}"))?,
            None => {}
        }
    }
    Ok(())
}

/// The patterns of our schemas, each with what it means.
fn matches(pattern: &str, text: &str) -> bool {
    let decimals = |most: usize, zeros: usize| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let significant = fraction.trim_end_matches('0').len().max(1);
        digits(whole) && digits(fraction) && significant <= most && fraction.len() <= most + zeros
    };
    let known: BTreeMap<&str, bool> = BTreeMap::from([
        (super::COUNTER_PATTERN, text.parse::<crate::domain::CounterGrant>().is_ok()),
        (super::SLUG_PATTERN, text.parse::<crate::domain::Slug>().is_ok()),
        ("^[^\\u0000-\\u001f\\u007f-\\u009f]+$", !text.is_empty() && !text.chars().any(char::is_control)),
        ("^(/([^~/]|~[01])*)+$", text.parse::<crate::domain::Refusal>().is_ok()),
        ("^https?:", text.starts_with("http:") || text.starts_with("https:")),
        ("^[A-Z]{3}$", text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())),
        ("^[a-z][a-z0-9_]*$", text.parse::<crate::domain::EventType>().is_ok()),
        ("^([01][0-9]|2[0-3]):[0-5][0-9]$", text.len() == 5 && text.parse::<jiff::civil::Time>().is_ok()),
        ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", text.len() == 10 && text.split('-').count() == 3),
        ("^[0-9]+(\\.[0-9]{1,6})?$", decimals(6, 0)),
        ("^[0-9]+(\\.[0-9]{1,3}0{0,3})?$", decimals(3, 3)),
    ]);
    *known.get(pattern).unwrap_or_else(|| panic!("the check does not know {pattern}"))
}

#[test]
fn routes_of_others_may_join_with_schemas_of_their_own() {
    #[derive(utoipa::ToSchema, serde::Serialize)]
    struct Pong {
        /// Always true.
        ok: bool,
    }
    /// Answers
    #[utoipa::path(get, path = "/ping", tag = "ads", responses((status = 200, description = "Pong.", body = Pong)))]
    async fn ping() -> axum::Json<Pong> {
        axum::Json(Pong { ok: true })
    }
    let mut api: OpenApiRouter = OpenApiRouter::new().routes(utoipa_axum::routes!(ping));
    let document = document(&api.to_openapi());
    assert_eq!(document["paths"]["/ping"]["get"]["responses"]["401"]["$ref"], "#/components/responses/Unauthorized");
    assert_eq!(document["components"]["schemas"]["Pong"]["required"], json!(["ok"]));
}
