//! A manifest ↔ rows: what changed between two manifests as edits of entities, and a manifest out of stored entities.
//!
//! The only place where a tenant's state is written, whichever door it came through.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{Compiled, RegistryError, check};
use crate::{
    bundle::{BundleErrors, Document, Places, Section, render},
    domain::{Moment, Slug, TenantManifest},
    extension::Extensions,
    store::{Author, Edit, Kind, Store, StoreError, TenantScope, TenantState},
};

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub tenant: Slug,
    /// 1, 2, 3 … per tenant.
    pub version: i64,
    /// False when the tenant was like this already; nothing was written then.
    pub changed: bool,
}

/// A tenant as it is stored.
#[derive(Clone)]
pub struct Stored {
    pub version: i64,
    pub manifest: Arc<TenantManifest>,
}

/// The tenant's state as it is now in the database.
pub async fn stored(store: &Store, scope: &TenantScope) -> Result<Option<Stored>, RegistryError> {
    let Some(state) = store.state(scope).await? else { return Ok(None) };
    let version = state.version;
    let manifest =
        tokio::task::spawn_blocking(move || manifest(&state)).await.map_err(|_| RegistryError::Interrupted)??;
    Ok(Some(Stored { version, manifest: Arc::new(manifest) }))
}

/// The tenant's state as it was at a version, compiled.
pub async fn compiled_at(
    store: &Store,
    scope: &TenantScope,
    version: i64,
    extensions: &Extensions,
) -> Result<Compiled, RegistryError> {
    let state = store.state_at(scope, version).await?;
    let state = state.ok_or_else(|| RegistryError::NoVersion { tenant: scope.tenant().clone(), version })?;
    check(manifest(&state)?, &Places::default(), extensions)
}

/// Writes what differs between `before` and `manifest` as one new version.
///
/// # Errors
/// [`StoreError::Conflict`] if the tenant is no longer at the version of `before`.
pub async fn commit(
    store: &Store,
    before: Option<&Stored>,
    manifest: &TenantManifest,
    author: &Author,
    now: Moment,
) -> Result<Committed, StoreError> {
    let tenant = manifest.tenant.slug.clone();
    let edits = edits(before.map(|stored| &*stored.manifest), manifest);
    let expected = before.map_or(0, |stored| stored.version);
    if edits.is_empty() {
        return Ok(Committed { tenant, version: expected, changed: false });
    }
    let version = store.change(&TenantScope::new(tenant.clone()), Some(expected), &edits, author, now).await?;
    Ok(Committed { tenant, version, changed: true })
}

/// Reads stored entities by the same readers as a bundle.
pub fn manifest(state: &TenantState) -> Result<TenantManifest, BundleErrors> {
    let mut document = Document::empty();
    for entity in &state.entities {
        let value = || serde_json::from_str::<Value>(&entity.body).unwrap_or(Value::Null);
        match entity.kind {
            Kind::Tenant => document.set_tenant(value()),
            Kind::Channel => document.put(Section::Channels, &entity.name, value()),
            Kind::Campaign => document.put(Section::Campaigns, &entity.name, value()),
            Kind::Ad => document.put(Section::Ads, &entity.name, value()),
            Kind::Extensions => document.set_extensions(value()),
            Kind::Script => document.set_script(&entity.name, entity.body.clone()),
        }
    }
    document.into_manifest()
}

fn edits(before: Option<&TenantManifest>, after: &TenantManifest) -> Vec<Edit> {
    let mut edits = Vec::new();
    let tenant = after.tenant.slug.as_str();
    let mut put =
        |kind, name: &str, body: String| edits.push(Edit { kind, name: name.to_owned(), body: Some(body.into()) });
    if before.is_none_or(|before| before.tenant != after.tenant) {
        put(Kind::Tenant, tenant, render::tenant(&after.tenant).to_string());
    }
    let mounts = |manifest: &TenantManifest| render::extensions(manifest);
    if before.is_none_or(|before| mounts(before) != mounts(after)) {
        put(Kind::Extensions, tenant, render::extensions(after).to_string());
    }
    let none = Vec::new();
    let list = |of: fn(&TenantManifest) -> &Vec<_>| before.map_or(&none, of);
    difference(&mut edits, Kind::Channel, list(|m| &m.channels), &after.channels, |one| &one.slug, render::channel);
    let none = Vec::new();
    let list = |of: fn(&TenantManifest) -> &Vec<_>| before.map_or(&none, of);
    difference(&mut edits, Kind::Campaign, list(|m| &m.campaigns), &after.campaigns, |one| &one.slug, render::campaign);
    let none = Vec::new();
    let list = |of: fn(&TenantManifest) -> &Vec<_>| before.map_or(&none, of);
    difference(&mut edits, Kind::Ad, list(|m| &m.ads), &after.ads, |one| &one.slug, render::ad);
    let scripts = before.map(|before| &before.scripts);
    for (path, text) in &after.scripts {
        if scripts.and_then(|scripts| scripts.get(path)) != Some(text) {
            edits.push(Edit { kind: Kind::Script, name: path.clone(), body: Some(text.clone()) });
        }
    }
    for path in scripts.into_iter().flat_map(|scripts| scripts.keys()).filter(|path| !after.scripts.contains_key(*path))
    {
        edits.push(Edit { kind: Kind::Script, name: path.clone(), body: None });
    }
    edits
}

fn difference<T: PartialEq>(
    edits: &mut Vec<Edit>,
    kind: Kind,
    before: &[T],
    after: &[T],
    slug: fn(&T) -> &Slug,
    render: fn(&T) -> Value,
) {
    let mut known: HashMap<&str, &T> = before.iter().map(|one| (slug(one).as_str(), one)).collect();
    for one in after {
        let name = slug(one).as_str();
        if known.remove(name) != Some(one) {
            edits.push(Edit { kind, name: name.to_owned(), body: Some(render(one).to_string().into()) });
        }
    }
    let mut gone: Vec<&str> = known.into_keys().collect();
    gone.sort_unstable();
    edits.extend(gone.into_iter().map(|name| Edit { kind, name: name.to_owned(), body: None }));
}
