//! Demand against a real ad server on the loopback interface that does as it is told.

mod beacons;
mod faults;
mod pods;
mod prefetched;
mod server;
mod wrappers;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use self::server::{AdServer, Reply};
use super::*;
use crate::{
    domain::{Avail, AvailId, AvailKind, Clock, DeviceType, EventType, Moment, Money, Position, Slug, Span, Viewer},
    origin::OriginContext,
    outbound::OutboundConfig,
};

/// Enough for anything on this machine.
const AMPLE: Duration = Duration::from_secs(5);

const AGENT: &str = "Roku/DVP-12.0";

struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

struct Bench {
    server: AdServer,
    demand: Arc<Demand>,
    clock: Arc<HandClock>,
    /// Seconds of the clock that cool-downs go by.
    monotonic: Arc<AtomicU64>,
}

impl Bench {
    async fn new() -> Self {
        let server = AdServer::start().await;
        let outbound = Outbound::new(OutboundConfig {
            allow_hosts: vec![server.address.to_string()],
            ..OutboundConfig::default()
        })
        .expect("a client");
        let clock = Arc::new(HandClock(AtomicI64::new(1_780_000_000_000_000)));
        let monotonic = Arc::new(AtomicU64::new(0));
        let seconds = monotonic.clone();
        let origins = OriginContext::new(outbound.clone(), clock.clone(), Duration::from_secs(2), Span::from_secs(30));
        let demand = Demand::new(Parts {
            outbound,
            creatives: Creatives::new(Arc::new(origins)),
            clock: clock.clone(),
            monotonic: Arc::new(move || Duration::from_secs(seconds.load(Ordering::SeqCst))),
            random: Arc::new(|| 42),
        });
        Self { server, demand, clock, monotonic }
    }

    fn source(&self, path: &str) -> Source {
        Source {
            tenant: slug("acme"),
            owner: Owner::Channel(slug("news")),
            template: self.server.url(path).into(),
            timeout: Duration::from_millis(1_500),
            forwarded_for: false,
            currency: "USD".into(),
            cpm: None,
        }
    }

    async fn resolve(&self, path: &str) -> Resolution {
        self.demand.resolve(&self.source(path), &context(), AMPLE).await
    }

    async fn resolve_within(&self, path: &str, millis: u64) -> Resolution {
        self.demand.resolve(&self.source(path), &context(), Duration::from_millis(millis)).await
    }
}

fn slug(text: &str) -> Slug {
    text.parse().expect("a slug")
}

fn context() -> ViewerContext {
    let params = [("gdpr", "1"), ("gdpr_consent", "CO&x"), ("lmt", "1"), ("genre", "news & more")];
    ViewerContext {
        client: Arc::new(Client::new(Some([203, 0, 113, 7].into()), Some(AGENT), Some("de-AT"))),
        viewer: Viewer {
            session_id: Some("caller-1".into()),
            geo: "AT".into(),
            device: DeviceType::SetTopBox,
            params: params.map(|(name, value)| (name.into(), value.into())).into(),
        },
        session: "s1".into(),
        channel: slug("news"),
        avail: Arc::new(Avail {
            id: AvailId::new("a1"),
            start: Moment(0),
            duration: Span::from_secs(60),
            kind: AvailKind::Replace,
            position: Position::MidRoll,
            closed: true,
            source: "test".into(),
            metadata: BTreeMap::from([("event_id".into(), "77".into())]),
        }),
        place: BreakPlace::default(),
        fits: Fits::default(),
    }
}

fn names(resolution: &Resolution) -> Vec<&str> {
    resolution.ads.iter().map(|ad| ad.labels.get("ad_id").map_or("", String::as_str)).collect()
}

fn codes(resolution: &Resolution) -> Vec<u16> {
    resolution.failures.iter().map(|failure| failure.code.number()).collect()
}
