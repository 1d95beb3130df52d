//! A tenant's state in the bundle's shape, to be looked at and edited item by item.
//!
//! A [`Document`] is a manifest with edits laid over it. Items are JSON as the admin API and the database have them;
//! [`Document::into_manifest`] reads the edited ones with the same readers as `tenant.yaml` and keeps the others, so one
//! edit of a tenant with many ads reads one ad. Fields in errors name items by slug: `ads[cola].duration_seconds`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    BundleError, BundleErrors, BundleFiles, MANIFEST_FILE, ad, campaign, channel, extensions,
    limits::*,
    places::Places,
    reader::{Context, Item, Node},
    refs, render, tenant,
};
use crate::domain::{Ad, Campaign, Channel, Slug, Tenant, TenantManifest, Text};

/// The lists of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    Channels,
    Campaigns,
    Ads,
}

impl Section {
    pub const ALL: [Self; 3] = [Self::Channels, Self::Campaigns, Self::Ads];

    /// The key in `tenant.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::Campaigns => "campaigns",
            Self::Ads => "ads",
        }
    }

    /// One of its items, in words.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Channels => "channel",
            Self::Campaigns => "campaign",
            Self::Ads => "ad",
        }
    }
}

/// What was put, or that something was removed, by name.
type Edits<T> = BTreeMap<String, Option<T>>;

#[derive(Clone, Debug)]
pub struct Document {
    /// Nothing for a tenant that does not exist yet.
    base: Option<Arc<TenantManifest>>,
    tenant: Option<Value>,
    items: [Edits<Value>; 3],
    extensions: Option<Value>,
    scripts: Edits<Text>,
}

impl Document {
    /// A tenant that does not exist yet.
    pub fn empty() -> Self {
        Self { base: None, tenant: None, items: Default::default(), extensions: None, scripts: BTreeMap::new() }
    }

    /// A tenant as it is.
    pub fn new(manifest: Arc<TenantManifest>) -> Self {
        Self { base: Some(manifest), ..Self::empty() }
    }

    /// Whether the tenant does not exist yet.
    pub fn is_new(&self) -> bool {
        self.base.is_none()
    }

    /// The `tenant:` section; null for a tenant that has none yet.
    pub fn tenant(&self) -> Value {
        let base = || self.base.as_ref().map_or(Value::Null, |base| render::tenant(&base.tenant));
        self.tenant.clone().unwrap_or_else(base)
    }
    pub fn set_tenant(&mut self, value: Value) {
        self.tenant = Some(value);
    }

    /// Whose plugins the tenant takes, as it is.
    pub fn plugin_keys(&self) -> Vec<String> {
        self.base.as_ref().map(|base| base.tenant.plugin_keys.clone()).unwrap_or_default()
    }

    /// Slugs of a section, ascending.
    pub fn slugs(&self, section: Section) -> Vec<Cow<'_, str>> {
        let edits = self.edits(section);
        let kept = self.base_slugs(section).into_iter().filter(|slug| !edits.contains_key(*slug)).map(Cow::Borrowed);
        let put = edits.iter().filter(|(_, value)| value.is_some()).map(|(slug, _)| Cow::Borrowed(slug.as_str()));
        let mut slugs: Vec<_> = kept.chain(put).collect();
        slugs.sort_unstable();
        slugs
    }

    /// One item in the bundle's shape.
    pub fn item(&self, section: Section, slug: &str) -> Option<Value> {
        if let Some(edited) = self.edits(section).get(slug) {
            return edited.clone();
        }
        let base = self.base.as_ref()?;
        match section {
            Section::Channels => found(&base.channels, slug, |channel| &channel.slug).map(render::channel),
            Section::Campaigns => found(&base.campaigns, slug, |campaign| &campaign.slug).map(render::campaign),
            Section::Ads => found(&base.ads, slug, |ad| &ad.slug).map(render::ad),
        }
    }

    /// Sets an item; its `slug` becomes `slug`.
    pub fn put(&mut self, section: Section, slug: &str, mut value: Value) {
        if let Value::Object(fields) = &mut value {
            fields.insert("slug".to_owned(), slug.into());
        }
        self.edits_mut(section).insert(slug.to_owned(), Some(value));
    }

    /// False if there is no such item.
    pub fn remove(&mut self, section: Section, slug: &str) -> bool {
        let known = self.item(section, slug).is_some();
        if known {
            self.edits_mut(section).insert(slug.to_owned(), None);
        }
        known
    }

    /// The `extensions:` section: what is mounted where.
    pub fn extensions(&self) -> Value {
        let base = || self.base.as_ref().map_or_else(|| json!({}), |base| render::extensions(base));
        self.extensions.clone().unwrap_or_else(base)
    }
    pub fn set_extensions(&mut self, value: Value) {
        self.extensions = Some(value);
    }

    /// Scripts by path.
    pub fn scripts(&self) -> BTreeMap<String, Text> {
        let mut scripts = self.base.as_ref().map(|base| base.scripts.clone()).unwrap_or_default();
        for (path, text) in &self.scripts {
            match text {
                Some(text) => scripts.insert(path.clone(), text.clone()),
                None => scripts.remove(path),
            };
        }
        scripts
    }
    pub fn set_script(&mut self, path: &str, text: impl Into<Text>) {
        self.scripts.insert(path.to_owned(), Some(text.into()));
    }
    /// False if there is no such script.
    pub fn remove_script(&mut self, path: &str) -> bool {
        let known = match self.scripts.get(path) {
            Some(edited) => edited.is_some(),
            None => self.base.as_ref().is_some_and(|base| base.scripts.contains_key(path)),
        };
        if known {
            self.scripts.insert(path.to_owned(), None);
        }
        known
    }

    /// Everything becomes that of `manifest`.
    pub fn replace(&mut self, manifest: &TenantManifest) {
        for section in Section::ALL {
            let gone: Vec<String> = self.slugs(section).iter().map(ToString::to_string).collect();
            self.edits_mut(section).extend(gone.into_iter().map(|slug| (slug, None)));
        }
        for path in self.scripts().into_keys() {
            self.scripts.insert(path, None);
        }
        self.tenant = Some(render::tenant(&manifest.tenant));
        self.extensions = Some(render::extensions(manifest));
        manifest.channels.iter().for_each(|one| self.put(Section::Channels, one.slug.as_str(), render::channel(one)));
        manifest
            .campaigns
            .iter()
            .for_each(|one| self.put(Section::Campaigns, one.slug.as_str(), render::campaign(one)));
        manifest.ads.iter().for_each(|one| self.put(Section::Ads, one.slug.as_str(), render::ad(one)));
        manifest.scripts.iter().for_each(|(path, text)| self.set_script(path, text.clone()));
    }

    /// Reads what was edited and checks the whole.
    pub fn into_manifest(self) -> Result<TenantManifest, BundleErrors> {
        let mut files = BundleFiles { files: self.scripts() };
        files.files.insert(MANIFEST_FILE.to_owned(), Text::default());
        files.check()?;
        files.files.remove(MANIFEST_FILE);
        let declared = Section::ALL.map(|section| {
            let slugs = self.slugs(section).into_iter().map(Cow::into_owned);
            (section.as_str(), slugs.collect::<BTreeSet<String>>())
        });
        let limits = [(Section::Channels, MAX_CHANNELS), (Section::Campaigns, MAX_CAMPAIGNS), (Section::Ads, MAX_ADS)];
        for ((section, limit), (_, slugs)) in limits.into_iter().zip(&declared) {
            if slugs.len() > limit {
                let message = format!("{} {} are more than a tenant may have", slugs.len(), section.as_str());
                return Err(BundleError::of_file(MANIFEST_FILE, message, format!("at most {limit}")).into());
            }
        }
        let context = Context::over(&files, declared, Places::default());
        let manifest = self.read(&context, &files);
        let (errors, _) = context.finish();
        match manifest {
            Some(manifest) if errors.is_empty() => Ok(manifest),
            _ => Err(BundleErrors::new(errors)),
        }
    }

    fn read(&self, context: &Context<'_>, files: &BundleFiles) -> Option<TenantManifest> {
        let base = self.base.as_deref();
        let tenant: Option<Tenant> = match (&self.tenant, base) {
            (None, Some(base)) => Some(base.tenant.clone()),
            (value, _) => read_one(context, "tenant", value.as_ref().unwrap_or(&Value::Null), tenant::read),
        };
        let extensions = match &self.extensions {
            Some(value) => read_one(context, "extensions", value, extensions::read),
            None => base.map(|base| extensions::Extensions {
                targeting: base.targeting.clone(),
                sinks: base.sinks.clone(),
                trial: base.trial.clone(),
                counters: base.counters.clone(),
            }),
        };
        let channels =
            self.section(context, Section::Channels, |base| &base.channels, |c: &Channel| &c.slug, channel::read);
        let campaigns =
            self.section(context, Section::Campaigns, |base| &base.campaigns, |c: &Campaign| &c.slug, campaign::read);
        let ads = self.section(context, Section::Ads, |base| &base.ads, |ad: &Ad| &ad.slug, ad::read);
        refs::check(context, &channels, &campaigns, &ads);
        let extensions = extensions.unwrap_or_default();
        let manifest = TenantManifest {
            tenant: tenant?,
            channels: channels.into_iter().map(|item| item.value).collect(),
            campaigns: campaigns.into_iter().map(|item| item.value).collect(),
            ads: ads.into_iter().map(|item| item.value).collect(),
            targeting: extensions.targeting,
            sinks: extensions.sinks,
            trial: extensions.trial,
            counters: extensions.counters,
            scripts: files.scripts(),
        };
        // What was not read now may speak of something that is gone now.
        refs::dangling(context, &manifest);
        Some(manifest)
    }

    /// Items of the base that were not edited, and those that were, by slug.
    fn section<T: Clone>(
        &self,
        context: &Context<'_>,
        section: Section,
        of: impl Fn(&TenantManifest) -> &Vec<T>,
        slug: impl Fn(&T) -> &Slug,
        read: fn(&Node<'_>) -> Option<T>,
    ) -> Vec<Item<T>> {
        let edits = self.edits(section);
        let path = |slug: &str| format!("{}[{slug}]", section.as_str());
        let kept = self.base.iter().flat_map(|base| of(base));
        let kept = kept.filter(|item| !edits.contains_key(slug(item).as_str()));
        let mut items: Vec<Item<T>> =
            kept.map(|item| Item { path: path(slug(item).as_str()), value: item.clone() }).collect();
        for (name, value) in edits.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            let path = path(name);
            if let Some(value) = read_one(context, &path, value, read) {
                items.push(Item { path, value });
            }
        }
        items.sort_by(|a, b| slug(&a.value).cmp(slug(&b.value)));
        items
    }

    fn edits(&self, section: Section) -> &Edits<Value> {
        let [channels, campaigns, ads] = &self.items;
        match section {
            Section::Channels => channels,
            Section::Campaigns => campaigns,
            Section::Ads => ads,
        }
    }
    fn edits_mut(&mut self, section: Section) -> &mut Edits<Value> {
        let [channels, campaigns, ads] = &mut self.items;
        match section {
            Section::Channels => channels,
            Section::Campaigns => campaigns,
            Section::Ads => ads,
        }
    }

    fn base_slugs(&self, section: Section) -> Vec<&str> {
        let Some(base) = &self.base else { return Vec::new() };
        match section {
            Section::Channels => base.channels.iter().map(|one| one.slug.as_str()).collect(),
            Section::Campaigns => base.campaigns.iter().map(|one| one.slug.as_str()).collect(),
            Section::Ads => base.ads.iter().map(|one| one.slug.as_str()).collect(),
        }
    }
}

fn read_one<T>(context: &Context<'_>, path: &str, value: &Value, read: fn(&Node<'_>) -> Option<T>) -> Option<T> {
    match serde_yaml::to_value(value) {
        Ok(value) => read(&Node::at(context, path.to_owned(), &value)),
        Err(error) => {
            context.error(path, error.to_string(), "a value that YAML can hold");
            None
        }
    }
}

/// Manifests made by a document are sorted; those read from a file may not be.
fn found<'a, T>(items: &'a [T], slug: &str, name: impl Fn(&T) -> &Slug) -> Option<&'a T> {
    let at = items.binary_search_by(|item| name(item).as_str().cmp(slug));
    at.ok().and_then(|at| items.get(at)).or_else(|| items.iter().find(|item| name(item).as_str() == slug))
}
