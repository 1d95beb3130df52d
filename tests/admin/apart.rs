//! What one tenant changes, and what that does not do to the others.

use std::time::Duration;

use cuetone::{
    domain::Clock,
    extension::Point,
    store::{Edit, Kind, TenantScope},
};
use cuetone_build::Language;
use serde_json::json;

use super::{
    api::{Api, author},
    guests,
    plugins::{PATH, upload},
};
use crate::harness::within;

/// The same component with another module in it, of so many functions: they do nothing and take long to compile.
fn slow_to_compile(mut component: Vec<u8>, functions: usize) -> Vec<u8> {
    let body = "(local.set 0 (i32.add (i32.rotl (local.get 0) (i32.const 7)) (i32.mul (local.get 0) (i32.const 31))))";
    let function = format!("(func (param i32) (result i32) {} (local.get 0))", body.repeat(60));
    let module = wat::parse_str(format!("(module {})", function.repeat(functions))).expect("WebAssembly text");
    component.push(1);
    let mut length = module.len();
    while length >= 0x80 {
        component.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend(module);
    component
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_takes_long_to_compile_holds_up_no_other_tenant() {
    let plugin = guests::template(Language::C, Point::Fill);
    let api = std::sync::Arc::new(Api::start().await);
    api.furnish("acme").await;
    api.furnish("other").await;
    upload(&api, PATH, "application/wasm", plugin.clone()).await.created();
    api.patch("/tenants/acme/channels/live", json!({"fill_strategy": "plugins/fill.wasm"})).await.ok();
    let compiling = {
        let api = api.clone();
        tokio::spawn(async move { upload(&api, PATH, "application/wasm", slow_to_compile(plugin, 4_000)).await })
    };
    // Its tenant's turn is taken while it compiles.
    let acme = "acme".parse().expect("a slug");
    let began = || async { tokio::time::timeout(Duration::from_millis(1), api.registry.turn(&acme)).await.is_err() };
    within(Duration::from_secs(10), "the compilation", began).await;
    for name in ["one", "two", "three"] {
        api.patch("/tenants/other/channels/live", json!({"name": name})).await.ok();
    }
    assert!(!compiling.is_finished(), "the others' changes were made meanwhile");
    compiling.await.expect("no panic").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_activated_is_taken_up_later_though_nobody_changes_anything() {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.furnish("other").await;
    let name = |tenant: &str| {
        let snapshot = api.registry.snapshot();
        snapshot.tenants[tenant].manifest.channels[0].name.clone()
    };
    // As another process does it.
    let rename = async |tenant: &str, name: &str| {
        let scope = TenantScope::new(tenant.parse().expect("a slug"));
        let channel = api.get(&format!("/tenants/{tenant}/channels/live")).await.ok();
        let body = json!({"slug": "live", "name": name, "hls_manifest_url": channel["hls_manifest_url"]}).to_string();
        let edit = Edit { kind: Kind::Channel, name: "live".into(), body: Some(body.into()) };
        api.store.change(&scope, None, &[edit], &author(), api.clock.now()).await.expect("changed");
    };
    let turn = api.registry.turn(&"acme".parse().expect("a slug")).await;
    rename("acme", "new").await;
    rename("other", "new").await;
    within(Duration::from_secs(2), "the other tenant", || async { name("other") == "new" }).await;
    assert!(!api.registry.follow_store().await.expect("a database"), "not everything serves");
    assert_ne!(name("acme"), "new", "somebody has its turn");
    drop(turn);
    within(Duration::from_secs(2), "its own turn", || async { name("acme") == "new" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_version_that_is_broken_keeps_the_one_before_and_holds_up_nobody() {
    let api = Api::start().await;
    api.furnish("acme").await;
    api.furnish("other").await;
    let version = |tenant: &str| api.registry.snapshot().tenants[tenant].version;
    let before = version("acme");
    let change = async |tenant: &str, text: &str| {
        let scope = TenantScope::new(tenant.parse().expect("a slug"));
        let edit = Edit { kind: Kind::Script, name: "rules/kids.rhai".into(), body: Some(text.into()) };
        api.store.change(&scope, None, &[edit], &author(), api.clock.now()).await.expect("changed")
    };
    api.put("/tenants/acme/extensions/mounts", json!({"targeting": [{"use": "rules/kids.rhai"}]})).await.ok();
    let before = before.max(version("acme"));
    change("acme", "fn target(").await;
    let others = change("other", "fn target(ad, request) { false }").await;
    within(Duration::from_secs(2), "the other tenant", || async { version("other") == others }).await;
    assert_eq!(version("acme"), before, "what served goes on");
    assert!(!api.registry.follow_store().await.expect("a database"), "it is not given up");
    let text = api.server.get("/metrics").await.text().to_owned();
    assert!(text.contains("cuetone_tenants_not_activated 1"), "{text}");
    let mended = change("acme", "fn target(ad, request) { true }").await;
    within(Duration::from_secs(2), "the mended version", || async { version("acme") == mended }).await;
    let told = || async { api.server.get("/metrics").await.text().contains("cuetone_tenants_not_activated 0") };
    within(Duration::from_secs(2), "the gauge", told).await;
}
