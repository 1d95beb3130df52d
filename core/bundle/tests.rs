//! What holds for any text; single rules are scenario folders in `tests/bundles`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::domain::{TenantManifest, Text};

const GOOD: &str = include_str!("../../tests/bundles/good-full/tenant.yaml");

fn bundle(text: &str) -> BundleFiles {
    let scripts =
        ["rules/fill.rhai", "rules/kids.rhai", "rules/kids-2.rhai"].map(|path| (path.to_owned(), Text::default()));
    let mut files = BundleFiles { files: scripts.into() };
    files.files.insert(MANIFEST_FILE.into(), text.into());
    files
}

/// Every error points into the text, and none is blank.
fn check_errors(text: &str) {
    let Err(errors) = parse(&bundle(text)) else { return };
    let lines = text.lines().count().max(1) + 1;
    for error in errors.iter() {
        assert!(error.line <= lines, "{error} is beyond line {lines}");
        assert!(!error.message.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_text_is_read_or_refused_with_places(text in "[ -~\n\t€]{0,300}") {
        check_errors(&text);
    }

    #[test]
    fn a_bundle_with_a_stretch_torn_out_is_read_or_refused_with_places(
        at in 0..GOOD.len(),
        length in 0_usize..80,
        put in prop_oneof![Just(""), Just("\n"), Just(": "), Just("- "), Just("*a"), Just("&a "), Just("!!x "), Just("{")],
    ) {
        let end = (at + length).min(GOOD.len());
        check_errors(&format!("{}{put}{}", &GOOD[..at], &GOOD[end..]));
    }
}

#[test]
fn hostile_yaml_is_refused_quickly() {
    for (name, text) in [
        ("brackets", "[".repeat(MAX_MANIFEST_BYTES - 1)),
        ("braces", "{".repeat(MAX_MANIFEST_BYTES - 1)),
        ("dashes", "- ".repeat(MAX_MANIFEST_BYTES / 2 - 1)),
        ("keys", "? ".repeat(MAX_MANIFEST_BYTES / 2 - 1)),
        ("quote", format!("a: \"{}", "x".repeat(1_000_000))),
        ("anchors", (0..100_000).map(|at| format!("- &a{at} x\n")).collect()),
        ("long key", format!("{}: 1", "k".repeat(1_000_000))),
        ("unknown keys", (0..100_000).map(|at| format!("k{at}: 1\n")).collect()),
    ] {
        let started = Instant::now();
        let errors = parse(&bundle(&text)).unwrap_err();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(10), "{name} took {took:?}");
        assert!(errors.to_string().len() < 1_000_000, "{name}: the report is as large as the attack");
    }
}

#[test]
fn a_bundle_as_large_as_allowed_is_read_in_reasonable_time() {
    let campaigns: String = (0..1_000).map(|at| format!("  - {{ slug: c{at}, cpm: \"1.5\" }}\n")).collect();
    let ad = |at: usize| {
        format!(
            "  - slug: ad-{at}\n    campaign: c{}\n    duration_seconds: 15\n    \
             creative: {{ hls: \"https://cdn.example.com/{at}.m3u8\" }}\n    \
             rules: [{{ type: geo, operator: in, value: [US, CA] }}]\n",
            at % 1_000
        )
    };
    let ads: String = (0..MAX_ADS).map(ad).collect();
    let text = format!("tenant: {{ slug: large }}\ncampaigns:\n{campaigns}ads:\n{ads}");
    let started = Instant::now();
    let manifest = parse(&bundle(&text)).unwrap();
    assert_eq!((manifest.ads.len(), manifest.campaigns.len()), (MAX_ADS, 1_000));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

fn full() -> TenantManifest {
    parse(&bundle(GOOD)).unwrap()
}

#[test]
fn what_is_written_reads_back_as_the_same_manifest_and_the_same_bytes() {
    let manifest = full();
    let files = BundleFiles::of(&manifest);
    let again = parse(&files).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(BundleFiles::of(&again), files);
}

#[test]
fn a_document_without_edits_is_its_manifest() {
    let mut manifest = full();
    manifest.ads.sort_by(|a, b| a.slug.cmp(&b.slug));
    assert_eq!(Document::new(manifest.clone().into()).into_manifest().unwrap(), manifest);
}

#[test]
fn a_document_filled_from_nothing_is_the_manifest_that_filled_it() {
    let mut manifest = full();
    manifest.ads.sort_by(|a, b| a.slug.cmp(&b.slug));
    let mut document = Document::empty();
    document.replace(&manifest);
    assert_eq!(document.into_manifest().unwrap(), manifest);
}

#[test]
fn an_edit_is_read_by_the_same_rules_and_named_by_slug() {
    let mut document = Document::new(full().into());
    let mut ad = document.item(Section::Ads, "coca-cola-30").unwrap();
    ad["duration_seconds"] = serde_json::json!("long");
    ad["campain"] = serde_json::json!("x");
    document.put(Section::Ads, "coca-cola-30", ad);
    let errors = document.into_manifest().unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["ads[coca-cola-30].campain", "ads[coca-cola-30].duration_seconds"]);
}

#[test]
fn what_is_still_referred_to_cannot_go() {
    let gone = |edit: fn(&mut Document)| {
        let mut document = Document::new(full().into());
        edit(&mut document);
        let errors = document.into_manifest().unwrap_err();
        errors.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
    };
    let campaign = gone(|document| assert!(document.remove(Section::Campaigns, "summer-sale")));
    assert_eq!(campaign, ["ads[coca-cola-30].campaign", "ads[cola-banner].campaign"]);
    let slate = gone(|document| assert!(document.remove(Section::Ads, "station-slate")));
    assert_eq!(slate, ["channels[news].slate"]);
    let script = gone(|document| assert!(document.remove_script("rules/kids.rhai")));
    let places = [
        "extensions.counters.rules/kids.rhai",
        "extensions.targeting[0].use",
        "extensions.trial.scripts.rules/kids.rhai",
    ];
    assert_eq!(script, places);
    let channel = gone(|document| assert!(document.remove(Section::Channels, "news")));
    assert_eq!(channel, ["ads[coca-cola-30].rules[5].value"]);
}
