use super::*;
use crate::extension::{breaker::monotonic, sample};

fn extensions() -> Extensions {
    Extensions::new(monotonic()).unwrap()
}

fn load(point: Point, wanted: &ExtensionRef, scripts: &BTreeMap<String, Text>) -> Result<String, ExtensionError> {
    let extensions = extensions();
    match point {
        Point::Detect => extensions.load_detector(wanted, scripts, "acme").map(|loaded| loaded.version),
        Point::Targeting => extensions.load_targeting(wanted, scripts, "acme").map(|loaded| loaded.version),
        Point::Fill => extensions.load_fill(wanted, scripts, "acme").map(|loaded| loaded.version),
        Point::Sink => extensions.load_sink(wanted, scripts, "acme").map(|loaded| loaded.version),
    }
}

/// Loads `text` as `rules/x.rhai` and shows what its author would read.
fn refused(point: Point, text: &str) -> String {
    let scripts = BTreeMap::from([("rules/x.rhai".to_owned(), text.into())]);
    load(point, &ExtensionRef::File("rules/x.rhai".to_owned()), &scripts).unwrap_err().to_string()
}

#[test]
fn every_shipped_rule_loads() {
    for (name, _) in shipped::all() {
        let point: Point = name.split('/').next().unwrap().parse().unwrap();
        let loaded = load(point, &ExtensionRef::Shipped(name.to_owned()), &BTreeMap::new());
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}

#[test]
fn the_version_is_the_texts_and_not_the_names() {
    let source = |name, text| ScriptSource { name, text }.version();
    assert_eq!(source("a.rhai", "fn fill(a, b) { [] }"), source("b.rhai", "fn fill(a, b) { [] }"));
    assert_ne!(source("a.rhai", "fn fill(a, b) { [] }"), source("a.rhai", "fn fill(a, b) { []  }"));
    assert_eq!(source("a.rhai", "").len(), 12);
}

#[test]
fn unknown_scripts_are_named_with_those_that_exist() {
    let scripts = BTreeMap::from([("rules/kids.rhai".to_owned(), Text::default())]);
    let error = load(Point::Fill, &ExtensionRef::File("rules/kid.rhai".to_owned()), &scripts).unwrap_err().to_string();
    assert!(error.contains("its scripts: rules/kids.rhai"), "{error}");
    let error = load(Point::Fill, &ExtensionRef::Shipped("fill/best".to_owned()), &scripts).unwrap_err().to_string();
    assert!(error.contains("shipped fill rules: fill/best_effort, fill/strict"), "{error}");
}

/// What an author reads: place, message, hint.
fn check(point: Point, text: &str, expected: &str) {
    assert_eq!(refused(point, text), format!("rules/x.rhai:{expected}"), "{text}");
}

#[test]
fn slips_are_found_when_a_script_is_activated_with_place_and_hint() {
    check(
        Point::Targeting,
        "fn target(ad, request) {\n  ad.durration > 3\n}",
        "2:6: Ad has no property `durration`\n  hint: did you mean `duration`?",
    );
    check(
        Point::Targeting,
        "// Nobody is called that, so no trial gets there.\n// ä\nfn target(ad, request) {\n  if ad.id == \"x\" { return ad.lables.rating; }\n}",
        "4:31: Ad has no property `lables`\n  hint: did you mean `labels`?",
    );
    check(
        Point::Targeting,
        "fn target(ad, request) { requets.geo == \"US\" }",
        "1:26: there is no variable `requets`\n  hint: did you mean `request`?",
    );
    check(
        Point::Targeting,
        "fn target(ad, request) { ad.id.startswith(\"x\") }",
        "1:32: there is no function `startswith` for (string, string)\n  hint: did you mean `starts_with`?",
    );
    check(Point::Fill, "fn fill(avail, ads) { ads[99] }", "1:26: ads[99]: there are only 20 ads");
    check(
        Point::Fill,
        "fn fil(avail, ads) { [] }",
        "1:1: a fill script needs a function that this one does not define\n  hint: write fn fill(avail, ads, config) { … }; the last argument may be left out",
    );
    check(
        Point::Sink,
        "fn deliver() { [] }",
        "1:1: `deliver` takes 0 arguments here\n  hint: write fn deliver(events, config) { … }; the last argument may be left out",
    );
    check(
        Point::Targeting,
        "fn target(ad, request) { ad.campaign.len() > 3 }",
        "1:38: there is no function `len` for (())\n  hint: a value is `()` here: it is absent. Ask first, `if x != () { … }`, or give a default, `x ?? 0`",
    );
    check(
        Point::Targeting,
        "const ONLY = [\"US\"];\nfn target(ad, request) { request.geo in ONLY }",
        "2:41: there is no variable `ONLY`\n  hint: functions see constants that are numbers, texts, true or false; write a list as a function: fn only() { [1, 2] }",
    );
}

#[test]
fn errors_inside_a_shipped_rule_name_that_rule() {
    let text = "fn detect(window, known) { shipped_static::detect(window, known, #{ break_interval: \"x\" }) }";
    let error = refused(Point::Detect, text);
    assert!(error.starts_with("shipped:detect/static:"), "{error}");
}

#[test]
fn functions_may_leave_the_config_out_and_constants_reach_them() {
    for (point, text) in [
        (Point::Detect, "fn detect(window, known) { [] }"),
        (Point::Targeting, "fn target(ad, request) { true }"),
        (Point::Targeting, "fn target_all(ads, request) { ads.map(|ad| ad.seen < 2) }"),
        (Point::Fill, "const FIRST = 1 - 1; fn pick(ads) { ads[FIRST] } fn fill(avail, ads) { [pick(ads)] }"),
        (Point::Sink, "fn deliver(events) { }"),
    ] {
        let scripts = BTreeMap::from([("x.rhai".to_owned(), text.into())]);
        let loaded = load(point, &ExtensionRef::File("x.rhai".to_owned()), &scripts);
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}

#[test]
fn tenants_may_build_on_shipped_rules() {
    let text = "fn fill(avail, ads, config) { shipped_best_effort::fill(avail, ads, config) }";
    let scripts = BTreeMap::from([("x.rhai".to_owned(), text.into())]);
    assert!(load(Point::Fill, &ExtensionRef::File("x.rhai".to_owned()), &scripts).is_ok());
}

#[test]
fn a_script_may_rely_on_the_configuration_that_it_is_mounted_with() {
    let text = "fn target(ad, request, config) { ad.id.starts_with(config.prefix) }";
    let scripts = BTreeMap::from([("x.rhai".to_owned(), text.into())]);
    let wanted = ExtensionRef::File("x.rhai".to_owned());
    let extensions = extensions();
    assert!(extensions.load_targeting(&wanted, &scripts, "acme").is_err());
    let config = serde_json::json!({ "prefix": "kids-" });
    assert!(extensions.trying_with(&config).load_targeting(&wanted, &scripts, "acme").is_ok());
}

#[test]
fn a_tenant_that_used_up_its_quota_is_answered_by_what_we_ship() {
    let none = Allowance { calls_per_second: 0, ..Allowance::default() };
    let extensions = Extensions::new(monotonic()).expect("an engine").allowing(none);
    let scripts = BTreeMap::from([("fill.rhai".to_owned(), "fn fill(avail, ads) { [] }".into())]);
    let fill = |wanted: ExtensionRef| {
        let loaded = extensions.load_fill(&wanted, &scripts, "acme").expect("it loads");
        sample::fill(&Value::Null, |input| loaded.extension.fill(input)).map_err(|error| error.kind())
    };
    assert_eq!(fill(ExtensionRef::File("fill.rhai".to_owned())), Err("quota"));
    assert!(fill(ExtensionRef::Shipped("fill/best_effort".to_owned())).is_ok_and(|pod| !pod.is_empty()));
    let seen = extensions.seen("acme");
    assert!(seen.is_empty(), "nobody has them any more: {seen:?}");
}

#[test]
fn only_a_server_sets_quotas() {
    assert!(extensions().watch.quota("acme").is_none(), "decisions are decided again however many they are");
    assert!(extensions().allowing(Allowance::default()).watch.quota("acme").is_some());
}
