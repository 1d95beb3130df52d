//! The same report in three formats, against numbers known beforehand.

use std::{collections::BTreeMap, sync::Arc};

use ::parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{AvailId, CountedBy, DeviceType, Event, EventType, Moment, Money, SystemClock, Traffic},
    store::tests::{Fresh, on_each_database, scope},
    tracking::Rollups,
};

on_each_database!(
    a_report_says_the_same_in_every_format,
    what_cannot_be_told_from_sums_is_null_and_said,
    pages_follow_each_other_without_a_gap,
);

const DAY: &str = "2026-11-24";

/// Session, ad, type and what else is particular.
fn event(session: &str, ad: &str, event_type: EventType, more: impl FnOnce(&mut Event)) -> Event {
    let noon: jiff::Timestamp = format!("{DAY}T12:00:00Z").parse().expect("a time");
    let mut event = Event {
        channel: Some("news".parse().expect("a slug")),
        session: session.to_owned(),
        avail: AvailId::new("b1"),
        ad: Some(ad.parse().expect("a slug")),
        campaign: Some("summer".parse().expect("a slug")),
        device: DeviceType::SmartTv,
        geo: "US".into(),
        counted_by: Some(CountedBy::Segment),
        ..Event::new("a".parse().expect("a slug"), event_type, Moment(noon.as_microsecond()))
    };
    more(&mut event);
    event.identified()
}

async fn seen(fresh: &Fresh, more: Vec<Event>) -> Store {
    use EventType::{Break, Click, Complete, Decided, Error, Impression, Start};
    let store = fresh.open().await;
    let priced = |event: &mut Event| event.price = Money::from_micros(12_500);
    let mut events = vec![
        event("s1", "cola", Impression, priced),
        event("s1", "tea", Impression, priced),
        event("s2", "cola", Impression, priced),
        event("s2", "cola", Impression, |event| {
            event.avail = AvailId::new("b2");
            event.counted_by = Some(CountedBy::Api);
        }),
        event("bot", "cola", Impression, |event| event.traffic = Traffic::Bot),
        event("s1", "cola", Start, |_| {}),
        event("s1", "cola", Complete, |_| {}),
        event("s1", "cola", Click, |_| {}),
        event("s2", "cola", Error, |event| event.error_code = Some(303)),
        event("s2", "cola", "trailer_opened".parse().expect("a type"), |_| {}),
        event("s1", "cola", Decided, |event| event.value = Some(20_000_000)),
        event("s1", "cola", Break, |event| {
            (event.ad, event.campaign, event.counted_by) = (None, None, None);
            event.value = Some(80_000_000);
        }),
    ];
    events.extend(more);
    store.insert_events(&events).await.expect("inserted");
    let rollups = Rollups::new(store.clone(), Arc::new(SystemClock), Arc::new(BTreeMap::new));
    rollups.catch_up().await.expect("counted");
    store
}

fn query(group: &str) -> ReportQuery {
    let day = DAY.parse().expect("a date");
    let group_by = group_by(group).expect("known");
    ReportQuery { from: day, to: day, group_by, filters: Vec::new(), traffic: ReportTraffic::Valid }
}

async fn written(store: &Store, query: ReportQuery, shape: Shape) -> Vec<u8> {
    let subject =
        Subject { tenant: "a".parse().expect("a slug"), timezone: "UTC".to_owned(), currency: "EUR".to_owned() };
    let mut document = Document::new(store.clone(), subject, Asked { query, shape }).expect("a document");
    let mut bytes = Vec::new();
    while let Some(more) = document.next().await.expect("written") {
        bytes.extend(more);
    }
    bytes
}

async fn as_json(store: &Store, query: ReportQuery) -> Value {
    serde_json::from_slice(&written(store, query, Shape::Json).await).expect("JSON")
}

async fn a_report_says_the_same_in_every_format(fresh: Fresh) {
    let store = seen(&fresh, Vec::new()).await;
    let report = as_json(&store, query("day")).await;
    let row = json!({
        "day": DAY, "impressions": 4, "uniques": 2, "starts": 1, "first_quartiles": 0, "midpoints": 0,
        "third_quartiles": 0, "completions": 1, "completion_rate": 0.25, "clicks": 1, "ctr": 0.25, "errors": 1,
        "errors_by_code": {"303": 1}, "spend": "0.0375", "currency": "EUR", "breaks": 1, "decided": 1, "stitched": 0,
        "fill_rate": 0.25, "events": {"trailer_opened": 1}, "counted_by": ["segment", "api"],
    });
    assert_eq!(report["rows"], json!([row]));
    let mut totals = row.clone();
    totals.as_object_mut().expect("an object").remove("day");
    assert_eq!(report["totals"], totals);
    assert_eq!(report["days"], json!([{"day": DAY, "state": "open", "closed_at": null, "events": 12}]));
    let csv = String::from_utf8(written(&store, query("day"), Shape::Csv).await).expect("text");
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines[0].split(',').count(), row.as_object().expect("an object").len());
    assert_eq!(
        lines[1],
        "2026-11-24,4,2,1,0,0,0,1,0.25,1,0.25,1,303:1,0.0375,EUR,1,1,0,0.25,trailer_opened:1,segment+api"
    );
    assert_eq!(lines[2..], [""]);
    let bytes = bytes::Bytes::from(written(&store, query("day,hour,ad"), Shape::Parquet).await);
    let file = SerializedFileReader::new(bytes).expect("a Parquet file");
    let rows: Vec<_> = file.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 2);
    let field = |row: usize, name: &str| {
        let mut columns = rows[row].get_column_iter();
        columns.find(|(column, _)| *column == name).expect(name).1.clone()
    };
    let text = |name: &str| Field::Str(name.to_owned());
    assert_eq!((field(0, "campaign"), field(0, "ad"), field(1, "ad")), (text("summer"), text("cola"), text("tea")));
    assert_eq!((field(0, "impressions"), field(0, "uniques")), (Field::Long(3), Field::Null));
    let noon: jiff::Timestamp = format!("{DAY}T12:00:00Z").parse().expect("a time");
    assert_eq!(field(0, "hour"), Field::TimestampMicros(noon.as_microsecond()));
    let midnight = noon.as_second() / 86_400;
    assert_eq!(field(0, "day"), Field::Date(i32::try_from(midnight).expect("small")));
    assert!(matches!(field(0, "spend"), Field::Decimal(decimal) if format!("{decimal:?}").contains("scale: 6")));
}

async fn what_cannot_be_told_from_sums_is_null_and_said(fresh: Fresh) {
    let noisy = |event: &mut Event| event.geo = "=HYPERLINK(\"x\"),".into();
    // The ad moves to another campaign; two days.
    let moved = |event: &mut Event| event.campaign = Some("winter".parse().expect("a slug"));
    let next = |event: &mut Event| event.time = Moment(event.time.as_micros() + 86_400_000_000);
    let more = vec![
        event("s3", "cola", EventType::Impression, noisy),
        event("s1", "cola", EventType::Impression, |event| {
            event.avail = AvailId::new("b3");
            moved(event);
        }),
        event("s1", "cola", EventType::Impression, |event| {
            event.avail = AvailId::new("b4");
            next(event);
        }),
    ];
    let store = seen(&fresh, more).await;
    let uniques = async |group: &str, filter: Option<(Dimension, &[&str])>| {
        let filters = filter.map(|(dimension, values)| (dimension, values.iter().map(|v| (*v).to_owned()).collect()));
        let report = as_json(&store, ReportQuery { filters: filters.into_iter().collect(), ..query(group) }).await;
        let rows = report["rows"].as_array().expect("rows").iter().map(|row| row["uniques"].clone());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(uniques("day", None).await, [3]);
    assert_eq!(uniques("ad", None).await, [3, 1, 1], "cola of summer, tea, cola of winter");
    assert_eq!(uniques("day", Some((Dimension::Campaign, &["winter"]))).await, [1]);
    assert_eq!(uniques("day", Some((Dimension::Campaign, &["winter", "summer"]))).await, [Value::Null]);
    assert_eq!(uniques("campaign", Some((Dimension::Campaign, &["winter", "summer"]))).await, [3, 1]);
    assert_eq!(uniques("day", Some((Dimension::Ad, &["cola"]))).await, [Value::Null], "it moved");
    assert_eq!(uniques("channel", Some((Dimension::Channel, &["none"]))).await, [Value::Null; 0]);
    assert_eq!(uniques("hour", None).await, [Value::Null]);
    let two_days = ReportQuery { to: "2026-11-25".parse().expect("a date"), ..query("day") };
    let report = as_json(&store, two_days).await;
    let rows: Vec<_> = report["rows"].as_array().expect("rows").iter().map(|row| row["uniques"].clone()).collect();
    assert_eq!((rows, &report["totals"]["uniques"]), (vec![json!(3), json!(1)], &Value::Null));
    let by_ad = as_json(&store, query("ad")).await;
    assert_eq!((by_ad["rows"][0]["breaks"].clone(), by_ad["rows"][0]["fill_rate"].clone()), (Value::Null, Value::Null));
    assert!(by_ad["notes"].to_string().contains("fill rates"), "{by_ad}");
    let by_way = as_json(&store, query("counted_by")).await;
    let ways: Vec<_> = by_way["rows"].as_array().expect("rows").iter().map(|row| row["counted_by"].clone()).collect();
    assert_eq!(ways, ["api", "segment"]);
    let all = as_json(&store, ReportQuery { traffic: ReportTraffic::Invalid, ..query("day") }).await;
    assert_eq!((all["rows"][0]["impressions"].clone(), all["rows"][0]["uniques"].clone()), (json!(1), Value::Null));
    let csv = String::from_utf8(written(&store, query("geo"), Shape::Csv).await).expect("text");
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\"),\",1,"), "{csv}");
    // A day without events, and what is refused.
    let empty = ReportQuery {
        from: "2020-01-01".parse().expect("a date"),
        to: "2020-01-01".parse().expect("a date"),
        ..query("day")
    };
    let report = as_json(&store, empty.clone()).await;
    assert_eq!((report["rows"].clone(), report["totals"]["impressions"].clone()), (json!([]), json!(0)));
    assert_eq!(report["totals"]["completion_rate"], Value::Null);
    let nothing = bytes::Bytes::from(written(&store, empty, Shape::Parquet).await);
    assert_eq!(SerializedFileReader::new(nothing).expect("a Parquet file").metadata().num_row_groups(), 0);
    assert_eq!(group_by("day,colour").expect_err("refused").field, "group_by");
    let day = |text: &str| text.parse::<Date>().expect("a date");
    assert!(days(day("2026-01-02"), day("2026-01-01")).is_err());
    assert!(days(day("2026-01-01"), day("2026-12-31")).is_ok());
}

async fn pages_follow_each_other_without_a_gap(fresh: Fresh) {
    let many = (0..1_000).map(|n| {
        event("s1", &format!("ad-{n:04}"), EventType::Impression, |event| {
            event.channel = Some(format!("c{}", n % 7).parse().expect("a slug"));
        })
    });
    let store = seen(&fresh, many.collect()).await;
    let query = query("channel,ad");
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = store.report_page(&scope("a"), &query, after.as_ref(), 83).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        rows.extend(page);
    }
    assert_eq!(rows.len(), 1_002);
    assert!(rows.windows(2).all(|pair| pair[0].key < pair[1].key), "in order, none twice");
    assert!(rows.iter().all(|row| row.uniques.is_some_and(|uniques| uniques >= 1)));
}
