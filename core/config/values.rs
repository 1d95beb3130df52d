//! Values that are checked while they are read, so that errors carry the line of the file.

use std::{fmt, net::IpAddr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

/// A whole number in a range.
pub(super) fn within<'de, const LOW: u64, const HIGH: u64, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    struct Number<const LOW: u64, const HIGH: u64>;
    impl<const LOW: u64, const HIGH: u64> Visitor<'_> for Number<LOW, HIGH> {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from {LOW} to {HIGH}")
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            if (LOW..=HIGH).contains(&number) {
                return Ok(number);
            }
            Err(E::custom(format!("{number} is out of range: expected {LOW} to {HIGH}")))
        }
    }
    // Checked inside the visitor: only there does an error still know its place.
    reader.deserialize_u64(Number::<LOW, HIGH>)
}

/// Text that a function checks and may rewrite.
fn text<'de, D: Deserializer<'de>>(reader: D, check: fn(&str) -> Result<String, String>) -> Result<String, D::Error> {
    struct Text(fn(&str) -> Result<String, String>);
    impl Visitor<'_> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            (self.0)(text).map_err(E::custom)
        }
    }
    reader.deserialize_str(Text(check))
}

/// Texts of one kind, so that options and lists of them can be read.
macro_rules! checked_text {
    ($name:ident, $check:expr) => {
        struct $name(String);
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                text(reader, $check).map(Self)
            }
        }
    };
}
checked_text!(CheckedDatabaseUrl, check_database_url);
checked_text!(BaseUrl, check_base_url);
checked_text!(Network, check_network);
checked_text!(HostEntry, check_host);

/// `sqlite:path` or `postgres://user:password@host/database`. The password stays out of debug output.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        CheckedDatabaseUrl::deserialize(reader).map(|url| Self(url.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.0.split(':').next().unwrap_or_default())
    }
}

/// An http(s) URL to put paths behind: without query and fragment, the last `/` is dropped.
pub(super) fn http_base<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<BaseUrl>::deserialize(reader)?.map(|url| url.0))
}

/// Addresses or blocks such as `10.0.0.0/8`.
pub(super) fn networks<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Network>::deserialize(reader)?.into_iter().map(|entry| entry.0).collect())
}

/// Hosts, with or without a port, or blocks of addresses. Names are looked at again by whoever sends requests.
pub(super) fn hosts<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<HostEntry>::deserialize(reader)?.into_iter().map(|entry| entry.0).collect())
}

/// Its messages do not repeat the text: it may hold a password.
fn check_database_url(text: &str) -> Result<String, String> {
    let expected = "expected `sqlite:path` or `postgres://user:password@host/database`";
    match text.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(text.to_owned()),
        Some("postgres" | "postgresql") => match url::Url::parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("{expected}: {error}")),
        },
        _ => Err(expected.into()),
    }
}

fn check_base_url(text: &str) -> Result<String, String> {
    let parsed = url::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if matches!(parsed.scheme(), "http" | "https") && parsed.query().is_none() && parsed.fragment().is_none() {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(format!("`{text}`: expected an http or https URL without a query"))
}

fn check_host(text: &str) -> Result<String, String> {
    if text.contains("://") || text.is_empty() || text.chars().any(char::is_whitespace) {
        return Err(format!("`{text}`: expected a host, host:port or a block such as 10.0.0.0/8"));
    }
    if text.contains('/') { check_network(text) } else { Ok(text.to_owned()) }
}

fn check_network(text: &str) -> Result<String, String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let widest = address.parse::<IpAddr>().ok().map(|address| if address.is_ipv4() { 32 } else { 128 });
    let good_length = |widest: u32| length.is_none_or(|text| text.parse::<u32>().is_ok_and(|length| length <= widest));
    if widest.is_some_and(good_length) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a network: expected an address or a block such as 10.0.0.0/8"))
}

/// The message without the position at its end: that stands in front.
pub(super) fn plain(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}
