//! `counters.read`: what the plugin asks for and its tenant grants, and nothing else.

use std::collections::BTreeMap;

use super::*;

/// Chooses the first ad if a counter is 7, the second if it is any other number, and none if it is not told.
fn reader(asks: &Value, name: &str) -> v1::Fill {
    let core = format!(
        r#"(module
            (import "cuetone:extension/counters@1.0.0" "read" (func $read (param i32 i32 i32)))
            (memory (export "memory") 1) (data (i32.const 512) "{name}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "cuetone:extension/fill@1.0.0#fill") (param i32) (result i32)
                (call $read (i32.const 512) (i32.const {length}) (i32.const 128))
                (i32.store (i32.const 1024) (i64.ne (i64.load (i32.const 136)) (i64.const 7)))
                (i32.store (i32.const 68) (i32.const 1024))
                (i32.store (i32.const 72) (i32.load8_u (i32.const 128)))
                (i32.const 64)))"#,
        length = name.len()
    );
    fill(&described(component(Point::Fill, &core), |metadata| metadata["counters"] = asks.clone()))
}

#[test]
fn a_plugin_reads_counters_that_it_asks_for_and_that_are_granted() {
    let known = [("clicks.hour".to_owned(), 7), ("impressions.today.ad.cola".to_owned(), 8)];
    let known = Counters::new(Arc::new(BTreeMap::from(known)));
    let grants =
        |grants: &[&str]| known.granting(&grants.iter().map(|grant| grant.parse().expect("a grant")).collect());
    let told = |asks: Value, name: &str, counters: &Counters| {
        let strategy = reader(&asks, name);
        let input = |input: &FillInput<'_>| strategy.run(&FillInput { counters, ..*input });
        sample::fill(&json!({}), input).expect("an answer").answer
    };
    let all = grants(&["clicks.hour", "impressions.today.ad.*"]);
    assert_eq!(told(json!(["clicks.hour"]), "clicks.hour", &all), [0]);
    assert_eq!(told(json!(["impressions.today.ad.*"]), "impressions.today.ad.cola", &all), [1]);
    assert_eq!(all.noted().len(), 2, "what was read is written down");
    let none = [0_usize; 0];
    assert_eq!(told(json!([]), "clicks.hour", &all), none, "it does not ask for it");
    assert_eq!(told(json!(["clicks.hour"]), "clicks.hour", &grants(&["clicks.today"])), none, "it is not granted");
    assert_eq!(told(json!(["clicks.hour"]), "clicks.hour", &known), none, "nothing is granted by default");
    assert_eq!(told(json!(["clicks.hour"]), "sold", &all), none, "there is no such counter");
}

#[test]
fn a_plugin_that_asks_for_what_is_no_counter_is_refused_by_name() {
    let metadata = json!({"name": "x", "version": "1", "point": "fill", "contract": 1, "counters": ["sales.today"]});
    let error = super::super::metadata::Metadata::read(metadata.to_string().as_bytes()).expect_err("no counter");
    assert!(error.contains("`sales.today` is no counter: write impressions"), "{error}");
}
