//! Who asks: the viewer's address, country and device, from headers as far as they can be trusted.
//!
//! `X-Forwarded-For` counts only when the connection comes from a proxy that the operator named, and then only as far
//! back as named proxies wrote it. The geo header is one that the operator's edge sets (and strips from outside
//! requests); it is believed as configured. Nothing here is stored or logged.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::{domain::DeviceType, outbound::Cidr};

/// Default of the header that carries the viewer's country.
pub const DEFAULT_GEO_HEADER: HeaderName = HeaderName::from_static("x-geo-country");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Proxies in a row that are looked through; real chains have two or three.
const MAX_HOPS: usize = 16;

/// Bytes of User-Agent that are looked at; device tokens stand in front.
const MAX_USER_AGENT: usize = 512;

#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Networks of our own proxies and CDN.
    pub trusted_proxies: Vec<Cidr>,
    /// Header with an ISO 3166-1 alpha-2 country; `None`: countries are unknown.
    pub geo_header: Option<HeaderName>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), geo_header: Some(DEFAULT_GEO_HEADER) }
    }
}

/// What a request says about its viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// Two upper-case letters; empty when unknown.
    pub geo: Box<str>,
    pub device: DeviceType,
}

impl ClientConfig {
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        Client { address: self.address(peer, headers), geo: self.geo(headers), device: device(headers) }
    }

    /// The right-most address that none of our proxies has.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| self.trusted_proxies.iter().any(|network| network.contains(address));
        let mut nearest = peer.to_canonical();
        // Header lines in order make one list (RFC 9110 section 5.3); the last entry is the nearest hop.
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
        for entry in entries.take(MAX_HOPS) {
            if !trusted(nearest) {
                break;
            }
            let Some(address) = address_of(entry) else { break };
            nearest = address;
        }
        nearest
    }

    pub fn geo(&self, headers: &HeaderMap) -> Box<str> {
        let value = self.geo_header.as_ref().and_then(|name| headers.get(name)).map(|value| value.as_bytes());
        match value {
            Some([a, b]) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                [a, b].map(|letter| char::from(letter.to_ascii_uppercase())).iter().collect::<String>().into()
            }
            _ => Box::default(),
        }
    }
}

pub fn device(headers: &HeaderMap) -> DeviceType {
    let agent = headers.get(header::USER_AGENT).map_or(&[][..], |value| value.as_bytes());
    let start = agent.get(..MAX_USER_AGENT).unwrap_or(agent);
    DeviceType::from_user_agent(&String::from_utf8_lossy(start))
}

/// `1.2.3.4`, `1.2.3.4:567`, `::1`, `[::1]` or `[::1]:567`.
fn address_of(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&parsed))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[&str], expect: &str) {
        let config = ClientConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")],
            ..Default::default()
        };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).expect("a header"));
        }
        let address = config.address(peer.parse().expect("an address"), &headers);
        assert_eq!(address.to_string(), expect, "{peer} {forwarded:?}");
    }

    #[test]
    fn only_named_proxies_are_believed() {
        check("203.0.113.5", &["1.1.1.1"], "203.0.113.5");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("::ffff:10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["9.9.9.9, 1.1.1.1, 10.2.2.2"], "1.1.1.1");
        check("10.0.0.1", &["9.9.9.9, 1.1.1.1", "10.2.2.2"], "1.1.1.1");
        check("fd00::1", &["[2a00::1]:443, 10.0.0.3:80"], "2a00::1");
        check("10.0.0.1", &["1.1.1.1, junk, 10.2.2.2"], "10.2.2.2");
        check("10.0.0.1", &["1.1.1.1, "], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.9"], "10.0.0.9");
    }

    #[test]
    fn a_country_is_two_letters_or_unknown() {
        let config = ClientConfig::default();
        for (value, expect) in [("US", "US"), ("id", "ID"), ("", ""), ("USA", ""), ("U1", ""), ("ÄÖ", ""), ("*", "")]
        {
            let mut headers = HeaderMap::new();
            headers.insert(DEFAULT_GEO_HEADER, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
            assert_eq!(&*config.geo(&headers), expect, "{value}");
            assert_eq!(&*ClientConfig { geo_header: None, ..config.clone() }.geo(&headers), "", "turned off");
        }
    }

    #[test]
    fn devices_come_from_the_user_agent_however_odd_it_is() {
        let of = |agent: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_bytes(agent).expect("a header"));
            device(&headers)
        };
        assert_eq!(of(b"Roku/DVP-12.0"), DeviceType::SetTopBox);
        assert_eq!(of(&[b"Tizen \xff".as_slice(), &[b'x'; 9_000]].concat()), DeviceType::SmartTv);
        assert_eq!(device(&HeaderMap::new()), DeviceType::Other);
    }
}
