//! Lists of hosts and networks: what the operator opens (`outbound.allow_hosts`) and where a sink may go.
//!
//! Text in, answers to "is this URL, is this address, on the list?" out. Resolves nothing.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::{in_v4, in_v6};

/// A block of addresses such as `10.0.0.0/8` or `fd00::/8`; a single address is a block of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    length: u32,
}

impl Cidr {
    /// IPv4-mapped IPv6 addresses are judged as the IPv4 addresses that they are.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => in_v4(address, network, self.length),
            (IpAddr::V6(network), IpAddr::V6(address)) => in_v6(address, network, self.length),
            _ => false,
        }
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            || format!("`{text}` is not a network: write an address such as 10.0.0.1 or a block such as 10.0.0.0/8");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| invalid())?;
        let widest = if network.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| invalid())?,
            Some(_) => return Err(invalid()),
            None => widest,
        };
        if length > widest {
            return Err(invalid());
        }
        Ok(Self { network, length })
    }
}

/// `host`, `host:port`, `*.host`, `*.host:port`, `1.2.3.4:80`, `[::1]:80`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: HostMatch,
    /// Any port when absent.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostMatch {
    Exact(Host),
    /// Any name below this one, not the name itself.
    Below(String),
}

impl HostPattern {
    pub fn matches(&self, url: &Url) -> bool {
        if self.port.is_some() && self.port != url.port_or_known_default() {
            return false;
        }
        match (&self.host, url.host()) {
            (HostMatch::Exact(Host::Domain(wanted)), Some(Host::Domain(name))) => wanted == without_root_dot(name),
            (HostMatch::Exact(Host::Ipv4(wanted)), Some(Host::Ipv4(address))) => *wanted == address,
            (HostMatch::Exact(Host::Ipv6(wanted)), Some(Host::Ipv6(address))) => *wanted == address,
            (HostMatch::Below(parent), Some(Host::Domain(name))) => {
                let below = without_root_dot(name).strip_suffix(parent.as_str());
                below.and_then(|child| child.strip_suffix('.')).is_some_and(|child| !child.is_empty())
            }
            _ => false,
        }
    }
}

fn without_root_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl std::str::FromStr for HostPattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a host: write host, host:port, *.host or [IPv6]:port");
        if let Ok(IpAddr::V6(address)) = text.parse() {
            return Ok(Self { host: HostMatch::Exact(Host::Ipv6(address)), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().map_err(|_| invalid())?),
            Some(_) => return Err(invalid()),
            None => None,
        };
        let (host, below) = match host.strip_prefix("*.") {
            Some(parent) => (parent, true),
            None => (host, false),
        };
        let host = match (Host::parse(host).map_err(|_| invalid())?, below) {
            (Host::Domain(name), true) => HostMatch::Below(without_root_dot(&name).to_owned()),
            (_, true) => return Err(invalid()),
            (Host::Domain(name), false) => HostMatch::Exact(Host::Domain(without_root_dot(&name).to_owned())),
            (address, false) => HostMatch::Exact(address),
        };
        Ok(Self { host, port })
    }
}

/// The operator's exceptions to the guard.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    hosts: Vec<HostPattern>,
    networks: Vec<Cidr>,
}

impl AllowList {
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        let mut list = Self::default();
        for entry in entries {
            if entry.contains('/') {
                list.networks.push(entry.parse()?);
            } else {
                list.hosts.push(entry.parse()?);
            }
        }
        Ok(list)
    }

    /// The URL's host (and port) is named: whatever it resolves to is allowed.
    pub fn names(&self, url: &Url) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(url))
    }

    /// The address is inside an allowed network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, url: &str, expect: bool) {
        let pattern: HostPattern = pattern.parse().expect("the test names a pattern");
        assert_eq!(pattern.matches(&Url::parse(url).expect("the test names a URL")), expect, "{pattern:?} {url}");
    }

    #[test]
    fn host_patterns_match_the_host_and_port_they_name() {
        check("hooks.example.com", "https://hooks.example.com/x", true);
        check("HOOKS.example.com", "https://hooks.EXAMPLE.com./x", true);
        check("hooks.example.com", "https://evilhooks.example.com/", false);
        check("hooks.example.com", "https://hooks.example.com.evil.net/", false);
        check("hooks.example.com:443", "https://hooks.example.com/", true);
        check("hooks.example.com:443", "http://hooks.example.com/", false);
        check("127.0.0.1:9000", "http://127.0.0.1:9000/", true);
        check("127.0.0.1:9000", "http://0x7f000001:9000/", true);
        check("127.0.0.1:9000", "http://127.0.0.1:9001/", false);
        check("[::1]:9000", "http://[0:0::1]:9000/", true);
        check("::1", "http://[::1]:1234/", true);
        check("*.example.com", "https://a.b.example.com/", true);
        check("*.example.com", "https://example.com/", false);
        check("*.example.com", "https://notexample.com/", false);
    }

    #[test]
    fn malformed_entries_are_refused_with_a_hint() {
        for entry in
            ["", "a b", "host:port", "host:70000", "*.10.0.0.1", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "x/8"]
        {
            let refused = AllowList::parse(&[entry.to_owned()]);
            assert!(refused.is_err_and(|hint| hint.contains("write")), "{entry}");
        }
    }

    #[test]
    fn networks_contain_their_addresses_in_mapped_form_too() {
        let list = AllowList::parse(&["10.0.0.0/8".into(), "fd00::/8".into(), "0.0.0.0/32".into()]).expect("valid");
        for (address, expect) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("11.0.0.1", false), ("fd12::1", true), ("fe80::1", false)]
        {
            assert_eq!(list.contains(address.parse().expect("address")), expect, "{address}");
        }
    }
}
