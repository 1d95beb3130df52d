//! What an event of `POST /api/v1/tracking/events` costs before it reaches the journal: a batch of 100 from bytes to
//! events. Elements are events: criterion prints how many a second one core reads.

use std::{collections::BTreeMap, fmt::Write as _, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cuetone::{
    bundle::{self, BundleFiles},
    domain::{Ad, Channel, Moment, Money, Slug, Tenant, TenantManifest},
    tracking::{
        SigningKey,
        intake::{Batch, Catalogue, Consent, Judge, TrafficLists},
    },
};

const EVENTS: usize = 100;
const NOW: Moment = Moment(1_780_000_000_000_000);

const TENANT: &str = "\
tenant: { slug: bench }
channels: [ { slug: news, hls_manifest_url: \"https://cdn.example.com/a.m3u8\", beaconing: client } ]
campaigns: [ { slug: summer, cpm: \"5.00\" } ]
ads: [ { slug: cola, campaign: summer, duration_seconds: 30, creative: { hls: \"https://cdn.example.com/c.m3u8\" } } ]
";

struct Shop {
    manifest: TenantManifest,
    key: SigningKey,
}

impl Catalogue for Shop {
    fn tenant(&self) -> &Tenant {
        &self.manifest.tenant
    }
    fn viewer_key(&self) -> &SigningKey {
        &self.key
    }
    fn ad(&self, slug: &str) -> Option<&Ad> {
        self.manifest.ads.iter().find(|ad| ad.slug.as_str() == slug)
    }
    fn channel(&self, slug: &str) -> Option<&Channel> {
        self.manifest.channels.iter().find(|channel| channel.slug.as_str() == slug)
    }
    fn impression_price(&self, _: Option<&Slug>) -> Money {
        Money::from_micros(5_000)
    }
}

/// A body of [`EVENTS`] events with these members beside what tells them apart.
fn body(members: &str) -> Vec<u8> {
    let mut body = String::from("{\"events\":[");
    for number in 0..EVENTS {
        let comma = if number > 0 { "," } else { "" };
        // Writing to a String does not fail.
        let _ = write!(
            body,
            "{comma}{{\"session_id\":\"session-{number}\",\"break_id\":\"b-7\",\"ad_id\":\"cola\"{members}}}"
        );
    }
    body.push_str("]}");
    body.into_bytes()
}

fn read(judge: &Judge, shop: &Shop, body: &[u8]) -> usize {
    let reports = Batch::parse(body).ok().and_then(|batch| batch.events).unwrap_or_default();
    let events =
        reports.into_iter().filter_map(|mut report| judge.read(shop, &mut report, Consent::default(), NOW).ok());
    black_box(events.collect::<Vec<_>>()).len()
}

fn intake(criterion: &mut Criterion) {
    let files = BundleFiles { files: BTreeMap::from([("tenant.yaml".to_owned(), TENANT.into())]) };
    let Ok(manifest) = bundle::parse(&files) else { return };
    let shop = Shop { manifest, key: SigningKey::new(&[7; 32]) };
    let Ok(traffic) = TrafficLists::read(None, Some("203.0.113.0/24")) else { return };
    let judge = Judge { traffic, geo: None };
    let least = body(",\"event_type\":\"impression\",\"channel_id\":\"news\"");
    let usual = body(
        ",\"event_type\":\"impression\",\"channel_id\":\"news\",\"pod_position\":1,\"timestamp\":\"2026-05-28T20:26:40Z\",\
         \"device_type\":\"smart-tv\",\"geo_country\":\"ID\"",
    );
    let whole = body(
        ",\"event_type\":\"impression\",\"channel_id\":\"news\",\"pod_position\":1,\"timestamp\":\"2026-05-28T20:26:40Z\",\
         \"geo_country\":\"ID\",\"viewer_id\":\"anna\",\"ip_address\":\"198.51.100.7\",\"user_agent\":\"Mozilla/5.0 (SMART-TV; \
         Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36\",\
         \"utm_source\":\"mail\",\"metadata\":{\"row\":3,\"title\":\"Late show\"}",
    );
    let mut group = criterion.benchmark_group("intake");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, body) in [("least", &least), ("usual", &usual), ("whole", &whole)] {
        assert_eq!(read(&judge, &shop, body), EVENTS, "{name}: all are taken");
        group.bench_function(name, |bencher| bencher.iter(|| read(&judge, &shop, black_box(body))));
    }
    group.finish();
}

criterion_group!(benches, intake);
criterion_main!(benches);
