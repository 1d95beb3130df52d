//! What a viewer allows to be kept, and what is left of an address. Pure: signals and keys are inputs.
//!
//! An opt-out takes away what tells viewers apart for longer than a session (name, address, User-Agent, attribution);
//! the event counts all the same. Read are: `DNT: 1` and `Sec-GPC: 1`, limited ad tracking (`lmt`), IAB TCF v2 (`gdpr`,
//! `gdpr_consent`: purpose 1, storing and reading information on a device), US Privacy (`us_privacy`: sale opted out)
//! and the sections of both kinds inside of an IAB GPP string. Other sections of GPP are not read.

use std::net::IpAddr;

use crate::{
    domain::{AddressPolicy, Privacy},
    tracking::SigningKey,
};

/// What a request or a report says of the viewer's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    opted_out: bool,
    gdpr: bool,
    purpose_one: Option<bool>,
}

impl Consent {
    /// Do-Not-Track, Global Privacy Control, limited ad tracking.
    pub fn opt_out(&mut self, said: bool) {
        self.opted_out |= said;
    }

    /// Takes in a signal by the name that it has in a query or a report; false if it is none.
    pub fn signal(&mut self, name: &str, value: &str) -> bool {
        let yes = matches!(value, "1" | "true" | "yes");
        match name {
            "dnt" | "do_not_track" | "lmt" | "gpc" => self.opt_out(yes),
            "gdpr" => self.gdpr |= yes,
            "gdpr_consent" => self.purpose_one = tcf_purpose_one(value),
            "us_privacy" => self.opt_out(us_opted_out(value)),
            "gpp" => {
                // The first section is the header.
                for section in value.split('~').skip(1) {
                    self.opt_out(us_opted_out(section));
                    if section.starts_with('C') && section.len() > MIN_TCF {
                        self.opt_out(tcf_purpose_one(section) == Some(false));
                    }
                }
            }
            _ => return false,
        }
        true
    }

    /// Whether what identifies the viewer has to go, where the tenant respects that.
    pub fn withholds(self, privacy: &Privacy) -> bool {
        privacy.respect_opt_out && (self.opted_out || (self.gdpr && self.purpose_one != Some(true)))
    }
}

/// Characters of a TCF string before its list of vendors.
const MIN_TCF: usize = 30;

/// Purpose 1 of a TCF v2 core string: bit 152, which is bit 2 of the 26th character of base64url.
fn tcf_purpose_one(text: &str) -> Option<bool> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if !text.starts_with('C') {
        // Version 2 begins with the six bits 000010.
        return None;
    }
    let bits = text.as_bytes().get(152 / 6).and_then(|byte| ALPHABET.iter().position(|known| known == byte))?;
    Some(bits & (1 << (5 - 152 % 6)) != 0)
}

/// `1YYN`: version, notice given, opted out of sale, LSPA.
fn us_opted_out(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes, [b'1', _, b'Y' | b'y', _])
}

/// What is kept of an address. `None`: nothing.
pub fn keep_address(policy: AddressPolicy, key: &SigningKey, address: IpAddr) -> Option<Box<str>> {
    match (policy, address.to_canonical()) {
        (AddressPolicy::Drop, _) => None,
        (AddressPolicy::Truncate, IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{a}.{b}.{c}.0").into())
        }
        (AddressPolicy::Truncate, IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}::").into())
        }
        (AddressPolicy::Hash, address) => Some(key.sign(&["address", &address.to_string()], 0).as_str().into()),
    }
}

/// Stands for a name that may not be kept: the same for the same name, so that a session stays one.
pub fn hidden(key: &SigningKey, name: &str) -> String {
    key.sign(&["session", name], 0).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withholds(signals: &[(&str, &str)]) -> bool {
        let mut consent = Consent::default();
        for (name, value) in signals {
            assert!(consent.signal(name, value), "{name} is a signal");
        }
        consent.withholds(&Privacy::default())
    }

    /// A string as consent managers write it, with purpose 1 given or not.
    fn tcf(purpose_one: bool) -> String {
        let mut bits = vec![false; 240];
        bits[4] = true;
        bits[152] = purpose_one;
        bits[153] = true;
        let byte = |chunk: &[bool]| chunk.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
        let bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes)
    }

    #[test]
    fn each_signal_of_refusal_is_heard_and_silence_is_none() {
        assert!(!withholds(&[]));
        for name in ["dnt", "lmt", "gpc"] {
            assert!(withholds(&[(name, "1")]) && !withholds(&[(name, "0")]), "{name}");
        }
        assert!(withholds(&[("us_privacy", "1YYN")]) && !withholds(&[("us_privacy", "1YNN")]));
        assert!(!withholds(&[("us_privacy", "1---")]));
        assert!(withholds(&[("gdpr", "1")]), "where consent is needed, none given is refused");
        assert!(withholds(&[("gdpr", "1"), ("gdpr_consent", &tcf(false))]));
        assert!(!withholds(&[("gdpr", "1"), ("gdpr_consent", &tcf(true))]));
        assert!(withholds(&[("gdpr", "1"), ("gdpr_consent", "é")]));
        assert!(!withholds(&[("gdpr", "0"), ("gdpr_consent", &tcf(false))]), "where the law does not apply");
        assert!(withholds(&[("gpp", "DBABTA~1YYN")]) && !withholds(&[("gpp", "DBABTA~1YNN")]));
        assert!(withholds(&[("gpp", &format!("DBABMA~{}", tcf(false)))]));
        assert!(!Consent::default().signal("colour", "1"));
    }

    #[test]
    fn a_tenant_may_keep_what_opted_out_viewers_send() {
        let mut consent = Consent::default();
        consent.opt_out(true);
        let heedless = Privacy { respect_opt_out: false, ..Privacy::default() };
        assert!(consent.withholds(&Privacy::default()) && !consent.withholds(&heedless));
    }

    #[test]
    fn no_address_is_kept_as_it_came() {
        let key = SigningKey::new(&[3; 32]);
        let kept = |policy, address: &str| keep_address(policy, &key, address.parse().expect("an address"));
        assert_eq!(kept(AddressPolicy::Truncate, "203.0.113.77").as_deref(), Some("203.0.113.0"));
        assert_eq!(kept(AddressPolicy::Truncate, "::ffff:203.0.113.77").as_deref(), Some("203.0.113.0"));
        assert_eq!(kept(AddressPolicy::Truncate, "2001:db8:85a3:8d3:1319::1").as_deref(), Some("2001:db8:85a3::"));
        assert_eq!(kept(AddressPolicy::Drop, "203.0.113.77"), None);
        let hash = kept(AddressPolicy::Hash, "203.0.113.77").expect("a hash");
        assert!(!hash.contains("203") && Some(&hash) == kept(AddressPolicy::Hash, "::ffff:203.0.113.77").as_ref());
        assert_ne!(Some(hash), kept(AddressPolicy::Hash, "203.0.113.78"));
        assert_ne!(hidden(&key, "anna"), hidden(&SigningKey::new(&[4; 32]), "anna"));
    }
}
