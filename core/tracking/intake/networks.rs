//! A set of networks that answers at once whether an address is in it. Knows no files and nobody's name.

use std::net::IpAddr;

/// Ranges that neither touch nor overlap, ascending: a look is a binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Reads `192.0.2.0/24`, `2001:db8::/32` or single addresses, one a line. Blank lines and what follows `#` are
    /// nothing. The error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut networks = Self::default();
        for (number, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let added = networks.add(entry);
            added.ok_or_else(|| format!("line {}: `{entry}` is no network such as 192.0.2.0/24", number + 1))?;
        }
        merge(&mut networks.v4, |end| end.checked_add(1));
        merge(&mut networks.v6, |end| end.checked_add(1));
        Ok(networks)
    }

    fn add(&mut self, entry: &str) -> Option<()> {
        let (address, length) = match entry.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (entry, None),
        };
        match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => {
                let host = 32_u32.checked_sub(length.unwrap_or(32))?;
                let mask = u32::MAX.checked_shr(32 - host).unwrap_or(0);
                let first = address.to_bits() & !mask;
                self.v4.push((first, first | mask));
            }
            IpAddr::V6(address) => {
                let host = 128_u32.checked_sub(length.unwrap_or(128))?;
                let mask = u128::MAX.checked_shr(128 - host).unwrap_or(0);
                let first = address.to_bits() & !mask;
                self.v6.push((first, first | mask));
            }
        }
        Some(())
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// IPv4 addresses that come as IPv6 are the IPv4 addresses that they are.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
        }
    }
}

fn holds<N: Ord + Copy>(ranges: &[(N, N)], number: N) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= number);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| number <= *last)
}

fn merge<N: Ord + Copy>(ranges: &mut Vec<(N, N)>, next: impl Fn(N) -> Option<N>) {
    ranges.sort_unstable();
    ranges.dedup_by(|later, kept| {
        // Nothing comes after the last address there is.
        let joined = next(kept.1).is_none_or(|next| later.0 <= next);
        if joined {
            kept.1 = kept.1.max(later.1);
        }
        joined
    });
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_of_listed_networks_are_found_and_their_neighbours_are_not() {
        let networks = Networks::parse(
            "# cloud\n192.0.2.0/24 # one\n192.0.3.0/24\n198.51.100.7\n2001:db8::/32\n\n198.51.100.0/30\n",
        )
        .expect("a list");
        assert_eq!((networks.v4.len(), networks.v6.len()), (3, 1), "neighbours are one range: {networks:?}");
        for inside in ["192.0.2.0", "192.0.3.255", "198.51.100.7", "198.51.100.3", "2001:db8:1::1", "::ffff:192.0.2.9"]
        {
            assert!(networks.contains(ip(inside)), "{inside}");
        }
        for outside in ["192.0.1.255", "192.0.4.0", "198.51.100.6", "198.51.100.8", "2001:db9::", "::1"] {
            assert!(!networks.contains(ip(outside)), "{outside}");
        }
        assert!(!Networks::default().contains(ip("192.0.2.1")));
        let all = Networks::parse("0.0.0.0/0\n::/0\n255.255.255.255").expect("a list");
        assert!(all.contains(ip("255.255.255.255")) && all.contains(ip("0.0.0.0")) && all.contains(ip("ff::")));
    }

    #[test]
    fn what_is_no_network_is_refused_by_line() {
        for bad in ["a", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/8/9"] {
            let error = Networks::parse(&format!("10.0.0.0/8\n{bad}")).expect_err(bad);
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_set_answers_as_its_list_does(list in prop::collection::vec((any::<u32>(), 0_u32..=32, any::<bool>()), 0..20), asked: u32) {
            let text: Vec<String> = list.iter().map(|(bits, length, four)| match four {
                true => format!("{}/{length}", Ipv4Addr::from(*bits)),
                false => format!("{}/{}", Ipv6Addr::from(u128::from(*bits) << 96), length),
            }).collect();
            let networks = Networks::parse(&text.join("\n")).expect("a list");
            let same = |bits: &u32, length: &u32| *length == 0 || (bits ^ asked) >> (32 - length) == 0;
            let listed = |wanted: bool| list.iter().any(|(bits, length, four)| *four == wanted && same(bits, length));
            prop_assert_eq!(networks.contains(Ipv4Addr::from(asked).into()), listed(true));
            prop_assert_eq!(networks.contains(Ipv6Addr::from(u128::from(asked) << 96).into()), listed(false));
        }
    }
}
