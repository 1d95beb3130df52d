//! Plugins that were verified: unpacked, held against their digest and signature, inspected and compiled once per
//! content, for as long as somebody uses it; and the trial calls that they passed.
//!
//! What is known goes by the SHA-256 of the packed text that was worked out here, not by what a text says of itself.
//! Deliberately does not know tenants: whose keys count, and with which configuration it is tried, says the caller.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use moka::sync::Cache;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    ExtensionError, Point,
    wasm::{
        self, Plugin,
        signature::{PublicKey, signer},
    },
};
use crate::{bundle::unpack, domain::Text, secret::hex, turns::Turns};

/// Passed trials that are remembered: of a thousand tenants with ten mounts each. What is forgotten is tried once more.
const MAX_PASSED: u64 = 10_000;

/// What was done because it was not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Plugins that were unpacked and verified.
    pub verified: u64,
    /// Trial calls.
    pub tried: u64,
}

struct Known {
    signer: Option<PublicKey>,
    /// Those who use it hold it.
    plugin: Weak<Plugin>,
}

/// The plugins of all tenants. Their host is made when the first is loaded: who has none pays for none.
pub(super) struct Plugins {
    artefacts: Option<wasm::Artefacts>,
    host: Mutex<Option<Arc<wasm::Host>>>,
    /// Taken by who verifies a content, or tries it with a configuration: when a server starts, many tenants come with one
    /// plugin at the same time, and the second is to find what the first has done.
    turns: Turns<String, Mutex<()>>,
    /// By the digest of the packed text.
    known: Mutex<HashMap<String, Known>>,
    /// Content, point and configuration of a trial, hashed. A plugin has nothing else to go by, so it would pass again.
    passed: Cache<[u8; 32], ()>,
    verified: AtomicU64,
    tried: AtomicU64,
}

impl Plugins {
    pub fn new(artefacts: Option<wasm::Artefacts>) -> Self {
        Self {
            artefacts,
            host: Mutex::default(),
            turns: Turns::default(),
            known: Mutex::default(),
            passed: Cache::new(MAX_PASSED),
            verified: AtomicU64::new(0),
            tried: AtomicU64::new(0),
        }
    }

    pub fn checked(&self) -> Checked {
        Checked { verified: self.verified.load(Relaxed), tried: self.tried.load(Relaxed) }
    }

    fn host(&self) -> Result<Arc<wasm::Host>, ExtensionError> {
        let mut host = self.host.lock();
        if let Some(host) = &*host {
            return Ok(Arc::clone(host));
        }
        Ok(Arc::clone(host.insert(Arc::new(wasm::Host::new(self.artefacts.clone())?))))
    }

    /// A packed plugin, for the point that is named or that it is made for.
    pub fn load(
        &self,
        name: &str,
        text: &Text,
        point: Option<Point>,
        keys: &[PublicKey],
    ) -> Result<Plugin, ExtensionError> {
        let fault = |message: String, hint: Option<&str>| ExtensionError::Component {
            path: name.to_owned(),
            message,
            hint: hint.map(str::to_owned),
        };
        let trusted = |signer: Option<PublicKey>| {
            if keys.is_empty() || signer.is_some_and(|signer| keys.contains(&signer)) {
                return Ok(());
            }
            let by = signer.map_or_else(|| "not signed".to_owned(), |signer| format!("signed by {signer}"));
            let hint = "sign it with `cuetone plugin pack --key`, or add the key to the tenant's plugin_keys";
            Err(fault(format!("it is {by}; this tenant takes plugins of its plugin_keys only"), Some(hint)))
        };
        let again = |(signer, plugin): (Option<PublicKey>, Arc<Plugin>)| {
            trusted(signer)?;
            Plugin::again(&plugin, name, point)
        };
        if let Some(known) = self.known(text) {
            return again(known);
        }
        let turn = self.turns.of(text.digest().to_owned());
        let _turn = turn.lock();
        if let Some(known) = self.known(text) {
            return again(known);
        }
        let bytes = unpack(text).map_err(|error| fault(error.to_string(), None))?;
        self.verified.fetch_add(1, Relaxed);
        // A signature that does not hold is refused whoever it is of: somebody changed the plugin.
        let signer = signer(&bytes).map_err(|message| fault(message, None))?;
        trusted(signer)?;
        let plugin = Arc::new(Plugin::load(&self.host()?, &bytes, name, point)?);
        let mut known = self.known.lock();
        known.retain(|_, known| known.plugin.strong_count() > 0);
        known.insert(text.digest().to_owned(), Known { signer, plugin: Arc::downgrade(&plugin) });
        drop(known);
        Plugin::again(&plugin, name, point)
    }

    fn known(&self, text: &Text) -> Option<(Option<PublicKey>, Arc<Plugin>)> {
        let digest = text.digest();
        let known = self.known.lock();
        let known = known.get(digest)?;
        Some((known.signer, known.plugin.upgrade()?))
    }

    /// Asks it once, unless it has passed the same before.
    ///
    /// # Errors
    /// Whatever comes of it.
    pub fn trial(&self, plugin: &Plugin, text: &Text, config: &Value) -> Result<(), ExtensionError> {
        let asked = [text.digest(), plugin.metadata().point.as_str(), &config.to_string()].join("\n");
        let asked: [u8; 32] = Sha256::digest(asked.as_bytes()).into();
        if self.passed.contains_key(&asked) {
            return Ok(());
        }
        let turn = self.turns.of(hex(&asked));
        let _turn = turn.lock();
        if self.passed.contains_key(&asked) {
            return Ok(());
        }
        self.tried.fetch_add(1, Relaxed);
        plugin.clone().trial(config)?;
        self.passed.insert(asked, ());
        Ok(())
    }
}
