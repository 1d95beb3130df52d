//! Tenants' secrets on their way into requests: sealed in the database, opened here, filled in at the last moment.
//!
//! A placeholder is a keyed hash, so that no text of a viewer's can be one. Values never stand in errors: see
//! [`Opened::scrub`].

use std::{collections::BTreeMap, fmt};

use crate::{
    domain::{Moment, Slug},
    extension::{SinkRequest, secrets::Placeholders},
    secret::{MasterKey, Purpose, Sealer, SecretError},
    store::{KnownSecret, Store, StoreError, TenantScope},
    tracking::signature::sign_body,
};

/// Characters of a secret: private keys fit.
pub const MAX_SECRET_CHARS: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the secret `{0}` is not set")]
    Missing(Slug),
    #[error("the secret `{name}` cannot be opened: {source}")]
    Sealed { name: Slug, source: SecretError },
    #[error("too many secrets: a tenant can have {}", crate::store::MAX_SECRETS)]
    Full,
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Keeps and opens the secrets of all tenants.
#[derive(Clone)]
pub struct Vault {
    store: Store,
    master_key: MasterKey,
}

/// Placeholders and the values that they stand for. Not to be printed.
#[derive(Default)]
pub struct Opened(BTreeMap<String, String>);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} secrets)", self.0.len())
    }
}

/// What scripts see in place of a secret. Letters, digits and dashes, so that it comes through URLs and JSON unchanged.
pub fn placeholder(master_key: &MasterKey, tenant: &Slug, name: &Slug) -> String {
    let key = master_key.tenant_key(tenant, Purpose::Secrets);
    format!("secret-{}", sign_body(&key, 0, format!("placeholder/{name}").as_bytes()))
}

impl Vault {
    pub fn new(store: Store, master_key: MasterKey) -> Self {
        Self { store, master_key }
    }

    /// Keeps a secret under a name, in place of what was there.
    pub async fn put(&self, scope: &TenantScope, name: &Slug, value: &str, now: Moment) -> Result<(), VaultError> {
        let sealed = self.sealer(scope).seal(name.as_str().as_bytes(), value.as_bytes());
        let sealed = sealed.map_err(|source| VaultError::Sealed { name: name.clone(), source })?;
        match self.store.put_secret(scope, name, &sealed, now).await? {
            true => Ok(()),
            false => Err(VaultError::Full),
        }
    }

    pub async fn known(&self, scope: &TenantScope) -> Result<Vec<KnownSecret>, StoreError> {
        self.store.secrets(scope).await
    }

    pub async fn forget(&self, scope: &TenantScope, name: &Slug) -> Result<bool, StoreError> {
        self.store.delete_secret(scope, name).await
    }

    /// The values behind placeholders, as they are now: a secret that was replaced holds from the next batch on.
    pub(super) async fn open(&self, scope: &TenantScope, wanted: &Placeholders) -> Result<Opened, VaultError> {
        let mut opened = BTreeMap::new();
        for (placeholder, name) in wanted {
            let sealed =
                self.store.sealed_secret(scope, name).await?.ok_or_else(|| VaultError::Missing(name.clone()))?;
            let failed = |source| VaultError::Sealed { name: name.clone(), source };
            let value = self.sealer(scope).open(name.as_str().as_bytes(), &sealed).map_err(failed)?;
            let value = String::from_utf8(value).map_err(|_| failed(SecretError::Seal))?;
            opened.insert(placeholder.clone(), value);
        }
        Ok(Opened(opened))
    }

    fn sealer(&self, scope: &TenantScope) -> Sealer {
        Sealer::new(&self.master_key, scope.tenant(), Purpose::Secrets)
    }
}

impl Opened {
    /// The request with its secrets: percent-encoded in the address, escaped in the body (which is JSON wherever a
    /// secret needs escaping), as they are in headers.
    pub(super) fn fill(&self, request: &SinkRequest) -> SinkRequest {
        let mut filled = request.clone();
        for (placeholder, value) in &self.0 {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            filled.url = filled.url.replace(placeholder, &encoded.replace('+', "%20"));
            let quoted = serde_json::Value::String(value.clone()).to_string();
            let escaped = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
            filled.body = filled.body.replace(placeholder, escaped);
            for text in filled.headers.values_mut() {
                *text = text.replace(placeholder, value);
            }
        }
        filled
    }

    /// A message without any secret that may have got into it.
    pub(super) fn scrub(&self, mut message: String) -> String {
        for (placeholder, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            for form in [value.clone(), encoded, value.to_ascii_lowercase(), placeholder.clone()] {
                message = message.replace(&form, "(secret)");
            }
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    fn slug(text: &str) -> Slug {
        text.parse().expect("a slug")
    }

    #[tokio::test]
    async fn a_secret_is_kept_sealed_filled_in_everywhere_and_scrubbed_from_messages() {
        let (_folder, store) = store().await;
        let (scope, name) = (TenantScope::new(slug("a")), slug("shop"));
        let key = MasterKey::from_bytes([7; 32]);
        let vault = Vault::new(store.clone(), key.clone());
        let place = placeholder(&key, scope.tenant(), &name);
        assert_ne!(place, placeholder(&key, &slug("b"), &name));
        let wanted = Placeholders::from([(place.clone(), name.clone())]);
        assert!(matches!(vault.open(&scope, &wanted).await, Err(VaultError::Missing(_))));
        vault.put(&scope, &name, "p&ss \"word\"", Moment(1)).await.expect("kept");
        let sealed = store.sealed_secret(&scope, &name).await.expect("read").expect("there");
        assert!(!sealed.windows(4).any(|part| part == b"p&ss"));
        assert_eq!(vault.known(&TenantScope::new(slug("b"))).await.expect("read"), []);
        let opened = vault.open(&scope, &wanted).await.expect("opened");
        let request = SinkRequest {
            method: "POST".into(),
            url: format!("https://h/x?key={place}"),
            headers: BTreeMap::from([("Authorization".to_owned(), format!("Bearer {place}"))]),
            body: format!("{{\"key\":\"{place}\"}}"),
        };
        let filled = opened.fill(&request);
        assert_eq!(filled.url, "https://h/x?key=p%26ss%20%22word%22");
        assert_eq!(filled.headers["Authorization"], "Bearer p&ss \"word\"");
        assert_eq!(filled.body, r#"{"key":"p&ss \"word\""}"#);
        assert_eq!(opened.scrub("p&ss \"word\" failed".into()), "(secret) failed");
        assert_eq!(format!("{opened:?}"), "Opened(1 secrets)");
        assert!(vault.forget(&scope, &name).await.expect("gone"));
        assert!(matches!(vault.open(&scope, &wanted).await, Err(VaultError::Missing(_))));
    }
}
