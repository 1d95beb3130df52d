//! A tenant's folder (`tenant.yaml` and the scripts beside it) read into [`TenantManifest`].
//!
//! Every mistake is reported at once, with file, line, column, field and what was expected. Three passes: `yaml` checks
//! the text and remembers where everything stands, the section readers turn values into domain types, `refs` checks
//! what one part says about another. It deliberately does not know the script engine (whoever activates a bundle
//! compiles what [`script_uses`] names), the network or the database.

mod ad;
mod campaign;
mod channel;
mod document;
mod error;
mod extensions;
mod files;
mod limits;
mod packed;
mod places;
mod reader;
mod refs;
pub mod render;
mod scalars;
mod scripts;
mod suggest;
mod tenant;
#[cfg(test)]
mod tests;
mod yaml;

pub use document::{Document, Section};
pub use error::{BundleError, BundleErrors};
pub use files::{BundleFiles, MANIFEST_FILE};
pub use limits::*;
pub use packed::{PackError, is_plugin, pack, packed_digest, unpack};
pub use places::Places;
pub use scripts::{ScriptPoint, ScriptUse, extension_ref, script_uses};
pub use suggest::{MAX_EDITS, closest, edits};

use crate::domain::TenantManifest;
use reader::{Context, Node};

/// A bundle that makes sense, and where its parts stand in the text.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub manifest: TenantManifest,
    /// Gives later findings (a script that does not compile) their line and column.
    pub places: Places,
}

/// Reads and validates a bundle. Scripts are checked for presence, not compiled.
pub fn parse(files: &BundleFiles) -> Result<TenantManifest, BundleErrors> {
    parse_located(files).map(|parsed| parsed.manifest)
}

/// As [`parse`], and keeps the places.
pub fn parse_located(files: &BundleFiles) -> Result<Parsed, BundleErrors> {
    files.check()?;
    let Some(text) = files.files.get(MANIFEST_FILE) else {
        let error =
            BundleError::of_file(MANIFEST_FILE, "the file is missing", "a tenant.yaml at the top of the folder");
        return Err(BundleErrors::from(error));
    };
    let (value, places) = yaml::load(text)?;
    let context = Context::new(files, &value, places);
    let manifest = read_manifest(&Node::at(&context, String::new(), &value));
    let (errors, places) = context.finish();
    match manifest {
        Some(manifest) if errors.is_empty() => Ok(Parsed { manifest, places }),
        _ => Err(BundleErrors::new(errors)),
    }
}

fn read_manifest(root: &Node<'_>) -> Option<TenantManifest> {
    let top = root.object()?;
    let tenant = top.required("tenant", tenant::read);
    let channels = top.list("channels", MAX_CHANNELS, channel::read);
    let campaigns = top.list("campaigns", MAX_CAMPAIGNS, campaign::read);
    let ads = top.list("ads", MAX_ADS, ad::read);
    let extensions = top.field("extensions").and_then(|node| extensions::read(&node)).unwrap_or_default();
    top.finish();
    refs::check(root.context(), &channels, &campaigns, &ads);
    // A tenant that does not read is an error already; the sections above were still worth reading for theirs.
    Some(TenantManifest {
        tenant: tenant?,
        channels: channels.into_iter().map(|item| item.value).collect(),
        campaigns: campaigns.into_iter().map(|item| item.value).collect(),
        ads: ads.into_iter().map(|item| item.value).collect(),
        targeting: extensions.targeting,
        sinks: extensions.sinks,
        trial: extensions.trial,
        counters: extensions.counters,
        scripts: root.context().files.scripts(),
    })
}
