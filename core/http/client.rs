//! Who asks: the viewer's address, country and device, from headers as far as they can be trusted.
//!
//! `X-Forwarded-For` counts only when the connection comes from a proxy that the operator named, and then only as far
//! back as named proxies wrote it. The geo header is one that the operator's edge sets (and strips from outside
//! requests); it is believed as configured. Where it names no country, the address is looked up. Nothing here is stored
//! or logged.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, HeaderName, header, request::Parts, uri::Authority},
};

use url::form_urlencoded;

use crate::{
    demand,
    domain::DeviceType,
    geo::{Geo, country_code},
    outbound::Cidr,
    tracking::{Facts, intake::Consent},
};

/// Default of the header that carries the viewer's country.
pub const DEFAULT_GEO_HEADER: HeaderName = HeaderName::from_static("x-geo-country");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// W3C Tracking Preference Expression, and what followed it.
const DO_NOT_TRACK: HeaderName = HeaderName::from_static("dnt");
const GLOBAL_PRIVACY_CONTROL: HeaderName = HeaderName::from_static("sec-gpc");

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Proxies in a row that are looked through; real chains have two or three.
const MAX_HOPS: usize = 16;

/// Bytes of User-Agent that are looked at; device tokens stand in front.
const MAX_USER_AGENT: usize = 512;

#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Networks of our own proxies and CDN.
    pub trusted_proxies: Vec<Cidr>,
    /// Header with an ISO 3166-1 alpha-2 country; `None`: no header is believed.
    pub geo_header: Option<HeaderName>,
    /// Asked for the country of an address when no header names one.
    pub geo: Option<Arc<dyn Geo>>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), geo_header: Some(DEFAULT_GEO_HEADER), geo: None }
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
    pub fn client(&self, parts: &Parts) -> Client {
        let address = self.address(peer(parts), &parts.headers);
        Client { address, geo: self.country(address, &parts.headers), device: device(&parts.headers) }
    }

    /// The viewer's country; empty when unknown.
    pub fn geo(&self, parts: &Parts) -> Box<str> {
        self.country(self.address(peer(parts), &parts.headers), &parts.headers)
    }

    /// The right-most address that none of our proxies has.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        // Header lines in order make one list (RFC 9110 section 5.3); the last entry is the nearest hop.
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
        for entry in entries.take(MAX_HOPS) {
            if !self.trusts(nearest) {
                break;
            }
            let Some(address) = address_of(entry) else { break };
            nearest = address;
        }
        nearest
    }

    /// How the sender reached us: `https://ads.example.com`. The scheme is what a proxy of ours says it was.
    pub fn base_url(&self, parts: &Parts) -> Option<String> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host: Authority = host.or(parts.uri.authority().map(Authority::as_str))?.parse().ok()?;
        let said = parts.headers.get(FORWARDED_PROTO).filter(|_| self.trusts(peer(parts).to_canonical()));
        let scheme =
            if said.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https")) { "https" } else { "http" };
        Some(format!("{scheme}://{host}"))
    }

    /// What ad servers are told of the player's end.
    pub fn for_third_parties(&self, parts: &Parts) -> demand::Client {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let address = self.address(peer(parts), &parts.headers);
        demand::Client::new(Some(address), text(header::USER_AGENT), text(header::ACCEPT_LANGUAGE))
    }

    /// What decides over the viewer's own events: who they seem to be, and what they allow. The query may carry signals
    /// of consent, as players put them into addresses.
    pub fn facts<'a>(&self, parts: &'a Parts, with_address: bool) -> Facts<'a> {
        let says = |name: HeaderName| parts.headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
        let mut consent = Consent::default();
        consent.opt_out(says(DO_NOT_TRACK) || says(GLOBAL_PRIVACY_CONTROL));
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            consent.signal(&name, &value);
        }
        Facts {
            address: with_address.then(|| self.address(peer(parts), &parts.headers)),
            user_agent: parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()),
            consent,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    fn country(&self, address: IpAddr, headers: &HeaderMap) -> Box<str> {
        let header = self.geo_header.as_ref().and_then(|name| headers.get(name)?.to_str().ok());
        let named = header.and_then(country_code);
        named.or_else(|| self.geo.as_ref()?.country(address)).unwrap_or_default()
    }
}

/// Who is at the other end of the connection; nobody in particular where a router is asked without one.
fn peer(parts: &Parts) -> IpAddr {
    let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    connected.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(socket)| socket.ip())
}

pub fn device(headers: &HeaderMap) -> DeviceType {
    let agent = headers.get(header::USER_AGENT).map_or(&[][..], |value| value.as_bytes());
    let start = agent.get(..MAX_USER_AGENT).unwrap_or(agent);
    DeviceType::from_user_agent(&String::from_utf8_lossy(start))
}

/// The same of a User-Agent that somebody passes on.
pub fn device_of(agent: &str) -> DeviceType {
    let end = agent.floor_char_boundary(MAX_USER_AGENT);
    DeviceType::from_user_agent(agent.get(..end).unwrap_or(agent))
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

    /// Knows one address.
    #[derive(Debug)]
    struct Atlas;
    impl Geo for Atlas {
        fn country(&self, address: IpAddr) -> Option<Box<str>> {
            (address == IpAddr::from([198, 51, 100, 7])).then(|| "ID".into())
        }
    }

    fn parts(peer: Option<[u8; 4]>, headers: &[(HeaderName, &str)]) -> Parts {
        let mut parts = axum::http::Request::new(()).into_parts().0;
        for (name, value) in headers {
            parts.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
        }
        if let Some(peer) = peer {
            parts.extensions.insert(ConnectInfo(SocketAddr::from((peer, 4_000))));
        }
        parts
    }

    #[test]
    fn a_country_comes_from_the_trusted_header_or_from_nowhere() {
        let config = ClientConfig::default();
        for (value, expect) in
            [("US", "US"), ("id", "ID"), ("", ""), ("USA", ""), ("U1", ""), ("ÄÖ", ""), ("*", ""), ("XX", "")]
        {
            let parts = parts(None, &[(DEFAULT_GEO_HEADER, value)]);
            assert_eq!(&*config.geo(&parts), expect, "{value}");
            assert_eq!(&*ClientConfig { geo_header: None, ..config.clone() }.geo(&parts), "", "turned off");
        }
    }

    #[test]
    fn an_address_is_looked_up_only_when_no_header_names_a_country() {
        let config = ClientConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
            geo: Some(Arc::new(Atlas)),
            ..ClientConfig::default()
        };
        let known = [198, 51, 100, 7];
        let of = |peer, headers: &[_]| config.client(&parts(Some(peer), headers)).geo;
        assert_eq!(&*of(known, &[]), "ID");
        assert_eq!(&*of(known, &[(DEFAULT_GEO_HEADER, "US")]), "US");
        assert_eq!(&*of(known, &[(DEFAULT_GEO_HEADER, "T1")]), "ID");
        assert_eq!(&*of([10, 0, 0, 1], &[(FORWARDED_FOR, "198.51.100.7")]), "ID", "behind a proxy of ours");
        assert_eq!(&*of([192, 0, 2, 1], &[(FORWARDED_FOR, "198.51.100.7")]), "", "strangers cannot say where they are");
        assert_eq!(&*config.geo(&parts(None, &[])), "");
    }

    #[test]
    fn our_own_address_is_the_host_and_only_our_proxies_may_say_https() {
        let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        let config = ClientConfig { trusted_proxies: proxies, ..ClientConfig::default() };
        let of = |peer, headers: &[_]| config.base_url(&parts(Some(peer), headers));
        let asked = [(header::HOST, "ads.example.com:8443"), (FORWARDED_PROTO, "HTTPS")];
        assert_eq!(of([10, 0, 0, 1], &asked).as_deref(), Some("https://ads.example.com:8443"));
        assert_eq!(of([192, 0, 2, 1], &asked).as_deref(), Some("http://ads.example.com:8443"));
        assert_eq!(of([192, 0, 2, 1], &[]), None);
        assert_eq!(of([192, 0, 2, 1], &[(header::HOST, "a/b\"<c>")]), None);
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
