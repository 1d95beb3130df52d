//! The name of a session in addresses: random, and signed so that nobody can make one up.

use std::fmt;

use crate::tracking::SigningKey;

const RANDOM_DIGITS: usize = 16;
const LENGTH: usize = 32;

/// 16 random hexadecimal digits and 16 characters of signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionToken([u8; LENGTH]);

impl SessionToken {
    pub fn new(key: &SigningKey, channel: &str, random: u64) -> Self {
        let name = format!("{random:016x}");
        let signature = key.sign(&["session", channel, &name], 0);
        let mut token = [b'0'; LENGTH];
        for (to, from) in token.iter_mut().zip(name.bytes().chain(signature.as_str().bytes())) {
            *to = from;
        }
        Self(token)
    }

    /// A token as it came in, well-formed but not verified.
    pub fn parse(text: &str) -> Option<Self> {
        let token = <[u8; LENGTH]>::try_from(text.as_bytes()).ok()?;
        token.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).then_some(Self(token))
    }

    /// Whether we made it for this channel.
    pub fn verify(&self, key: &SigningKey, channel: &str) -> bool {
        let (name, signature) = self.as_str().split_at(RANDOM_DIGITS);
        // A session token does not expire: the moment given is the signed one.
        key.verify(&["session", channel, name], "0", signature, crate::domain::Moment::default()).is_ok()
    }

    /// The random part: names the session in events and logs without giving it away.
    pub fn name(&self) -> &str {
        self.as_str().split_at(RANDOM_DIGITS).0
    }

    /// The same as a number.
    pub fn number(&self) -> u64 {
        // A token that somebody made up may have letters there: it is verified before it is of use.
        u64::from_str_radix(self.name(), 16).unwrap_or(0)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("00000000000000000000000000000000")
    }
}

impl fmt::Display for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({}…)", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_cannot_be_made_up_or_moved_to_another_channel() {
        let key = SigningKey::new(&[7; 32]);
        let token = SessionToken::new(&key, "news", 42);
        assert_eq!(SessionToken::parse(&token.to_string()), Some(token));
        assert!(token.verify(&key, "news"));
        assert!(!token.verify(&key, "sports"));
        assert!(!token.verify(&SigningKey::new(&[8; 32]), "news"));
        assert_eq!(SessionToken::parse("short"), None);
        assert_eq!(SessionToken::parse(&"/".repeat(32)), None);
    }
}
