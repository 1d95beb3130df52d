//! What a tenant has of extensions: its scripts, where they are used, and what is mounted for the whole tenant.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::Subject,
    payload,
    reply::{self, Conditions},
};
use crate::{
    bundle::{is_plugin, script_uses},
    domain::{ExtensionRef, Slug, TenantManifest},
    extension::ScriptSource,
    http::{auth::Caller, error::Problem, openapi::endpoint::Endpoint},
};

type Tenant = Segments<(Slug,)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/tenants/{{tenant}}/extensions");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&all, "getExtensions")
                .about(
                    "extensions",
                    "Read scripts and what is mounted",
                    "With each script's version and where it is used.",
                )
                .answers(200, "Extensions", "As they serve now.")
                .by(get),
        )
        .routes(
            Endpoint::get(format!("{all}/mounts"), "getMounts")
                .about(
                    "extensions",
                    "Read what is mounted for the whole tenant",
                    "Detectors and fill strategies stand at the channels.",
                )
                .answers(200, "Mounts", "As it serves now.")
                .by(mounts),
        )
        .routes(
            Endpoint::put(format!("{all}/mounts"), "putMounts")
                .about(
                    "extensions",
                    "Replace what is mounted",
                    "Every script is compiled and tried with its configuration first.",
                )
                .takes("Mounts")
                .answers(200, "Mounts", "Replaced.")
                .by(put_mounts),
        )
}

/// Where each script of a tenant is used, by its path: `channels[news].fill_strategy`.
pub(super) fn uses(manifest: &TenantManifest) -> BTreeMap<String, Vec<String>> {
    let mut by_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for used in script_uses(manifest) {
        if let ExtensionRef::File(path) = used.source {
            by_path.entry(path).or_default().push(by_slug(&used.field, manifest));
        }
    }
    if let Some(trial) = &manifest.trial {
        for path in trial.scripts.values().filter(|path| manifest.scripts.contains_key(*path)) {
            by_path.entry(path.clone()).or_default().push("extensions.trial".to_owned());
        }
    }
    by_path
}

/// `channels[0].fill_strategy` → `channels[news].fill_strategy`.
fn by_slug(field: &str, manifest: &TenantManifest) -> String {
    let named = || {
        let (list, rest) = field.split_once('[')?;
        let (index, rest) = rest.split_once(']')?;
        let index: usize = index.parse().ok()?;
        let slug = match list {
            "channels" => &manifest.channels.get(index)?.slug,
            "ads" => &manifest.ads.get(index)?.slug,
            _ => return None,
        };
        Some(format!("{list}[{slug}]{rest}"))
    };
    named().unwrap_or_else(|| field.to_owned())
}

/// A script without its text, or a plugin without its component.
pub(super) fn described(path: &str, text: &str, used_by: &[String]) -> Value {
    let version = ScriptSource { name: path, text }.version();
    let kind = if is_plugin(path) { "plugin" } else { "script" };
    json!({"path": path, "kind": kind, "version": version, "bytes": text.len(), "used_by": used_by})
}

async fn get(State(admin): State<Arc<Admin>>, Segments((tenant,)): Tenant) -> Result<Response, Problem> {
    let document = admin.document(&tenant)?;
    let uses = admin.uses(&tenant);
    let none = Vec::new();
    let scripts: Vec<Value> =
        document.scripts().iter().map(|(path, text)| described(path, text, uses.get(path).unwrap_or(&none))).collect();
    Ok(reply::json(&json!({"scripts": scripts, "mounts": document.extensions()})))
}

impl Admin {
    pub(super) fn uses(&self, tenant: &Slug) -> BTreeMap<String, Vec<String>> {
        let snapshot = self.registry.snapshot();
        snapshot.tenants.get(tenant).map(|runtime| uses(&runtime.manifest)).unwrap_or_default()
    }
}

async fn mounts(
    State(admin): State<Arc<Admin>>,
    Segments((tenant,)): Tenant,
    conditions: Conditions,
) -> Result<Response, Problem> {
    Ok(conditions.read(&admin.document(&tenant)?.extensions()))
}

async fn put_mounts(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Tenant,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mounts = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    admin
        .edit(&caller, &tenant, &Subject::section("extensions"), "change what is mounted", |document| {
            conditions.check(Some(&document.extensions()))?;
            document.set_extensions(mounts.clone());
            Ok(())
        })
        .await?;
    Ok(reply::item(StatusCode::OK, &admin.document(&tenant)?.extensions()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{BundleFiles, MANIFEST_FILE, parse};

    #[test]
    fn uses_name_items_by_their_slugs() {
        let yaml = "tenant: { slug: acme }\n\
            channels: [ { slug: news, hls_manifest_url: \"https://x.example.com/a.m3u8\", fill_strategy: f.rhai } ]\n\
            extensions: { targeting: [ { use: t.rhai } ] }\n";
        let files = [(MANIFEST_FILE, yaml), ("f.rhai", ""), ("t.rhai", ""), ("unused.rhai", "")];
        let files = files.map(|(path, text)| (path.to_owned(), text.into())).into();
        let uses = uses(&parse(&BundleFiles { files }).expect("valid"));
        assert_eq!(uses.get("f.rhai"), Some(&vec!["channels[news].fill_strategy".to_owned()]));
        assert_eq!(uses.get("t.rhai"), Some(&vec!["extensions.targeting[0].use".to_owned()]));
        assert_eq!(uses.len(), 2);
    }
}
