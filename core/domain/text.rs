//! A text that many hold: a clone copies nothing, and its digest is worked out once.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock, Weak},
};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A script, a packed plugin, a file of a bundle: what never changes and may be large.
#[derive(Clone, Default)]
pub struct Text(Arc<Held>);

#[derive(Default)]
struct Held {
    text: Box<str>,
    digest: OnceLock<String>,
}

/// A [`Text`] that others hold, or not any more.
#[derive(Clone, Debug)]
pub struct WeakText(Weak<Held>);

impl Text {
    /// SHA-256 of the text, in hexadecimal digits. Takes as long as reading it, the first time.
    pub fn digest(&self) -> &str {
        let made = || Sha256::digest(self.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.digest.get_or_init(made)
    }

    /// Whether both are one text in memory, and not only equal.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn downgrade(&self) -> WeakText {
        WeakText(Arc::downgrade(&self.0))
    }
}

impl WeakText {
    pub fn upgrade(&self) -> Option<Text> {
        self.0.upgrade().map(Text)
    }
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Arc::new(Held { text: text.into(), digest: OnceLock::new() }))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || **self == **other
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_one_text_and_equal_texts_need_not_be() {
        let (text, twin) = (Text::from("abc"), Text::from("abc"));
        assert!(text.is_shared_with(&text.clone()) && !text.is_shared_with(&twin) && text == twin);
        // FIPS 180-2, appendix B.1.
        assert_eq!(text.digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(text, Text::from("abd"));
        let weak = text.downgrade();
        assert!(weak.upgrade().is_some_and(|found| found.is_shared_with(&text)));
        drop(text);
        assert!(!weak.is_held() && weak.upgrade().is_none());
    }
}
