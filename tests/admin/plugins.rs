//! Plugins as software that is shipped: uploaded, signed, watched, rolled back.

use cuetone::{
    bundle::{BundleFiles, Document, Section, pack},
    domain::Text,
    extension::{Checked, Point, wasm::signature::SigningKey},
    registry::RegistryError,
};
use cuetone_build::Language;
use serde_json::{Value, json};

use super::{
    api::{Api, author},
    guests,
};
use crate::harness::{Answer, bundle};

pub const PATH: &str = "/tenants/acme/extensions/scripts/plugins/fill.wasm";

pub async fn upload(api: &Api, path: &str, kind: &str, body: Vec<u8>) -> Answer {
    let url = format!("{}/api/v1/admin{path}", api.base);
    let request = api.client().put(url).header("x-api-key", &api.platform).header("content-type", kind).body(body);
    crate::harness::read(request.send().await.expect("an answer")).await
}

pub async fn figures(api: &Api) -> Vec<Value> {
    api.get("/tenants/acme/extensions/figures").await.ok()["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_plugin_fills_breaks_and_its_figures_say_so() {
    let component = guests::template(Language::C, Point::Fill);
    let api = Api::start().await;
    api.furnish("acme").await;
    api.creatives.refresh().await;
    let put = upload(&api, PATH, "application/wasm", component.clone()).await.created();
    assert_eq!((&put["kind"], &put["used_by"]), (&json!("plugin"), &json!([])));
    let mount = |max_ads: u32| json!({"fill_strategy": "plugins/fill.wasm", "config": {"max_ads": max_ads}});
    api.patch("/tenants/acme/channels/live", mount(1)).await.ok();
    assert_eq!(api.viewer().await.poll("v0").await.ads(), ["cola"]);
    api.patch("/tenants/acme/channels/live", mount(0)).await.ok();
    assert_eq!(api.viewer().await.poll("v0").await.ads(), [""; 0]);
    let known = figures(&api).await;
    let plugin = known.iter().find(|item| item["extension"] == "plugins/fill.wasm").expect("its figures");
    assert_eq!(
        (&plugin["version"], &plugin["point"], &plugin["breaker"]),
        (&put["version"], &json!("fill"), &json!("closed"))
    );
    assert!(plugin["answered"].as_u64() >= Some(2) && plugin["failed"] == 0, "counts go on over reloads: {plugin}");
    assert!(
        plugin["peak_memory_bytes"].as_u64() > Some(0) && plugin["p99_microseconds"].as_u64() > Some(0),
        "{plugin}"
    );
    // It comes back as it was sent, and is described without its bytes.
    let shown = api.get(PATH).await.ok();
    assert_eq!((&shown["text"], &shown["used_by"]), (&Value::Null, &json!(["channels[live].fill_strategy"])));
    let url = format!("{}/api/v1/admin{PATH}", api.base);
    let request = api.client().get(url).header("x-api-key", &api.platform).header("accept", "application/wasm");
    assert_eq!(request.send().await.expect("an answer").bytes().await.expect("its bytes"), component);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_none_changes_nothing_and_an_earlier_one_comes_back() {
    let (first, second) = (guests::template(Language::C, Point::Fill), guests::template(Language::C, Point::Targeting));
    let api = Api::start().await;
    api.furnish("acme").await;
    let one = upload(&api, PATH, "application/wasm", first.clone()).await.created();
    api.patch("/tenants/acme/channels/live", json!({"fill_strategy": "plugins/fill.wasm"})).await.ok();
    upload(&api, PATH, "text/plain", first.clone()).await.is_problem(415, "unsupported-media-type");
    for (broken, reason) in [
        (first[..500].to_vec(), "plugins/fill.wasm"),
        (b"x".to_vec(), "it is no WebAssembly"),
        (second, "it is a plugin for targeting, not for fill"),
    ] {
        let refused = upload(&api, PATH, "application/wasm", broken).await;
        refused.is_problem(422, "invalid");
        assert!(refused.text().contains(reason), "{}", refused.text());
    }
    assert_eq!(api.get(PATH).await.ok()["version"], one["version"], "the old one goes on serving");
    // Another version of it: the same component with one more custom section.
    let mut changed = first.clone();
    changed.extend_from_slice(&[0, 2, 1, b'x']);
    let two = upload(&api, PATH, "application/wasm", changed).await.ok();
    assert_ne!(two["version"], one["version"]);
    let versions = api.get("/tenants/acme/extensions/versions/plugins/fill.wasm").await.ok();
    let hashes: Vec<&Value> = versions["items"].as_array().expect("a list").iter().map(|item| &item["hash"]).collect();
    assert_eq!(hashes, [&two["version"], &one["version"]]);
    let back = json!({"version": versions["items"][1]["version"]});
    let rolled = api.post("/tenants/acme/extensions/rollback/plugins/fill.wasm", back).await.ok();
    assert_eq!(rolled["version"], one["version"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_with_keys_takes_only_what_they_signed() {
    let component = guests::template(Language::C, Point::Fill);
    let (document, public) = SigningKey::generate().expect("a key");
    let (stranger, _) = SigningKey::generate().expect("another key");
    let sign = |document: &[u8]| SigningKey::read(document).expect("a key").sign(&component);
    let api = Api::start().await;
    api.furnish("acme").await;
    assert_eq!(
        api.patch("/tenants/acme", json!({"plugin_keys": ["x"]})).await.fields(422, "invalid"),
        ["plugin_keys[0]"]
    );
    api.patch("/tenants/acme", json!({"plugin_keys": [public]})).await.ok();
    let mut forged = sign(&document);
    forged[2_000] ^= 1;
    for (refused, reason) in
        [(component.clone(), "not signed"), (sign(&stranger), "signed by"), (forged, "changed after it was signed")]
    {
        let answer = upload(&api, PATH, "application/wasm", refused).await;
        answer.is_problem(422, "invalid");
        assert!(answer.text().contains(reason), "{}", answer.text());
    }
    upload(&api, PATH, "application/wasm", sign(&document)).await.created();
    api.patch("/tenants/acme/channels/live", json!({"fill_strategy": "plugins/fill.wasm"})).await.ok();
    // Another key: what is mounted would no longer count, so the change is refused.
    let (_, other) = SigningKey::generate().expect("a key");
    let refused = api.patch("/tenants/acme", json!({"plugin_keys": [other]})).await;
    refused.is_problem(422, "invalid");
}

/// The same component with 40,000 bytes more that no compression makes fewer, in a custom section.
fn large(mut component: Vec<u8>) -> Vec<u8> {
    component.extend_from_slice(&[0, 0xc2, 0xb8, 0x02, 1, b'x']);
    let mut noise = 1_u64;
    component.extend(
        std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (noise >> 56) as u8
        })
        .take(40_000),
    );
    component
}

/// What a tenant has of scripts, as it serves.
fn held(api: &Api, tenant: &str) -> Text {
    api.registry.snapshot().tenants[tenant].manifest.scripts["plugins/fill.wasm"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_of_many_tenants_is_held_once_and_a_change_does_not_try_it_again() {
    const TENANTS: [&str; 4] = ["a", "b", "c", "d"];
    let component = large(guests::template(Language::C, Point::Fill));
    let mut api = Api::empty().await;
    for tenant in TENANTS {
        let yaml = format!(
            "tenant: {{ slug: {tenant} }}\nchannels: [ {{ slug: live, fill_strategy: plugins/fill.wasm, \
             hls_manifest_url: \"https://origin.example.com/live.m3u8\" }} ]\n"
        );
        let files = bundle(&yaml, &[("plugins/fill.wasm", &pack(&component))]);
        api.registry.apply(BundleFiles { files }, &author()).await.expect("a valid bundle");
    }
    assert_eq!(api.registry.checked_plugins(), Checked { verified: 1, tried: 1 });
    let change = async |api: &Api, field: &str, value: Value| {
        let edit = |document: &mut Document| {
            let mut channel = document.item(Section::Channels, "live").expect("a channel");
            channel[field] = value.clone();
            document.put(Section::Channels, "live", channel);
            Ok::<(), RegistryError>(())
        };
        api.registry.change(&"a".parse().expect("a slug"), &author(), edit).await.expect("a change");
    };
    change(&api, "name", json!("Another")).await;
    assert_eq!(api.registry.checked_plugins(), Checked { verified: 1, tried: 1 }, "what has not changed");
    change(&api, "config", json!({"max_ads": 1})).await;
    assert_eq!(api.registry.checked_plugins(), Checked { verified: 1, tried: 2 }, "another configuration");
    api.server = api.server.restart().await;
    assert_eq!(api.registry.checked_plugins(), Checked { verified: 1, tried: 2 }, "for all tenants, by the start");
    let first = held(&api, "a");
    assert_eq!(*first, *pack(&component));
    assert!(TENANTS.iter().all(|tenant| held(&api, tenant).is_shared_with(&first)));
    // An upload of the same is the same.
    upload(&api, "/tenants/b/extensions/scripts/plugins/fill.wasm", "application/wasm", component).await.ok();
    assert!(held(&api, "b").is_shared_with(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_extension_logs_reaches_its_tenant_and_no_other() {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.furnish("other").await;
    api.creatives.refresh().await;
    let text = "fn target(ad, request, config) { log(`looked at ${ad.id}`); true }";
    api.put("/tenants/acme/extensions/scripts/rules/kids.rhai", json!({"text": text})).await.ok();
    api.put("/tenants/acme/extensions/mounts", json!({"targeting": [{"use": "rules/kids.rhai"}]})).await.ok();
    api.viewer().await.poll("v0").await;
    let log = api.get("/tenants/acme/extensions/log?limit=1").await.ok();
    let line = &log["items"][0];
    assert_eq!((&line["message"], &line["extension"]), (&json!("looked at cola"), &json!("rules/kids.rhai")), "{log}");
    assert_eq!(api.get("/tenants/other/extensions/log").await.ok()["items"], json!([]));
    assert!(figures(&api).await.iter().any(|item| item["extension"] == "rules/kids.rhai"));
}
