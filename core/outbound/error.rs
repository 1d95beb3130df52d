//! Why an outbound request gave no answer. Messages name hosts, never paths or query strings: those carry tokens.

use std::{net::IpAddr, time::Duration};

use super::{
    MAX_REDIRECTS,
    resolve::{AddressRefused, NameUnknown},
};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OutboundError {
    #[error("outbound.allow_hosts: {0}")]
    AllowEntry(String),
    #[error("the HTTP client could not be set up: {0}")]
    Setup(String),
    #[error("only http and https URLs are fetched, not {scheme}")]
    Scheme { scheme: String },
    #[error("the URL of {host} carries a user name or password")]
    Credentials { host: String },
    #[error("{host} is at {address}, which is not public: the operator can allow it in outbound.allow_hosts")]
    Address { host: String, address: IpAddr },
    #[error("{host} is not among the hosts that the manifest allows")]
    HostNotAllowed { host: String },
    #[error("header `{name}` is malformed or reserved")]
    Header { name: String },
    #[error("method `{method}` is not allowed")]
    Method { method: String },
    #[error("{host} redirects more than {MAX_REDIRECTS} times")]
    Redirects { host: String },
    #[error("{host} redirects to an unusable address")]
    RedirectTarget { host: String },
    #[error("{host} redirects from https to http")]
    Downgrade { host: String },
    #[error("{host} does not resolve: {reason}")]
    Dns { host: String, reason: String },
    #[error("no connection to {host}: {reason}")]
    Connect { host: String, reason: String },
    #[error("{host} did not answer completely within {after:?}")]
    Deadline { host: String, after: Duration },
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge { host: String, limit: usize },
    #[error("{host} broke off or sent a malformed answer: {reason}")]
    Protocol { host: String, reason: String },
    #[error("{host} does not take it: {reason}")]
    Refused { host: String, reason: String },
}

impl OutboundError {
    /// A short, stable name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AllowEntry(_) | Self::Setup(_) => "setup",
            Self::Scheme { .. } => "scheme",
            Self::Credentials { .. } => "credentials",
            Self::Address { .. } => "address",
            Self::HostNotAllowed { .. } => "host_not_allowed",
            Self::Header { .. } | Self::Method { .. } => "request",
            Self::Redirects { .. } | Self::RedirectTarget { .. } => "redirect",
            Self::Downgrade { .. } => "downgrade",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Deadline { .. } => "deadline",
            Self::TooLarge { .. } => "too_large",
            Self::Protocol { .. } => "protocol",
            Self::Refused { .. } => "refused",
        }
    }

    /// The guard refused: trying again cannot help.
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind(), "scheme" | "credentials" | "address" | "host_not_allowed" | "request" | "downgrade")
    }

    pub(super) fn classify(host: &str, error: &reqwest::Error, connect_timeout: Duration) -> Self {
        let host = host.to_owned();
        let mut cause: &(dyn std::error::Error + 'static) = error;
        loop {
            if let Some(AddressRefused { address, .. }) = cause.downcast_ref() {
                return Self::Address { host, address: *address };
            }
            if let Some(NameUnknown { reason, .. }) = cause.downcast_ref() {
                return Self::Dns { host, reason: reason.clone() };
            }
            match cause.source() {
                Some(next) => cause = next,
                None => break,
            }
        }
        // The innermost cause says most ("connection refused") and never holds the URL.
        let reason = cause.to_string();
        match () {
            () if error.is_timeout() && error.is_connect() => Self::Deadline { host, after: connect_timeout },
            () if error.is_connect() => Self::Connect { host, reason },
            () => Self::Protocol { host, reason },
        }
    }
}
