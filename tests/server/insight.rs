//! What operators see of extensions on `/metrics`. In a process of its own: a recorder is there once per process.

use std::{path::Path, time::Duration};

use cuetone::extension::{Point, ScriptSource, limits::BREAKER_FAILURES};
use cuetone_build::Language;
use serde_json::{Value, json};

use crate::{
    guests,
    harness::{Yaml, within, write_bundle},
    operations::Process,
    origin::{HandClock, Origin, Packaging, Stream},
};

const KEY: &str = "a-key-of-at-least-32-characters-for-this-test";

/// Passes its trial, whose ads are samples, and fails for every other.
const FAILS: &str = "fn target(ad, request, config) { if !ad.id.starts_with(\"sample\") { throw \"no\" } true }\n";

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, content).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_breakers_memory_and_fallbacks_of_what_is_in_use_and_of_nothing_else() {
    let plugin = tokio::task::spawn_blocking(|| guests::template(Language::C, Point::Fill)).await.expect("a plugin");
    let origin = Origin::start(HandClock::new()).await;
    origin.put("live", Stream::live(Packaging::Ts).with_break(91..98));
    let dir = tempfile::TempDir::new().expect("a folder");
    let tenant = dir.path().join("tenants/acme");
    write(&tenant, "plugins/fill.wasm", plugin);
    write(&tenant, "rules/fails.rhai", FAILS);
    let more = "extensions: { targeting: [{ use: rules/fails.rhai, on_error: open }] }\n".to_owned();
    let yaml = Yaml { channel: "fill_strategy: plugins/fill.wasm", more, ..Yaml::ads(&["red-5"]) };
    write_bundle(&tenant, &yaml.build(&origin));
    let path = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let variables = [
        ("CUETONE_PLATFORM_KEY", KEY.to_owned()),
        ("CUETONE_OUTBOUND__ALLOW_HOSTS", origin.address.to_string()),
        ("CUETONE_TENANTS_DIR", path("tenants")),
    ];
    let data = path("data");
    let process = tokio::task::spawn_blocking(move || Process::start(&["--data", &data], &variables));
    let process = process.await.expect("it runs");
    cuetone::outbound::install_crypto();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = |path: &str| {
        let request = client.get(format!("{}{path}", process.base));
        async move { request.send().await.expect("an answer").text().await.expect("text") }
    };
    // The value of a series: its name, and what stands in its labels.
    let value = |metrics: &str, name: &str, labels: &[&str]| -> Option<f64> {
        let of = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        metrics.lines().find(of)?.rsplit_once(' ')?.1.parse().ok()
    };
    let ads = || async {
        let ask = json!({"tenant_id": "acme", "channel": "live", "position": "mid-roll", "duration_seconds": 30});
        let request = client.post(format!("{}/api/v1/ads/decision", process.base)).header("x-api-key", KEY);
        let answer = request.header("content-type", "application/json").body(ask.to_string()).send().await;
        let text = answer.expect("an answer").text().await.expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["ads"].as_array().map_or(0, Vec::len)
    };
    within(Duration::from_secs(20), "a decision with an ad", || async { ads().await == 1 }).await;
    for _ in 0..BREAKER_FAILURES {
        assert_eq!(ads().await, 1, "the fallback lets every ad pass");
    }
    let metrics = get("/metrics").await;
    let (broken, filler) = ("extension=\"rules/fails.rhai\"", "extension=\"plugins/fill.wasm\"");
    let version = ScriptSource { name: "rules/fails.rhai", text: FAILS }.version();
    let version = format!("version=\"{version}\"");
    let of = [broken, "tenant=\"acme\"", "point=\"targeting\"", &version];
    assert_eq!(value(&metrics, "cuetone_extension_breaker_open{", &of), Some(1.0), "{metrics}");
    assert_eq!(value(&metrics, "cuetone_extension_breaker_open{", &[filler, "point=\"fill\""]), Some(0.0));
    let memory = value(&metrics, "cuetone_extension_peak_memory_bytes{", &[filler]);
    assert!(memory >= Some(65_536.0), "{memory:?}");
    assert_eq!(value(&metrics, "cuetone_extension_peak_memory_bytes{", &[broken]), None, "it is no plugin");
    // Calls that failed are those that a fallback answered.
    let calls = |outcome: &str| value(&metrics, "cuetone_extension_calls_total{", &[broken, outcome]);
    assert_eq!(calls("outcome=\"runtime\""), Some(f64::from(BREAKER_FAILURES)));
    assert!(calls("outcome=\"circuit_open\"") >= Some(1.0) && calls("outcome=\"ok\"") <= Some(0.0), "{metrics}");
    assert!(value(&metrics, "cuetone_extension_seconds_count{", &[filler]) >= Some(1.0));
    assert!(value(&metrics, "cuetone_extension_cpu_microseconds_total{", &[filler]).is_some());
    // Another version takes its place: nobody has the old one, so it has no gauge.
    write(&tenant, "rules/fails.rhai", "fn target(ad, request, config) { true }\n");
    let gone = || async { value(&get("/metrics").await, "cuetone_extension_breaker_open{", &of).is_none() };
    within(Duration::from_secs(20), "the old version's gauge is gone", gone).await;
    assert_eq!(value(&get("/metrics").await, "cuetone_extension_breaker_open{", &[broken]), Some(0.0));
}
