//! One request of a sink on its way: where its address says, by `https:`, `http:`, `nats:` or `file:`.
//!
//! Secrets are filled in here and nowhere else, and what goes wrong is told without them. Knows neither batches nor
//! cursors: a request was taken, or here is why not.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::{SinkSpec, Tools, file::Appender, vault::Opened};
use crate::{
    domain::Refusal,
    extension::SinkRequest,
    outbound::{
        OutboundError, SendRequest,
        nats::{NatsClient, NatsLogin, NatsMessage, NatsTarget},
    },
    tracking::signature::sign_body,
};

/// `t=<seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`: proves to the receiver who sent a request, and when.
const SIGNATURE_HEADER: &str = "x-cuetone-signature";

/// Headers of a request to NATS that say who publishes; they do not travel.
const NATS_USER: &str = "nats-user";
const NATS_PASSWORD: &str = "nats-password";
const NATS_TOKEN: &str = "nats-token";

/// Bytes of an answer in which a receiver may say what it did not take: for 1,000 records, a kilobyte on each.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Characters of a refusal that are told.
const REFUSAL_SHOWN: usize = 200;

/// A batch that could not be delivered now.
pub(super) struct Failure {
    pub message: String,
    /// Trying again cannot help.
    pub hopeless: bool,
    /// The host did not let it be tried: nothing is known of the sink or its receiver.
    pub untried: bool,
    /// The receiver asked for this pause.
    pub pause: Option<Duration>,
}

impl Failure {
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), hopeless: false, untried: false, pause: None }
    }
    pub fn hopeless(message: impl Into<String>) -> Self {
        Self { hopeless: true, ..Self::retry(message) }
    }
    pub fn untried(message: impl Into<String>) -> Self {
        Self { untried: true, ..Self::retry(message) }
    }
}

impl From<OutboundError> for Failure {
    fn from(error: OutboundError) -> Self {
        Self { hopeless: error.is_refusal(), ..Self::retry(error.to_string()) }
    }
}

/// What one sink sends with: its connections and files stay open between requests.
pub(super) struct Transport {
    tools: Arc<Tools>,
    spec: Arc<SinkSpec>,
    nats: NatsClient,
    file: Option<Appender>,
}

impl Transport {
    pub fn new(tools: Arc<Tools>, spec: Arc<SinkSpec>) -> Self {
        Self { tools, spec, nats: NatsClient::default(), file: None }
    }

    /// Sends a request and waits until its receiver has it.
    pub async fn send(&mut self, request: &SinkRequest, secrets: &Opened) -> Result<(), Failure> {
        let filled = secrets.fill(request);
        let sent = match request.url.split_once(':') {
            Some(("file", name)) => self.append(name, filled.body).await,
            Some(("nats", _)) => self.publish(&filled).await,
            _ => self.request(&filled).await,
        };
        sent.map_err(|failure| Failure { message: secrets.scrub(failure.message), ..failure })
    }

    async fn request(&self, request: &SinkRequest) -> Result<(), Failure> {
        let url = Url::parse(&request.url).map_err(|error| Failure::hopeless(format!("malformed URL: {error}")))?;
        let seconds = self.tools.clock.now().as_secs();
        let digest = sign_body(&self.spec.signing_key, seconds, request.body.as_bytes());
        let signature = format!("t={seconds},v1={digest}");
        // Only the host signs.
        let own = request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(SIGNATURE_HEADER));
        let headers: Vec<(&str, &str)> = own
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([(SIGNATURE_HEADER, signature.as_str())])
            .collect();
        let sending = SendRequest {
            method: &request.method,
            url: &url,
            headers: &headers,
            body: Bytes::copy_from_slice(request.body.as_bytes()),
            deadline: Some(self.tools.timing.request_deadline),
            allowed_hosts: Some(&self.spec.allow_hosts),
        };
        let host = url.host_str().unwrap_or_default();
        let (sent, refused) = match &self.spec.refused_if {
            None => (self.tools.outbound.send(sending).await?, Ok(())),
            Some(refusal) => {
                let (sent, answer) = self.tools.outbound.send_and_read(sending, MAX_ANSWER_BYTES).await?;
                (sent, taken(refusal, &answer))
            }
        };
        let message = match refused {
            _ if !sent.is_success() => format!("{host} answered {}", sent.status),
            Err(reason) => format!("{host} answered {}, {reason}", sent.status),
            Ok(()) => return Ok(()),
        };
        Err(Failure { pause: sent.retry_after, ..Failure::retry(message) })
    }

    async fn publish(&mut self, request: &SinkRequest) -> Result<(), Failure> {
        let target: NatsTarget = request.url.parse().map_err(Failure::hopeless)?;
        let mut login = NatsLogin::default();
        let mut headers = BTreeMap::new();
        for (name, value) in &request.headers {
            match name.to_ascii_lowercase().as_str() {
                NATS_USER => login.user = Some(value.clone()),
                NATS_PASSWORD => login.password = Some(value.clone()),
                NATS_TOKEN => login.token = Some(value.clone()),
                _ => drop(headers.insert(name.clone(), value.clone())),
            }
        }
        let outbound = self.tools.outbound.clone();
        let message = NatsMessage {
            target: &target,
            login: &login,
            headers: &headers,
            payload: request.body.as_bytes(),
            allowed_hosts: &self.spec.allow_hosts,
            deadline: self.tools.timing.request_deadline,
        };
        self.nats.publish(&outbound, &message).await?;
        Ok(())
    }

    async fn append(&mut self, name: &str, text: String) -> Result<(), Failure> {
        let known = self.file.take().filter(|file| file.name() == name);
        let mut file = match known {
            Some(file) => file,
            None => Appender::new(&self.tools.data_dir, self.spec.scope.tenant(), name)
                .map_err(|error| Failure::hopeless(error.to_string()))?,
        };
        let written = tokio::task::spawn_blocking(move || {
            let written = file.append(&text);
            (file, written)
        });
        let (file, written) = written.await.map_err(|error| Failure::retry(format!("writing broke off: {error}")))?;
        self.file = Some(file);
        written.map_err(|error| Failure::retry(error.to_string()))
    }
}

/// Whether an answer of 2xx says of nothing that it was not taken. An empty one does not; one that cannot be understood may
/// say anything, or come from somebody in between: what was sent is sent again.
fn taken(refusal: &Refusal, answer: &[u8]) -> Result<(), String> {
    if answer.is_empty() {
        return Ok(());
    }
    let answer: Value =
        serde_json::from_slice(answer).map_err(|_| format!("but not in JSON, where refused_if is {refusal}"))?;
    let Some((place, value)) = refusal.found(&answer) else { return Ok(()) };
    let value: String = value.to_string().chars().take(REFUSAL_SHOWN).collect();
    Err(format!("but did not take all: {place} is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_names_nothing_was_taken() {
        let refusal: Refusal = "/offsets/*/error_code".parse().expect("a pointer");
        let none = r#"{"offsets": [{"error_code": null}, {"offset": 7}]}"#;
        let one = r#"{"offsets": [{"error_code": null}, {"error_code": 50003}]}"#;
        let long = format!(r#"{{"offsets": [{{"error_code": "{}"}}]}}"#, "x".repeat(9_000));
        for (answer, expect) in [
            (none, Ok(())),
            ("", Ok(())),
            (one, Err("but did not take all: /offsets/1/error_code is 50003")),
            ("<html>", Err("but not in JSON, where refused_if is /offsets/*/error_code")),
            (&none[..20], Err("but not in JSON, where refused_if is /offsets/*/error_code")),
        ] {
            assert_eq!(taken(&refusal, answer.as_bytes()), expect.map_err(str::to_owned), "{answer}");
        }
        assert!(taken(&refusal, long.as_bytes()).is_err_and(|message| message.len() < 2 * REFUSAL_SHOWN));
    }
}
