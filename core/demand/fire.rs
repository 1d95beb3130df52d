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
                count(send(&outbound, &url, &headers).await);
            });
        }
    }
}

async fn send(outbound: &Outbound, url: &Url, headers: &[(&'static str, String)]) -> &'static str {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let options = GetOptions {
        deadline: Some(BEACON_TIMEOUT),
        max_body: Some(MAX_BEACON_BYTES),
        headers: &headers,
        ..GetOptions::default()
    };
    match outbound.get(url, options).await {
        Ok(answer) if answer.is_success() => "sent",
        Ok(_) => "refused",
        // It came, with more than a pixel.
        Err(OutboundError::TooLarge { .. }) => "sent",
        Err(error) => error.kind(),
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("cuetone_beacons_sent_total", "outcome" => outcome).increment(1);
}
