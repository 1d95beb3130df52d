//! Sends beacons that are due, many at a time, and writes down what became of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use tokio::time::Instant;

use super::{Phase, Tools, cooling::Cooling};
use crate::{
    demand::{Order, Sent, Told},
    domain::Span,
    store::{DueBeacon, Settled, Verdict},
};

/// Beacons on their way at a time.
const PARALLEL: usize = 256;

/// With fewer than this on their way, more are fetched.
const LOW: usize = 64;

pub(super) async fn run(tools: &Tools) {
    let cooling = Cooling::default();
    let mut flying = FuturesUnordered::new();
    let mut unsettled: Vec<Settled> = Vec::new();
    let mut phase = tools.phase.subscribe();
    loop {
        let landing = *phase.borrow_and_update() != Phase::Sending;
        if landing && flying.is_empty() && unsettled.is_empty() {
            tools.phase.send_replace(Phase::Landed);
            return;
        }
        if !landing && flying.len() <= LOW && unsettled.is_empty() {
            let now = tools.now();
            let room = u32::try_from(PARALLEL - flying.len()).unwrap_or(0);
            match tools.parts.store.claim_beacons(now, now + tools.parts.timing.lease, room).await {
                Ok(due) => flying.extend(due.into_iter().map(|beacon| send(tools, &cooling, beacon))),
                Err(error) => tracing::warn!(%error, "due beacons could not be looked for"),
            }
        }
        tokio::select! {
            Some(settled) = flying.next(), if !flying.is_empty() => {
                unsettled.push(settled);
                // With all that are done by now.
                while let Some(Some(settled)) = flying.next().now_or_never() {
                    unsettled.push(settled);
                }
            }
            () = tools.due.notified(), if flying.len() <= LOW => {}
            _ = phase.changed() => {}
            () = tokio::time::sleep(tools.parts.timing.poll) => {}
        }
        if unsettled.is_empty() {
            continue;
        }
        match tools.parts.store.settle_beacons(&unsettled).await {
            Ok(()) => unsettled.clear(),
            // What cannot be written down is tried again with the next; once the lease is over, it is sent again.
            Err(error) => {
                tracing::warn!(%error, beacons = unsettled.len(), "sent beacons could not be written down");
                unsettled.truncate(PARALLEL);
                tokio::time::sleep(tools.parts.timing.poll).await;
            }
        }
    }
}

async fn send(tools: &Tools, cooling: &Cooling, beacon: DueBeacon) -> Settled {
    let verdict = match sent(tools, cooling, &beacon).await {
        Sent::Acknowledged => Verdict::Acknowledged,
        Sent::Lost(_) if beacon.attempts < tools.parts.timing.attempts => {
            Verdict::Again(tools.now() + pause(tools, beacon.attempts))
        }
        Sent::Lost(_) | Sent::Refused(_) => Verdict::Failed,
    };
    Settled { beacon, verdict }
}

async fn sent(tools: &Tools, cooling: &Cooling, beacon: &DueBeacon) -> Sent {
    let place = beacon.showing.to_string();
    let sealed = beacon.sealed.as_deref().and_then(|sealed| URL_SAFE_NO_PAD.decode(sealed).ok());
    let plain = sealed.and_then(|sealed| tools.sealer(&beacon.tenant).open(place.as_bytes(), &sealed).ok());
    // Erased, or sealed under a key that this installation no longer has.
    let Some(order) = plain.and_then(|plain| Order::read(&plain)) else { return Sent::Refused("order_gone") };
    let random = u64::try_from(beacon.event.as_u128() & u128::from(u64::MAX)).unwrap_or(0);
    let told = Told { event: beacon.event_type, time: beacon.time, random, code: beacon.error_code };
    let Some(url) = order.address(&told, beacon.place) else { return Sent::Refused("malformed") };
    // One that hangs must not take everybody's turns.
    let host = url.host_str().unwrap_or_default();
    if cooling.is_down(host, Instant::now()) {
        return Sent::Lost("cooling_down");
    }
    let sent = tools.parts.demand.send(&order, &url).await;
    cooling.note(host, matches!(sent, Sent::Lost(_)), Instant::now());
    sent
}

/// After so many attempts: doubled each time.
fn pause(tools: &Tools, attempts: u32) -> Span {
    let timing = &tools.parts.timing;
    let factor = 1_i64.checked_shl(attempts.saturating_sub(1).min(30)).unwrap_or(i64::MAX);
    Span(timing.first_pause.as_micros().saturating_mul(factor)).min(timing.longest_pause)
}
