//! Scenario folders: `bundles/<name>/` is a tenant's folder. One with an `error.txt` must be refused with exactly that
//! text; the others must be accepted. `CUETONE_BLESS=1 cargo test --test bundles` writes the texts anew: read the diff.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cuetone::bundle::{self, BundleFiles, script_uses};
use cuetone::domain::{AddressPolicy, ExtensionRef, Money, Privacy, ReportTime, RuleValue, Span};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles")
}

fn read(name: &str) -> Result<bundle::Parsed, bundle::BundleErrors> {
    BundleFiles::read(&scenarios().join(name)).and_then(|files| bundle::parse_located(&files))
}

#[test]
fn every_bad_bundle_is_refused_with_its_text_and_every_good_one_accepted() {
    let bless = std::env::var_os("CUETONE_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(scenarios()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(path.join("error.txt")).ok();
        seen += 1;
        let answer = read(&name).map(drop).map_err(|errors| format!("{errors}\n"));
        if bless && (name.starts_with("bad-") || expected.is_some()) {
            fs::write(path.join("error.txt"), answer.as_ref().err().map_or("", String::as_str)).unwrap();
            continue;
        }
        if answer.as_ref().err() != expected.as_ref() {
            let got = answer.err().unwrap_or_else(|| "accepted\n".into());
            wrong.push(format!("--- {name}: expected\n{}--- got\n{got}", expected.unwrap_or("accepted\n".into())));
        }
    }
    assert!(seen >= 30, "only {seen} scenarios found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_are_json_with_file_line_column_field_message_and_expected() {
    let errors = read("bad-unknown-key").unwrap_err();
    let json = serde_json::to_value(&errors).unwrap();
    let first = json[0].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["file", "line", "column", "field", "message", "expected"]);
    assert_eq!(json[0]["file"], "tenant.yaml");
}

#[test]
fn a_full_bundle_is_read_field_by_field() {
    let manifest = read("good-full").unwrap().manifest;
    let tenant = &manifest.tenant;
    assert_eq!(tenant.report_time, ReportTime(3 * 60 + 30));
    let privacy = Privacy { address: AddressPolicy::Hash, respect_opt_out: false, retention_days: 30 };
    assert_eq!(tenant.privacy, privacy);
    assert_eq!(
        tenant.event_types.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["trailer_opened", "page_read"]
    );
    let news = &manifest.channels[0];
    assert_eq!(news.detector, ExtensionRef::Shipped("detect/hybrid".into()));
    assert_eq!(news.fill, ExtensionRef::File("rules/fill.rhai".into()));
    assert_eq!(news.ad_break_duration, Span::from_secs(120));
    assert_eq!(news.pre_roll.as_ref().unwrap().max_duration, Span::from_secs(30));
    assert_eq!(news.config["breaks"], serde_json::json!([1.5, true, "x"]));
    assert_eq!(manifest.campaigns[0].budget, Some(Money::from_micros(50_000_000_000)));
    assert_eq!(manifest.campaigns[0].start_date, Some((2024, 6, 1)));
    let cola = &manifest.ads[0];
    assert_eq!(cola.rules[2].value, RuleValue::Range { min: 9, max: 17 });
    assert_eq!(cola.rules[3].value, RuleValue::Range { min: 1, max: 5 });
    assert_eq!(cola.rules[4].value, RuleValue::One("shipped:targeting/geo".into()));
    assert_eq!(manifest.sinks[0].source, ExtensionRef::Shipped("sink/webhook".into()));
    assert_eq!(manifest.sinks[0].allow_hosts, ["hooks.example.com"]);
    assert_eq!(
        manifest.scripts.keys().collect::<Vec<_>>(),
        ["rules/fill.rhai", "rules/kids-2.rhai", "rules/kids.rhai"]
    );
}

#[test]
fn what_a_bundle_leaves_out_has_its_documented_default() {
    let manifest = read("good-minimal").unwrap().manifest;
    assert_eq!((manifest.tenant.name.as_str(), manifest.tenant.timezone.as_str()), ("small", "UTC"));
    let channel = &manifest.channels[0];
    let tenant = &manifest.tenant;
    assert_eq!((tenant.report_time.to_string().as_str(), tenant.event_types.len()), ("02:00", 0));
    let privacy = Privacy { address: AddressPolicy::Truncate, respect_opt_out: true, retention_days: 90 };
    assert_eq!(tenant.privacy, privacy);
    assert_eq!(channel.detector, ExtensionRef::Shipped("detect/scte35".into()));
    assert_eq!(channel.fill, ExtensionRef::Shipped("fill/best_effort".into()));
    assert_eq!((channel.ad_break_interval, channel.ad_break_duration), (Span::from_secs(360), Span::from_secs(120)));
}

#[test]
fn every_use_of_a_script_is_listed_with_the_place_that_names_it() {
    let parsed = read("good-full").unwrap();
    let uses = script_uses(&parsed.manifest);
    let fields: Vec<&str> = uses.iter().map(|item| item.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "channels[0].ad_break_strategy",
            "channels[0].fill_strategy",
            "ads[0].rules[4].value",
            "extensions.targeting[0].use",
            "extensions.sinks[0].use"
        ]
    );
    let error = parsed.places.error("extensions.targeting[0].use", "it does not compile", "");
    let text = fs::read_to_string(scenarios().join("good-full/tenant.yaml")).unwrap();
    let line = text.lines().nth(error.line - 1).unwrap();
    assert!(line[error.column - 1..].starts_with("rules/kids.rhai"), "{line}");
}

#[test]
fn the_order_of_keys_and_the_style_of_yaml_do_not_matter() {
    let flow = read("good-minimal").unwrap().manifest;
    let json = serde_json::json!({
        "channels": [{"hls_manifest_url": "https://cdn.example.com/master.m3u8", "slug": "one"}],
        "tenant": {"slug": "small"},
    });
    let files = BundleFiles { files: [("tenant.yaml".to_owned(), json.to_string().into())].into() };
    assert_eq!(bundle::parse(&files).unwrap(), flow);
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused_and_one_inside_is_followed() {
    let base = tempfile::tempdir().unwrap();
    let (inside, outside) = (base.path().join("tenant"), base.path().join("secret.rhai"));
    fs::create_dir_all(inside.join("real")).unwrap();
    fs::write(&outside, "secret").unwrap();
    fs::write(inside.join("real/tenant.txt"), "tenant: { slug: small }\n").unwrap();
    std::os::unix::fs::symlink("real/tenant.txt", inside.join("tenant.yaml")).unwrap();
    assert_eq!(bundle::parse(&BundleFiles::read(&inside).unwrap()).unwrap().tenant.slug.as_str(), "small");

    std::os::unix::fs::symlink("../secret.rhai", inside.join("rule.rhai")).unwrap();
    let errors = BundleFiles::read(&inside).unwrap_err().to_string();
    assert_eq!(errors, "rule.rhai: this link leads out of the folder; expected files inside the folder");

    fs::remove_file(inside.join("rule.rhai")).unwrap();
    std::os::unix::fs::symlink(".", inside.join("again")).unwrap();
    let errors = BundleFiles::read(&inside).unwrap_err().to_string();
    assert!(errors.contains("nested more than"), "a loop of links ends: {errors}");
}

#[test]
fn files_that_are_too_large_too_many_or_oddly_named_are_refused() {
    let with = |path: &str, text: String| {
        let manifest = "tenant: { slug: small }".into();
        let files =
            BundleFiles { files: [("tenant.yaml".to_owned(), manifest), (path.to_owned(), text.into())].into() };
        bundle::parse(&files).map(drop).map_err(|errors| errors.to_string())
    };
    assert_eq!(with("rules/a.rhai", "x".repeat(bundle::MAX_FILE_BYTES)), Ok(()));
    let too_large = with("rules/a.rhai", "x".repeat(bundle::MAX_FILE_BYTES + 1)).unwrap_err();
    assert_eq!(too_large, "rules/a.rhai: the file is too large; expected at most 256 KiB");
    for bad in ["../a.rhai", "/etc/a.rhai", "rules//a.rhai", "a\\b.rhai", "./a.rhai", "c:a.rhai"] {
        assert!(with(bad, String::new()).unwrap_err().contains("not a plain relative path"), "{bad}");
    }
    let mut files = BundleFiles { files: [("tenant.yaml".to_owned(), "tenant: { slug: small }".into())].into() };
    files.files.extend((0..bundle::MAX_FILES).map(|at| (format!("{at}.rhai"), "".into())));
    assert!(bundle::parse(&files).unwrap_err().to_string().contains("too many files"));
}

#[test]
fn a_hundred_errors_are_reported_and_the_rest_counted() {
    let ads = "  - {}\n".repeat(200);
    let manifest = format!("tenant: {{ slug: small }}\nads:\n{ads}");
    let files = BundleFiles { files: [("tenant.yaml".to_owned(), manifest.into())].into() };
    let errors = bundle::parse(&files).unwrap_err();
    assert_eq!(errors.as_slice().len(), bundle::MAX_ERRORS + 1);
    assert!(errors.to_string().ends_with("and 500 more errors"), "{errors}");
}
