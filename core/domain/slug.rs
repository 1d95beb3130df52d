//! Names that appear in URLs and files.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Long enough for any name people type, short enough for a path segment.
pub const MAX_SLUG_LENGTH: usize = 64;

/// `a-z 0-9 - _`, 1 to 64 characters, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(Arc<str>);

impl Slug {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = String;
    fn try_from(value: String) -> Result<Self, String> {
        value.parse()
    }
}

impl std::str::FromStr for Slug {
    type Err = String;
    fn from_str(value: &str) -> Result<Self, String> {
        let well_formed = value.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
            && value.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && value.len() <= MAX_SLUG_LENGTH;
        if well_formed {
            Ok(Self(value.into()))
        } else {
            Err(format!(
                "`{value}` is not a slug: use 1 to {MAX_SLUG_LENGTH} of a-z, 0-9, - and _, starting with a letter or digit"
            ))
        }
    }
}

impl From<Slug> for String {
    fn from(value: Slug) -> Self {
        value.0.to_string()
    }
}
impl Borrow<str> for Slug {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
