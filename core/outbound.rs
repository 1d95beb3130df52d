//! The one client of the network. Everything that the server fetches or sends goes through [`Outbound`]: deadlines, body limits
//! and the guard against requests into private networks (SSRF) are enforced here and nowhere else.
//!
//! - Only `http` and `https`, no user name or password in the URL, proxy settings of the environment are ignored.
//! - An address in any spelling must be public ([`is_public`]) or be opened by the operator's `allow_hosts`.
//! - Names are checked when the connection is made, on the very addresses that are connected to.
//! - Redirects are followed by hand, each hop checked like the first, never from https to http.
//! - Body limits count decompressed bytes while they arrive.
//!
//! Knows nothing of playlists, tenants or events.

mod address;
mod allow;
mod error;
pub mod nats;
mod resolve;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Method, Response,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use tokio::{net::TcpStream, time::Instant};
use url::{Host, Url};

use self::resolve::{GuardedResolver, Lookup, SystemLookup};
pub use self::{
    address::is_public,
    allow::{AllowList, Cidr, HostPattern},
    error::OutboundError,
};

/// Hops after the first request. Real origins and ad servers need one or two; each costs a round trip.
pub const MAX_REDIRECTS: usize = 3;

/// Whole time for one fetch unless the caller sets less: a playlist later than this is of no use to a live player.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// TCP and TLS set-up; a host that needs longer is down.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of one answer. The largest real playlists (a day of DVR) stay under 4 MiB.
pub const DEFAULT_MAX_BODY: usize = 8 * 1024 * 1024;

/// Bytes read of the answer to a sink's request, so that its connection can be used again; the rest is dropped.
const MAX_SENT_ANSWER: usize = 64 * 1024;

/// Time spent on reading it.
const SENT_ANSWER_TIME: Duration = Duration::from_millis(500);

/// Header bytes of one HTTP/2 answer.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// Idle connections kept per host: enough for every channel of one origin to refresh at once.
const IDLE_PER_HOST: usize = 64;

/// Longer than a segment, so that the next refresh finds its connection, shorter than common server time-outs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Largest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Headers that the client owns; a caller who sets them could smuggle a second request or pose as another hop.
const RESERVED_HEADERS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
];

/// Makes *ring* the process's cryptography for TLS. Call once at start; later calls change nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already.
    let _already = rustls::crypto::ring::default_provider().install_default();
}

#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// Exceptions to the guard: `host`, `host:port`, `*.host`, `[v6]:port` or a block such as `10.0.0.0/8`.
    pub allow_hosts: Vec<String>,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub max_body_bytes: usize,
    pub user_agent: String,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            max_body_bytes: DEFAULT_MAX_BODY,
            user_agent: concat!("cuetone/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// What one `get` asks for beyond its URL.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetOptions<'a> {
    /// For everything: name, connection, redirects, body. The client's `timeout` when absent.
    pub deadline: Option<Duration>,
    /// Decompressed bytes. The client's `max_body_bytes` when absent.
    pub max_body: Option<usize>,
    pub headers: &'a [(&'a str, &'a str)],
    /// Entity tag of the copy in hand; the answer may then be 304 without a body.
    pub if_none_match: Option<&'a str>,
}

/// An answer of any status, complete.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub status: u16,
    /// Where the answer came from, after redirects: what relative URIs in it are resolved against.
    pub final_url: Url,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub etag: Option<String>,
    pub body: Bytes,
}

impl Fetched {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A request that carries something out: a sink's.
#[derive(Clone, Debug)]
pub struct SendRequest<'a> {
    /// GET, POST, PUT, PATCH or DELETE.
    pub method: &'a str,
    pub url: &'a Url,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Bytes,
    pub deadline: Option<Duration>,
    /// When given, the URL's host must be among these ([`HostPattern`]s), whatever else is allowed.
    pub allowed_hosts: Option<&'a [String]>,
}

/// What became of a [`SendRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub status: u16,
    /// How long the receiver asked to be left alone (`Retry-After` in seconds).
    pub retry_after: Option<Duration>,
}

impl Sent {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The client; clones share connections.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    /// Resolves to public and allowed addresses only.
    guarded: Client,
    /// For hosts that the operator named: resolves to anything. Its connections are never used for other hosts.
    named: Client,
    /// For connections that are not HTTP.
    lookup: Arc<dyn Lookup>,
    allow: Arc<AllowList>,
    timeout: Duration,
    connect_timeout: Duration,
    max_body: usize,
}

impl Outbound {
    pub fn new(config: OutboundConfig) -> Result<Self, OutboundError> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    fn with_lookup(config: OutboundConfig, lookup: Arc<dyn Lookup>) -> Result<Self, OutboundError> {
        install_crypto();
        let allow = Arc::new(AllowList::parse(&config.allow_hosts).map_err(OutboundError::AllowEntry)?);
        let client = |guard| {
            Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(config.connect_timeout)
                .pool_max_idle_per_host(IDLE_PER_HOST)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .http2_max_header_list_size(MAX_HEADER_BYTES)
                .user_agent(config.user_agent.as_str())
                .dns_resolver(Arc::new(GuardedResolver { lookup: lookup.clone(), guard }))
                .build()
                .map_err(|error| OutboundError::Setup(error.to_string()))
        };
        Ok(Self(Arc::new(Inner {
            guarded: client(Some(allow.clone()))?,
            named: client(None)?,
            lookup,
            allow,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            max_body: config.max_body_bytes,
        })))
    }

    /// Fetches a URL, following redirects. Any status is an answer; errors are those of the guard and the network.
    pub async fn get(&self, url: &Url, options: GetOptions<'_>) -> Result<Fetched, OutboundError> {
        let deadline = options.deadline.unwrap_or(self.0.timeout);
        measured("get", within(deadline, url, self.follow(url, options))).await
    }

    /// Sends a request once and follows no redirect: what a tenant's sink sends goes where its manifest says or nowhere.
    pub async fn send(&self, request: SendRequest<'_>) -> Result<Sent, OutboundError> {
        let deadline = request.deadline.unwrap_or(self.0.timeout);
        let url = request.url;
        let (sent, response) = measured("send", within(deadline, url, self.send_once(request))).await?;
        // The status is the answer; the body is read only to keep the connection, and its faults do not matter.
        let _unread = tokio::time::timeout(SENT_ANSWER_TIME, drain(response)).await;
        Ok(sent)
    }

    /// The same, with the body of a 2xx answer: for receivers that say in it what they did not take. One that breaks off or
    /// has more than `limit` bytes is an error.
    pub async fn send_and_read(&self, request: SendRequest<'_>, limit: usize) -> Result<(Sent, Bytes), OutboundError> {
        let (deadline, url) = (request.deadline.unwrap_or(self.0.timeout), request.url);
        let send = async {
            let (sent, response) = self.send_once(request).await?;
            if sent.is_success() {
                return Ok((sent, self.read(url.clone(), response, limit).await?.body));
            }
            let _unread = tokio::time::timeout(SENT_ANSWER_TIME, drain(response)).await;
            Ok((sent, Bytes::new()))
        };
        measured("send", within(deadline, url, send)).await
    }

    /// The same, and reads the whole answer: for a client of our own API.
    pub async fn call(&self, request: SendRequest<'_>) -> Result<Fetched, OutboundError> {
        let (deadline, url) = (request.deadline.unwrap_or(self.0.timeout), request.url);
        let call = async {
            let (_, response) = self.send_once(request).await?;
            self.read(url.clone(), response, self.0.max_body).await
        };
        measured("call", within(deadline, url, call)).await
    }

    async fn follow(&self, start: &Url, options: GetOptions<'_>) -> Result<Fetched, OutboundError> {
        let mut headers = header_map(options.headers)?;
        if let Some(etag) = options.if_none_match {
            headers.insert(header::IF_NONE_MATCH, header_value("if-none-match", etag)?);
        }
        let mut url = start.clone();
        for _ in 0..=MAX_REDIRECTS {
            let client = self.client_for(&url)?;
            let request = client.get(url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| self.classify(&url, &error))?;
            let Some(next) = redirect_target(&url, &response)? else {
                return self.read(url, response, options.max_body.unwrap_or(self.0.max_body)).await;
            };
            if next.origin() != url.origin() {
                headers.remove(header::AUTHORIZATION);
                headers.remove(header::COOKIE);
            }
            url = next;
        }
        Err(OutboundError::Redirects { host: host_of(start) })
    }

    async fn send_once(&self, request: SendRequest<'_>) -> Result<(Sent, Response), OutboundError> {
        let SendRequest { method, url, headers, body, allowed_hosts, .. } = request;
        let method = match method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => return Err(OutboundError::Method { method: other.chars().take(20).collect() }),
        };
        if let Some(allowed) = allowed_hosts {
            self.listed(url, allowed)?;
        }
        let client = self.client_for(url)?;
        let request = client.request(method, url.clone()).headers(header_map(headers)?).body(body);
        let response = request.send().await.map_err(|error| self.classify(url, &error))?;
        let status = response.status().as_u16();
        let retry_after = text_of(&response, &header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let retry_after = retry_after.map(|secs| Duration::from_secs(secs).min(MAX_RETRY_AFTER));
        Ok((Sent { status, retry_after }, response))
    }

    /// Whether a tenant's manifest names the host.
    fn listed(&self, url: &Url, allowed: &[String]) -> Result<(), OutboundError> {
        let names = |entry: &String| entry.parse::<HostPattern>().is_ok_and(|pattern| pattern.matches(url));
        if allowed.iter().any(names) { Ok(()) } else { Err(OutboundError::HostNotAllowed { host: host_of(url) }) }
    }

    /// A connection to a host and port, under the same guard as requests.
    async fn connect(&self, place: &Url) -> Result<TcpStream, OutboundError> {
        let host = host_of(place);
        let dns = |reason: String| OutboundError::Dns { host: host.clone(), reason };
        let found = match place.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(name)) => {
                self.0.lookup.lookup(name.to_owned()).await.map_err(|error| dns(error.to_string()))?
            }
            None => Vec::new(),
        };
        let named = self.0.allow.names(place);
        let passes = |address: &IpAddr| named || is_public(*address) || self.0.allow.contains(*address);
        let mut failure = match found.first() {
            Some(address) => OutboundError::Address { host: host.clone(), address: *address },
            None => dns("no address".to_owned()),
        };
        let port = place.port_or_known_default().unwrap_or_default();
        for address in found.into_iter().filter(passes) {
            let connecting = TcpStream::connect(SocketAddr::new(address, port));
            match tokio::time::timeout(self.0.connect_timeout, connecting).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => {
                    failure = OutboundError::Connect { host: host.clone(), reason: error.to_string() };
                }
                Err(_) => failure = OutboundError::Deadline { host: host.clone(), after: self.0.connect_timeout },
            }
        }
        Err(failure)
    }

    /// Checks all that can be checked before a name is resolved, and picks the client whose resolver does the rest.
    fn client_for(&self, url: &Url) -> Result<&Client, OutboundError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutboundError::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Credentials { host: host_of(url) });
        }
        if self.0.allow.names(url) {
            return Ok(&self.0.named);
        }
        // The URL parser has turned decimal, octal and hexadecimal spellings into addresses. The connector asks no
        // resolver for these, so they are judged here.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        match literal {
            Some(address) if !is_public(address) && !self.0.allow.contains(address) => {
                Err(OutboundError::Address { host: host_of(url), address })
            }
            _ => Ok(&self.0.guarded),
        }
    }

    async fn read(&self, url: Url, mut response: Response, limit: usize) -> Result<Fetched, OutboundError> {
        let too_large = || OutboundError::TooLarge { host: host_of(&url), limit };
        // Absent when the answer is compressed: then only the count below protects.
        if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > limit)) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.classify(&url, &error))? {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched {
            status: response.status().as_u16(),
            content_type: text_of(&response, &header::CONTENT_TYPE),
            cache_control: text_of(&response, &header::CACHE_CONTROL),
            etag: text_of(&response, &header::ETAG),
            final_url: url,
            body: body.freeze(),
        })
    }

    fn classify(&self, url: &Url, error: &reqwest::Error) -> OutboundError {
        OutboundError::classify(&host_of(url), error, self.0.connect_timeout)
    }
}

async fn drain(mut response: Response) {
    let mut read = 0usize;
    while let Ok(Some(chunk)) = response.chunk().await {
        read = read.saturating_add(chunk.len());
        if read > MAX_SENT_ANSWER {
            break;
        }
    }
}

async fn within<T>(
    deadline: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, OutboundError>>,
) -> Result<T, OutboundError> {
    let late = |_| Err(OutboundError::Deadline { host: host_of(url), after: deadline });
    tokio::time::timeout(deadline, work).await.unwrap_or_else(late)
}

async fn measured<T>(
    call: &'static str,
    work: impl Future<Output = Result<T, OutboundError>>,
) -> Result<T, OutboundError> {
    let begun = Instant::now();
    let answer = work.await;
    let outcome = answer.as_ref().err().map_or("ok", OutboundError::kind);
    metrics::counter!("cuetone_outbound_requests_total", "call" => call, "outcome" => outcome).increment(1);
    metrics::histogram!("cuetone_outbound_seconds", "call" => call).record(begun.elapsed().as_secs_f64());
    answer
}

/// Where an answer redirects to, checked for what the next hop's own check cannot see.
fn redirect_target(from: &Url, response: &Response) -> Result<Option<Url>, OutboundError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
    next_hop(from, location.as_bytes()).map(Some)
}

fn next_hop(from: &Url, location: &[u8]) -> Result<Url, OutboundError> {
    let unusable = || OutboundError::RedirectTarget { host: host_of(from) };
    let location = std::str::from_utf8(location).map_err(|_| unusable())?;
    let next = from.join(location).map_err(|_| unusable())?;
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(OutboundError::Downgrade { host: host_of(from) });
    }
    Ok(next)
}

fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, OutboundError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let refused = || OutboundError::Header { name: name.chars().take(40).collect() };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if RESERVED_HEADERS.contains(&parsed.as_str()) {
            return Err(refused());
        }
        map.append(parsed, header_value(name, value)?);
    }
    Ok(map)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, OutboundError> {
    HeaderValue::from_str(value).map_err(|_| OutboundError::Header { name: name.chars().take(40).collect() })
}

fn text_of(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or("(no host)").to_owned()
}
