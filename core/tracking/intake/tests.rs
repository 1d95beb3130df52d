//! What reports must say, what becomes of them, and what makes two of them one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    read::{MAX_AGE, MAX_AHEAD},
    *,
};
use crate::{
    bundle::{self, BundleFiles},
    domain::{
        Ad, Beaconing, Channel, CountedBy, Event, EventType, Moment, Money, Slug, Span, Tenant, TenantManifest, Traffic,
    },
    ledger::tests::ledger,
    store::tests::store,
    tracking::SigningKey,
};

const NOW: Moment = Moment(1_780_000_000_000_000);

struct Shop {
    manifest: TenantManifest,
    key: SigningKey,
}

impl Shop {
    fn new(privacy: &str) -> Self {
        let yaml = format!(
            "tenant: {{ slug: acme, event_types: [trailer_opened], privacy: {privacy} }}\n\
             channels:\n  - {{ slug: own, hls_manifest_url: \"https://x.example.com/a.m3u8\" }}\n  \
             - {{ slug: theirs, hls_manifest_url: \"https://x.example.com/b.m3u8\", beaconing: client }}\n\
             campaigns:\n  - {{ slug: summer, cpm: \"5.00\" }}\n\
             ads:\n  - {{ slug: cola, campaign: summer, duration_seconds: 30, creative: {{ hls: \"https://x.example.com/c.m3u8\" }} }}\n  \
             - {{ slug: \"7\", duration_seconds: 30, creative: {{ hls: \"https://x.example.com/c.m3u8\" }} }}\n"
        );
        let files = BundleFiles { files: BTreeMap::from([("tenant.yaml".to_owned(), yaml.into())]) };
        Self { manifest: bundle::parse(&files).expect("a bundle"), key: SigningKey::new(&[5; 32]) }
    }
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
    fn impression_price(&self, campaign: Option<&Slug>) -> Money {
        campaign.map_or(Money::ZERO, |_| Money::from_micros(5_000))
    }
}

struct Desk {
    intake: Arc<Intake>,
    shop: Shop,
    _folder: tempfile::TempDir,
}

async fn desk(privacy: &str) -> Desk {
    let (folder, store) = store().await;
    let lists = TrafficLists::read(None, Some("203.0.113.0/24")).expect("lists");
    let intake = Intake::new(Journal::start(ledger(&store), &store), Judge { traffic: lists, geo: None });
    Desk { intake, shop: Shop::new(privacy), _folder: folder }
}

impl Desk {
    fn read(&self, event: Value) -> Result<Read, Refused> {
        let body = json!({"events": [event]}).to_string();
        let mut events = Batch::parse(body.as_bytes()).expect("JSON").events.expect("events");
        self.intake.judge().read(&self.shop, &mut events[0], Consent::default(), NOW)
    }
    fn taken(&self, event: Value) -> Event {
        self.read(event.clone()).unwrap_or_else(|refused| panic!("{event}: {refused:?}")).event
    }
    fn refused(&self, event: Value) -> (String, String) {
        let refused = self.read(event.clone()).expect_err(&event.to_string());
        (refused.field.into_owned(), refused.reason.into_owned())
    }
}

/// A whole event with some members set.
fn with(set: Value) -> Value {
    let mut event = json!({"event_type": "impression", "session_id": "s-1", "ad_id": "cola"});
    for (name, value) in set.as_object().expect("members") {
        event[name] = value.clone();
    }
    event
}

#[tokio::test]
async fn a_full_report_becomes_an_event_with_all_that_it_says() {
    let desk = desk("{}").await;
    let event = desk.taken(with(json!({
        "channel_id": "theirs", "break_id": "b-1", "pod_position": 2, "device_type": "smart_tv", "geo_country": "id",
        "ip_address": "198.51.100.77", "user_agent": "Roku/DVP", "timestamp": "2026-05-28T20:26:40Z",
        "viewer_id": "anna", "utm_source": "mail", "entity_type": "page", "entity_id": 9, "metadata": {"row": 1},
    })));
    assert_eq!((event.session.as_str(), event.viewer.as_deref()), ("s-1", Some("anna")));
    assert_eq!((event.avail.as_str(), event.pod_position), ("b-1", 2));
    assert_eq!((event.device.as_str(), &*event.geo), ("smart-tv", "ID"));
    assert_eq!((event.time, event.received), (Moment(1_780_000_000_000_000), NOW));
    assert_eq!((event.counted_by, event.traffic), (Some(CountedBy::Api), Traffic::Valid));
    assert_eq!((event.price, event.campaign.as_ref().map(Slug::as_str)), (Money::from_micros(5_000), Some("summer")));
    assert_eq!(event.clone().identified().id, event.id, "the id that every way in gives");
    let more = event.more.expect("more");
    assert_eq!(more.address.as_deref(), Some("198.51.100.0"));
    assert_eq!((more.user_agent.as_deref(), more.properties["row"].clone()), (Some("Roku/DVP"), json!(1)));
    assert_eq!(more.entity.expect("an entity").id.as_ref(), "9");
}

#[tokio::test]
async fn each_mistake_is_refused_by_the_name_of_its_member() {
    let desk = desk("{}").await;
    for (field, set) in [
        ("event_type", json!({"event_type": null})),
        ("event_type", json!({"event_type": "view"})),
        ("event_type", json!({"event_type": "budget_50"})),
        ("session_id", json!({"session_id": null})),
        ("session_id", json!({"session_id": "a\nb"})),
        ("session_id", json!({"session_id": "x".repeat(129)})),
        ("ad_id", json!({"ad_id": null})),
        ("ad_id", json!({"ad_id": "pepsi"})),
        ("channel_id", json!({"channel_id": "nowhere"})),
        ("pod_position", json!({"pod_position": -1})),
        ("timestamp", json!({"timestamp": "yesterday"})),
        ("timestamp", json!({"timestamp": true})),
        ("device_type", json!({"device_type": "fridge"})),
        ("geo_country", json!({"geo_country": "USA"})),
        ("ip_address", json!({"ip_address": "localhost"})),
        ("user_agent", json!({"user_agent": 7})),
        ("error_code", json!({"error_code": 303})),
        ("value", json!({"value": "much"})),
        ("entity_id", json!({"entity_type": "page"})),
        ("gdpr", json!({"gdpr": []})),
        ("gpp", json!({"gpp": true})),
        ("metadata", json!({"metadata": []})),
        ("metadata", json!({"metadata": {"a": "x".repeat(5_000)}})),
        ("metadata", json!({"metadata": {"a": [[[[[[1]]]]]]}})),
        ("metadata", json!({"metadata": {"a": vec![json!([]); 1_025]}})),
        ("metadata", json!({"metadata": {"a": vec![json!({}); 1_025]}})),
        ("colour", json!({"colour": "red"})),
    ] {
        assert_eq!(desk.refused(with(set.clone())).0, field, "{set}");
    }
    let (_, reason) = desk.refused(with(json!({"event_type": "view"})));
    assert_eq!(
        reason,
        "unknown event type `view`: known are impression, start, first_quartile, midpoint, third_quartile, complete, click, \
         error, trailer_opened"
    );
    assert!(
        !desk.refused(with(json!({"ip_address": "10.0.0.300"}))).1.contains("10.0"),
        "nobody's address is repeated"
    );
}

#[tokio::test]
async fn a_tenant_s_own_types_need_no_ad_and_ids_may_be_numbers() {
    let desk = desk("{}").await;
    let own = desk.taken(json!({"eventType": "trailer_opened", "sessionId": 17, "value": 2.5}));
    assert_eq!((own.event_type.as_str(), own.ad, own.value), ("trailer_opened", None, Some(2_500_000)));
    assert_eq!(own.session, "17");
    assert_eq!(desk.taken(with(json!({"ad_id": 7}))).ad.map(|ad| ad.to_string()).as_deref(), Some("7"));
}

#[tokio::test]
async fn times_are_believed_within_limits() {
    let desk = desk("{}").await;
    let at = |moment: Moment| desk.read(with(json!({"timestamp": moment.as_millis()})));
    let no_time = desk.read(with(json!({}))).expect("taken");
    assert_eq!((no_time.event.time, no_time.time_assumed), (NOW, true));
    assert_eq!(at(NOW - Span::from_secs(60)).expect("taken").event.time, NOW - Span::from_secs(60));
    assert_eq!(at(NOW + MAX_AHEAD).expect("taken").event.time, NOW, "a clock that is ahead counts as now");
    assert!(at(NOW + MAX_AHEAD + Span::from_millis(1)).is_err());
    assert!(at(NOW - MAX_AGE).is_ok() && at(NOW - MAX_AGE - Span::from_millis(1)).is_err());
}

#[tokio::test]
async fn what_makes_it_one_event_is_its_key_or_its_break_or_its_time() {
    let desk = desk("{}").await;
    let id = |set: Value| desk.taken(with(set)).id;
    assert_eq!(id(json!({"idempotency_key": "k"})), id(json!({"idempotency_key": "k", "session_id": "other"})));
    assert_eq!(id(json!({"break_id": "b"})), id(json!({"break_id": "b", "timestamp": NOW.as_millis()})));
    assert_eq!(id(json!({})), id(json!({})));
    let at = |seconds: i64| json!({"timestamp": (NOW - Span::from_secs(seconds)).as_millis()});
    assert_eq!(id(at(5)), id(at(5)));
    let all = [
        id(json!({})),
        id(json!({"idempotency_key": "k"})),
        id(json!({"break_id": "b"})),
        id(json!({"break_id": "b", "pod_position": 1})),
        id(json!({"break_id": "c"})),
        id(json!({"event_type": "start"})),
        id(json!({"session_id": "s-2"})),
        id(json!({"ad_id": 7})),
        id(json!({"channel_id": "own"})),
        id(json!({"entity_type": "page", "entity_id": "1"})),
        id(at(5)),
        id(at(6)),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}

#[tokio::test]
async fn what_a_channel_counts_itself_is_on_nobody_s_bill_when_the_api_tells_of_it() {
    let desk = desk("{}").await;
    let read = |set: Value| desk.read(with(set)).expect("taken");
    assert_eq!(desk.shop.channel("own").expect("a channel").beaconing, Beaconing::Segment);
    let theirs = read(json!({"channel_id": "theirs"}));
    assert!(theirs.event.is_billable() && !theirs.counted_elsewhere);
    assert!(read(json!({})).event.is_billable(), "no channel: nobody else counts it");
    for counted in ["impression", "start", "complete"] {
        let own = read(json!({"channel_id": "own", "event_type": counted}));
        assert!(own.counted_elsewhere && own.event.campaign.is_none() && own.event.price == Money::ZERO, "{counted}");
    }
    let click = read(json!({"channel_id": "own", "event_type": "click"}));
    assert!(click.event.campaign.is_some() && !click.counted_elsewhere, "clicks are counted by nobody else");
}

#[tokio::test]
async fn robots_and_data_centres_are_kept_and_not_billed() {
    let desk = desk("{}").await;
    let robot = desk.taken(with(json!({"user_agent": "curl/8.5.0"})));
    let centre = desk.taken(with(json!({"user_agent": "Roku/DVP", "ip_address": "203.0.113.9"})));
    assert_eq!((robot.traffic, centre.traffic), (Traffic::Bot, Traffic::DataCentre));
    assert!(!robot.is_billable() && !centre.is_billable());
    let event = Event::new("acme".parse().expect("a slug"), EventType::Start, NOW);
    let facts = Facts { user_agent: Some("curl/8"), ..Facts::default() };
    let recorded = desk.intake.record(&desk.shop, &facts, vec![event]).await.expect("recorded");
    assert_eq!(recorded.new, 1);
}

#[tokio::test]
async fn who_opted_out_counts_without_a_name_and_a_session_stays_one() {
    let desk = desk("{ address: hash }").await;
    let said = json!({"viewer_id": "anna", "ip_address": "198.51.100.77", "user_agent": "Roku/DVP", "utm_source": "mail",
        "referrer": "https://x.example.com", "metadata": {"mail": "anna@example.com"}, "break_id": "b"});
    let named = desk.taken(with(said.clone()));
    let kept = serde_json::to_string(&named).expect("JSON");
    assert!(!kept.contains("198.51.100"), "a hash tells no network: {kept}");
    for signal in ["dnt", "lmt", "gpc"] {
        let mut said = with(said.clone());
        said[signal] = json!(1);
        let event = desk.taken(said.clone());
        let kept = serde_json::to_string(&event).expect("JSON");
        for secret in ["anna", "198.51", "Roku", "mail", "s-1", "example.com"] {
            assert!(!kept.contains(secret), "{signal}: {secret} in {kept}");
        }
        assert!(event.is_billable(), "it counts all the same");
        assert_eq!(event.session, desk.taken(said).session);
    }
    let heedless = self::desk("{ respect_opt_out: false }").await;
    assert_eq!(heedless.taken(with(json!({"dnt": 1, "viewer_id": "anna"}))).viewer.as_deref(), Some("anna"));
}
