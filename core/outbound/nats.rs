//! Publishing to NATS JetStream: one connection, one message after the other, each acknowledged by the stream.
//!
//! Speaks the client protocol (docs.nats.io, "Client Protocol") as far as publishing needs it: INFO, CONNECT, SUB, HPUB,
//! MSG, HMSG, PING, PONG. The guard of [`Outbound`] holds here too. TLS is not spoken: a server that demands it is
//! refused. Knows no sinks and no events.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use url::Url;

use super::{Outbound, OutboundError, host_of, within};

const DEFAULT_PORT: u16 = 4222;

/// Bytes of one protocol line: INFO of a large cluster has some thousands.
const MAX_LINE: u64 = 64 * 1024;

/// Bytes of one message to us: acknowledgements have a hundred.
const MAX_MESSAGE: usize = 64 * 1024;

/// Bytes of a subject.
const MAX_SUBJECT: usize = 255;

/// `nats://host:port/subject`.
#[derive(Clone, Debug, PartialEq)]
pub struct NatsTarget {
    /// The host and port, in the form that the guard judges.
    place: Url,
    subject: String,
}

impl std::str::FromStr for NatsTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("malformed URL: {error}"))?;
        if url.scheme() != "nats" {
            return Err(format!("`{}` is not nats", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a NATS address carries no user or password: give them as headers".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        // Only http's URLs have their host read as an address, in every spelling.
        let place = Url::parse(&format!("http://{host}:{}/", url.port().unwrap_or(DEFAULT_PORT)))
            .map_err(|error| format!("malformed host: {error}"))?;
        let subject = url.path().trim_start_matches('/').to_owned();
        let token = |token: &str| {
            !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && !b"*>%".contains(&byte))
        };
        if subject.len() > MAX_SUBJECT || !subject.split('.').all(token) || url.query().is_some() {
            return Err(format!("`{subject}` is not a subject to publish to: write words with dots between them"));
        }
        Ok(Self { place, subject })
    }
}

/// Who publishes. Part of what a connection is: another name needs another connection.
#[derive(Clone, Default, PartialEq)]
pub struct NatsLogin {
    pub user: Option<String>,
    pub password: Option<String>,
    pub token: Option<String>,
}

/// One message on its way.
#[derive(Clone, Copy)]
pub struct NatsMessage<'a> {
    pub target: &'a NatsTarget,
    pub login: &'a NatsLogin,
    /// They travel with it.
    pub headers: &'a BTreeMap<String, String>,
    pub payload: &'a [u8],
    /// The target's host must be among these, whatever else is allowed.
    pub allowed_hosts: &'a [String],
    /// For everything: name, connection, acknowledgement.
    pub deadline: Duration,
}

/// What a stream said to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub stream: String,
    /// The stream knew the message's `Nats-Msg-Id` already.
    pub duplicate: bool,
}

/// A connection that may be used again; made when it is first needed.
#[derive(Default)]
pub struct NatsClient {
    open: Option<Open>,
}

struct Open {
    place: Url,
    login: NatsLogin,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// Where acknowledgements come to: unique on the server.
    inbox: String,
    sent: u64,
    max_payload: usize,
}

/// Why a message was not acknowledged, and whether another connection may help.
enum Broken {
    Connection(String),
    Refused(String),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

impl NatsClient {
    /// Publishes and waits until a stream has stored the message.
    pub async fn publish(
        &mut self,
        outbound: &Outbound,
        message: &NatsMessage<'_>,
    ) -> Result<Acknowledged, OutboundError> {
        let answer = self.ask(outbound, message).await?;
        acknowledged(&message.target.place, &message.target.subject, &answer)
    }

    /// Publishes and waits for whatever is answered; nothing when nobody listens.
    pub(crate) async fn ask(
        &mut self,
        outbound: &Outbound,
        message: &NatsMessage<'_>,
    ) -> Result<Vec<u8>, OutboundError> {
        let NatsMessage { target, login, headers, payload, allowed_hosts, deadline } = *message;
        let place = &target.place;
        let work = async {
            outbound.listed(place, allowed_hosts)?;
            let known = self.open.take().filter(|open| open.place == *place && open.login == *login);
            let fresh = known.is_none();
            let mut open = match known {
                Some(open) => open,
                None => Open::new(outbound, place, login).await?,
            };
            let mut answer = open.request(&target.subject, headers, payload).await;
            if matches!(answer, Err(Broken::Connection(_))) && !fresh {
                // It lay idle and the server has closed it.
                open = Open::new(outbound, place, login).await?;
                answer = open.request(&target.subject, headers, payload).await;
            }
            match answer {
                Ok(answer) => {
                    self.open = Some(open);
                    Ok(answer)
                }
                Err(Broken::Connection(reason)) => Err(OutboundError::Protocol { host: host_of(place), reason }),
                Err(Broken::Refused(reason)) => Err(OutboundError::Refused { host: host_of(place), reason }),
            }
        };
        within(deadline, place, work).await
    }
}

/// What is in the answer to a published message.
fn acknowledged(place: &Url, subject: &str, answer: &[u8]) -> Result<Acknowledged, OutboundError> {
    let refused = |reason: String| OutboundError::Refused { host: host_of(place), reason };
    if answer.is_empty() {
        return Err(refused(format!("no stream takes the subject {subject}")));
    }
    let answer: Value = serde_json::from_slice(answer).map_err(|_| refused("this is no JetStream".to_owned()))?;
    if let Some(error) = answer.get("error") {
        let words = error.get("description").and_then(Value::as_str).unwrap_or("without a reason");
        return Err(refused(words.chars().take(200).collect()));
    }
    let stream =
        answer.get("stream").and_then(Value::as_str).ok_or_else(|| refused("no stream answered".to_owned()))?;
    Ok(Acknowledged {
        stream: stream.to_owned(),
        duplicate: answer.get("duplicate").and_then(Value::as_bool).unwrap_or_default(),
    })
}

impl Open {
    async fn new(outbound: &Outbound, place: &Url, login: &NatsLogin) -> Result<Self, OutboundError> {
        let socket = outbound.connect(place).await?;
        let _unsupported = socket.set_nodelay(true);
        let broken = |error| match error {
            Broken::Connection(reason) => OutboundError::Protocol { host: host_of(place), reason },
            Broken::Refused(reason) => OutboundError::Refused { host: host_of(place), reason },
        };
        Self::greet(socket, place, login).await.map_err(broken)
    }

    async fn greet(socket: TcpStream, place: &Url, login: &NatsLogin) -> Result<Self, Broken> {
        let (reader, writer) = socket.into_split();
        let (place, login) = (place.clone(), login.clone());
        let reader = BufReader::new(reader);
        let mut open = Self { place, login, reader, writer, inbox: String::new(), sent: 0, max_payload: 0 };
        let line = open.line().await?;
        let info = line.strip_prefix("INFO ").ok_or_else(|| Broken::Connection("this is no NATS server".to_owned()))?;
        let info: Value = serde_json::from_str(info).map_err(|error| Broken::Connection(error.to_string()))?;
        let flag = |name: &str| info.get(name).and_then(Value::as_bool).unwrap_or_default();
        if flag("tls_required") {
            return Err(Broken::Refused("it demands TLS, which is not spoken here".to_owned()));
        }
        if !flag("headers") {
            return Err(Broken::Refused("it is too old: it takes no headers".to_owned()));
        }
        let limit = info.get("max_payload").and_then(Value::as_u64).unwrap_or_default();
        open.max_payload = usize::try_from(limit).unwrap_or(usize::MAX);
        // The server's and its number for this connection: nobody else's.
        let server = info.get("server_id").and_then(Value::as_str).unwrap_or_default();
        let server: String = server.chars().filter(char::is_ascii_alphanumeric).collect();
        let client = info.get("client_id").and_then(Value::as_u64).unwrap_or_default();
        open.inbox = format!("_INBOX.{server}-{client}");
        let mut connect = json!({
            "verbose": false, "pedantic": false, "lang": "rust", "name": "cuetone", "protocol": 1,
            "version": env!("CARGO_PKG_VERSION"), "headers": true, "no_responders": true,
        });
        let Some(fields) = connect.as_object_mut() else { return Err(Broken::Connection(String::new())) };
        let login = [("user", &open.login.user), ("pass", &open.login.password), ("auth_token", &open.login.token)];
        for (name, value) in login {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        let greeting = format!("CONNECT {connect}\r\nSUB {}.* 1\r\nPING\r\n", open.inbox);
        open.writer.write_all(greeting.as_bytes()).await?;
        loop {
            match open.line().await?.as_str() {
                "PONG" => return Ok(open),
                "PING" => open.writer.write_all(b"PONG\r\n").await?,
                line => refusal(line)?,
            }
        }
    }

    /// One line without its end.
    async fn line(&mut self) -> Result<String, Broken> {
        let mut line = Vec::new();
        (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| Broken::Connection("the connection ended".to_owned()))?;
        String::from_utf8(text.to_vec()).map_err(|_| Broken::Connection("a line is no text".to_owned()))
    }

    /// Publishes with a place for the answer, and waits for that. An empty answer says that nobody listens.
    async fn request(
        &mut self,
        subject: &str,
        headers: &BTreeMap<String, String>,
        payload: &[u8],
    ) -> Result<Vec<u8>, Broken> {
        self.sent += 1;
        let reply = format!("{}.{}", self.inbox, self.sent);
        let mut head = "NATS/1.0\r\n".to_owned();
        for (name, value) in headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let total = head.len().saturating_add(payload.len());
        if total > self.max_payload {
            return Err(Broken::Refused(format!("{total} bytes are more than the {} that it takes", self.max_payload)));
        }
        let command = format!("HPUB {subject} {reply} {} {total}\r\n{head}", head.len());
        self.writer.write_all(&[command.as_bytes(), payload, b"\r\n"].concat()).await?;
        loop {
            let line = self.line().await?;
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                ["PING"] => self.writer.write_all(b"PONG\r\n").await?,
                // subject, our number, perhaps a reply, the sizes.
                ["MSG", to, _, .., size] => {
                    let message = self.message(size).await?;
                    if *to == reply {
                        return Ok(message);
                    }
                }
                ["HMSG", to, _, .., head, size] => {
                    let message = self.message(size).await?;
                    if *to == reply {
                        let head = head.parse().unwrap_or(usize::MAX);
                        return Ok(message.get(head..).unwrap_or_default().to_vec());
                    }
                }
                _ => refusal(&line)?,
            }
        }
    }

    async fn message(&mut self, size: &str) -> Result<Vec<u8>, Broken> {
        let size = size.parse().ok().filter(|size| *size <= MAX_MESSAGE);
        let size = size.ok_or_else(|| Broken::Connection("a message has no usable size".to_owned()))?;
        let mut message = vec![0; size + 2];
        self.reader.read_exact(&mut message).await?;
        message.truncate(size);
        Ok(message)
    }
}

/// An error of the server; other lines (INFO of a changed cluster, +OK) say nothing to us.
fn refusal(line: &str) -> Result<(), Broken> {
    match line.strip_prefix("-ERR") {
        Some(reason) => Err(Broken::Refused(reason.trim().trim_matches('\'').chars().take(200).collect())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host_and_a_subject_without_wildcards() {
        let target: NatsTarget = "nats://nats.example.com/ads.events.impression".parse().expect("an address");
        assert_eq!(
            (target.place.as_str(), &*target.subject),
            ("http://nats.example.com:4222/", "ads.events.impression")
        );
        let address: NatsTarget = "nats://0x7f000001:80/x".parse().expect("an address");
        assert_eq!(address.place.host_str(), Some("127.0.0.1"), "whatever its spelling");
        for bad in [
            "nats://h/",
            "nats://h",
            "nats://h/a..b",
            "nats://h/a.*",
            "nats://h/>",
            "nats://h/a b",
            "nats://h/a?b",
            "nats://u:p@h/a",
            "nats:///a",
            "http://h/a",
            "nats://h/a%0d%0aPUB",
        ] {
            assert!(bad.parse::<NatsTarget>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_is_an_acknowledgement_only_if_a_stream_says_so() {
        let place = Url::parse("http://h:4222/").expect("a URL");
        let answer = |text: &str| acknowledged(&place, "a.b", text.as_bytes());
        let stored = answer(r#"{"stream":"ADS","seq":7,"duplicate":true}"#).expect("acknowledged");
        assert_eq!(stored, Acknowledged { stream: "ADS".into(), duplicate: true });
        for (text, reason) in [
            ("", "no stream takes"),
            ("hello", "no JetStream"),
            ("{}", "no stream answered"),
            (r#"{"error":{"code":503,"description":"maximum messages exceeded"}}"#, "maximum messages"),
        ] {
            let error = answer(text).expect_err("refused");
            assert!(error.to_string().contains(reason) && !error.is_refusal(), "{error}");
        }
    }
}
