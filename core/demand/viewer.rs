//! What is known of the viewer for whom ads are asked, and what third parties are told of it.
//!
//! Addresses go into requests and, sealed, into what is kept to send beacons later; never into logs: `Debug` leaves
//! them out.

use std::{fmt, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::limits::MAX_HEADER_BYTES;
use crate::domain::{Avail, Slug, Span, Viewer};

/// The player's end of the connection. Written down only where it is sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Client {
    pub address: Option<IpAddr>,
    pub user_agent: Option<Box<str>>,
    /// As in `Accept-Language`.
    pub language: Option<Box<str>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}

impl Client {
    /// Takes header texts as they come; what may not stand in a header is left out.
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>, language: Option<&str>) -> Self {
        Self { address, user_agent: user_agent.and_then(header_text), language: language.and_then(header_text) }
    }

    /// The same headers for every tag, wrapper and beacon of a viewer (VAST 4.2, 2.3.6 and IAB's guidance for
    /// server-side insertion).
    pub(super) fn headers(&self, forwarded_for: bool) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(5);
        if let Some(address) = self.address {
            headers.push(("x-device-ip", address.to_string()));
            if forwarded_for {
                headers.push(("x-forwarded-for", address.to_string()));
            }
        }
        if let Some(agent) = &self.user_agent {
            headers.push(("x-device-user-agent", agent.to_string()));
        }
        if let Some(language) = &self.language {
            headers.push(("accept-language", language.to_string()));
            headers.push(("x-device-accept-language", language.to_string()));
        }
        headers
    }
}

/// A viewer's wish for ads: who, and for which break.
#[derive(Clone, Debug)]
pub struct ViewerContext {
    pub client: Arc<Client>,
    pub viewer: Viewer,
    /// Our own name of the session.
    pub session: Arc<str>,
    pub channel: Slug,
    /// The break, or what the next one is expected to be.
    pub avail: Arc<Avail>,
    pub place: BreakPlace,
    /// Whether a creative can be shown on the channel.
    pub fits: Fits,
}

/// Where a break is in the programme, as VMAP counts. Live channels know neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakPlace {
    /// From the beginning of the title.
    pub offset: Option<Span>,
    /// How long the title is.
    pub content: Option<Span>,
    /// 1 for the first break that is no pre-roll.
    pub number: Option<u32>,
}

type Check = dyn Fn(&crate::stitch::ladder::Creative) -> Result<(), crate::stitch::ladder::Unfit> + Send + Sync;

/// Says whether a creative can be shown on all renditions that this viewer may switch to.
#[derive(Clone)]
pub struct Fits(pub Arc<Check>);

impl Default for Fits {
    /// Everything fits.
    fn default() -> Self {
        Self(Arc::new(|_| Ok(())))
    }
}

impl fmt::Debug for Fits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fits(…)")
    }
}

impl ViewerContext {
    /// A player parameter, if it has a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.viewer.params.get(name).map(|value| &**value).filter(|value| !value.is_empty())
    }
}

/// Printable ASCII, cut to length: anything else would make the request malformed.
fn header_text(text: &str) -> Option<Box<str>> {
    let kept = text.chars().filter(|c| matches!(c, ' '..='~')).take(MAX_HEADER_BYTES);
    let kept: String = kept.collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_viewer_sends_never_breaks_the_request_that_carries_it_on() {
        let long = "x".repeat(MAX_HEADER_BYTES + 1);
        for (sent, kept) in [
            ("Roku/DVP-12.0", Some("Roku/DVP-12.0")),
            (" évil\r\nX-Admin: 1 ", Some("vilX-Admin: 1")),
            ("", None),
            ("\u{7f}", None),
            (long.as_str(), long.get(1..)),
        ] {
            assert_eq!(Client::new(None, Some(sent), None).user_agent.as_deref(), kept);
        }
    }

    #[test]
    fn an_address_is_never_printed() {
        let client = Client::new(Some([192, 0, 2, 7].into()), None, None);
        assert!(!format!("{client:?}").contains("192"));
        let sent = |forwarded_for| client.headers(forwarded_for).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(sent(false), ["x-device-ip"]);
        assert_eq!(sent(true), ["x-device-ip", "x-forwarded-for"]);
    }
}
