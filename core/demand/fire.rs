//! Beacons on their way to third parties: best effort, bounded in number and time, waited for by nobody.

use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Url;

use super::{
    limits::{BEACON_TIMEOUT, MAX_BEACON_BYTES, MAX_FIRED, PARALLEL_BEACONS},
    values::Values,
    viewer::Client,
};
use crate::outbound::{GetOptions, Outbound, OutboundError};

pub(super) struct Beacons {
    outbound: Outbound,
    turns: Arc<Semaphore>,
}

impl Beacons {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self { outbound, turns: Arc::new(Semaphore::new(PARALLEL_BEACONS)) }
    }

    /// Sends each URL once, with its macros filled, as from the viewer.
    pub(super) fn fire<'a>(
        &self,
        urls: impl IntoIterator<Item = &'a str>,
        values: &Values<'_>,
        client: &Client,
        forwarded_for: bool,
    ) {
        let headers: Arc<[_]> = client.headers(forwarded_for).into();
        let mut values = values.clone();
        for template in urls.into_iter().take(MAX_FIRED) {
            values.next();
            let Some(url) = values.url(template) else {
                count("malformed");
                continue;
            };
            let Ok(turn) = self.turns.clone().try_acquire_owned() else {
                count("dropped");
                continue;
            };
            let (outbound, headers) = (self.outbound.clone(), headers.clone());
            tokio::spawn(async move {
                let _turn = turn;
                count(send(&outbound, &url, &headers).await.as_str());
            });
        }
    }
}

/// What became of a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Its server has it.
    Acknowledged,
    /// Its server does not want it, or it may not be sent there: trying again cannot help.
    Refused(&'static str),
    /// It did not get through this time.
    Lost(&'static str),
}

impl Sent {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "sent",
            Self::Refused(kind) | Self::Lost(kind) => kind,
        }
    }
}

pub(super) async fn send(outbound: &Outbound, url: &Url, headers: &[(&'static str, String)]) -> Sent {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let options = GetOptions {
        deadline: Some(BEACON_TIMEOUT),
        max_body: Some(MAX_BEACON_BYTES),
        headers: &headers,
        ..GetOptions::default()
    };
    match outbound.get(url, options).await {
        Ok(answer) if answer.is_success() => Sent::Acknowledged,
        Ok(answer) if is_temporary(answer.status) => Sent::Lost("refused"),
        Ok(_) => Sent::Refused("refused"),
        // It came, with more than a pixel.
        Err(OutboundError::TooLarge { .. }) => Sent::Acknowledged,
        Err(error) if error.is_refusal() => Sent::Refused(error.kind()),
        Err(error) => Sent::Lost(error.kind()),
    }
}

/// Faults of a server that pass: its own, too many requests, too slow, too early.
fn is_temporary(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 425 | 429)
}

pub(super) fn count(outcome: &'static str) {
    metrics::counter!("cuetone_beacons_sent_total", "outcome" => outcome).increment(1);
}
