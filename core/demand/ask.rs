//! One request to an ad server: guarded, within the deadline, in turn, and read.

use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    failure::{Failure, Outcome},
    gate::Gates,
    limits::{FAIR_TIME, MAX_VAST_BYTES},
};
use crate::{
    domain::Slug,
    extension::breaker::Breaker,
    media::vast::ErrorCode,
    outbound::{GetOptions, Outbound},
};

/// A request for ads on behalf of a viewer.
pub(super) struct Ask<'a> {
    pub outbound: &'a Outbound,
    pub gates: &'a Gates,
    pub tenant: &'a Slug,
    pub headers: &'a [(&'static str, String)],
    pub deadline: Instant,
}

impl Ask<'_> {
    /// A response, as `read` understands its bytes. An ad server that answers what cannot be read has failed too.
    pub(super) async fn fetch<T>(
        &self,
        url: &Url,
        read: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let gate = self.gates.of(self.tenant, url);
        gate.breaker.admit().map_err(|failures| {
            let host = url.host_str().unwrap_or_default();
            let reason = format!("{host} failed {failures} times in a row and is left alone for a while");
            Failure::new(ErrorCode::WrapperTimeout, Outcome::Resting, reason)
        })?;
        let Ok(Ok(_turn)) = timeout_at(self.deadline, gate.turns.acquire()).await else {
            return Err(Failure::new(ErrorCode::WrapperTimeout, Outcome::Timeout, "no turn at the ad server in time"));
        };
        let given = self.deadline.saturating_duration_since(Instant::now());
        if given.is_zero() {
            return Err(Failure::late());
        }
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let options = GetOptions {
            deadline: Some(given),
            max_body: Some(MAX_VAST_BYTES),
            headers: &headers,
            ..GetOptions::default()
        };
        let fetched = self.outbound.get(url, options).await;
        let answer = match fetched {
            Ok(answer) if answer.is_success() => read(&answer.body),
            Ok(answer) => {
                let host = url.host_str().unwrap_or_default();
                let reason = format!("{host} answered {}", answer.status);
                Err(Failure::new(ErrorCode::WrapperTimeout, Outcome::Unreachable, reason))
            }
            Err(error) => Err(Failure::of_request(&error)),
        };
        judge(&gate.breaker, url, answer.as_ref().err(), given >= FAIR_TIME);
        answer
    }
}

fn judge(breaker: &Breaker, url: &Url, failure: Option<&Failure>, had_time: bool) {
    let Some(failure) = failure else { return breaker.succeeded() };
    match failure.outcome {
        Outcome::Timeout if !had_time => {}
        // What our own guard refused costs nothing to refuse again.
        Outcome::RefusedAddress => {}
        _ => {
            breaker.failed();
            if breaker.is_open() {
                let host = url.host_str().unwrap_or_default();
                tracing::warn!(ad_server.host = host, reason = %failure.reason, "an ad server keeps failing and is left alone for a while");
            }
        }
    }
}
