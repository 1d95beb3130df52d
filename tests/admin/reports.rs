//! Reports by the API and at the command line, beside each other on one database.

use std::time::Duration;

use cuetone::domain::{AvailId, CountedBy, Event, EventType, Moment, Money};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;
use crate::harness::within;

const PATH: &str = "/api/v1/reports?from=2026-11-24&to=2026-11-24";

fn impression(session: &str) -> Event {
    // 2026-11-24T12:00:00Z.
    let event = Event {
        channel: Some("live".parse().expect("a slug")),
        session: session.to_owned(),
        avail: AvailId::new("b1"),
        ad: Some("cola".parse().expect("a slug")),
        campaign: Some("summer".parse().expect("a slug")),
        counted_by: Some(CountedBy::Segment),
        price: Money::from_micros(12_500),
        ..Event::new("acme".parse().expect("a slug"), EventType::Impression, Moment(1_795_521_600_000_000))
    };
    event.identified()
}

async fn run(api: &Api, arguments: &[&str]) -> std::process::Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cuetone"));
    let data = api.dir.path().join("data");
    command.args(["reports"]).args(arguments).arg("--data").arg(data).output().await.expect("the binary runs")
}

async fn counted() -> Api {
    let api = Api::start().await;
    let events: Vec<Event> = ["s1", "s2", "s3"].map(impression).into();
    api.store.insert_events(&events).await.expect("inserted");
    let seen = || async {
        let report = api.get(&format!("{PATH}&tenant=acme")).await;
        report.status == 200 && report.json()["totals"]["impressions"] == 3
    };
    within(Duration::from_secs(10), "the report has what was counted", seen).await;
    api
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_follows_the_events_and_comes_in_three_formats() {
    let api = counted().await;
    let key = api.key_of("acme").await;
    let ask = async |path: &str, headers: &[(&str, &str)]| api.send(Some(&key), Method::GET, path, headers, None).await;
    let report = ask(&format!("{PATH}&group_by=channel,ad"), &[]).await;
    assert_eq!(report.header("content-type"), "application/json");
    assert_eq!(report.header("cache-control"), "private, no-store");
    let row = report.ok()["rows"][0].clone();
    assert_eq!(
        (&row["channel"], &row["campaign"], &row["ad"], &row["uniques"], &row["spend"], &row["counted_by"]),
        (&json!("live"), &json!("summer"), &json!("cola"), &json!(3), &json!("0.0375"), &json!(["segment"]))
    );
    let csv = ask(PATH, &[("accept", "text/csv")]).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").contains("report-acme-2026-11-24-2026-11-24.csv"));
    assert!(csv.text().starts_with("day,impressions,uniques,") && csv.text().contains("\r\n2026-11-24,3,3,"));
    let parquet = ask(&format!("{PATH}&format=parquet"), &[]).await;
    assert_eq!(parquet.header("content-type"), "application/vnd.apache.parquet");
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
    let filtered = ask(&format!("{PATH}&ad=tea"), &[]).await.ok();
    assert_eq!((filtered["rows"].clone(), filtered["totals"]["impressions"].clone()), (json!([]), json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_its_tenant_s_own_and_mistakes_are_named() {
    let api = Api::start().await;
    api.post("/tenants", json!({"slug": "other"})).await.created();
    let key = api.key_of("other").await;
    let theirs = api.send(Some(&key), Method::GET, &format!("{PATH}&tenant=acme"), &[], None).await;
    theirs.is_problem(404, "not-found");
    api.send(None, Method::GET, PATH, &[], None).await.is_problem(401, "unauthorized");
    let fields = async |query: &str| api.get(&format!("/api/v1/reports?{query}")).await.fields(422, "invalid");
    assert_eq!(fields("from=2026-11-24").await, ["tenant"], "a platform key has no tenant of its own");
    assert_eq!(fields("tenant=acme&from=yesterday!").await, ["from"]);
    assert_eq!(fields("tenant=acme&from=2026-11-24&to=2026-11-23").await, ["to"]);
    assert_eq!(fields("tenant=acme&group_by=day,colour").await, ["group_by"]);
    let fields = async |query: &str| api.get(&format!("/api/v1/reports?{query}")).await.fields(400, "bad-request");
    assert_eq!(fields("tenant=acme&chanel=live").await, ["chanel"]);
    assert_eq!(fields("tenant=acme&format=xml").await, ["format"]);
    api.get("/api/v1/reports?tenant=nobody").await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_checks_closes_recounts_and_exports_beside_the_server() {
    let api = counted().await;
    let checked = run(&api, &["check", "--date", "2026-11-24", "--format", "json"]).await;
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{text}{}", String::from_utf8_lossy(&checked.stderr));
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&value["agrees"], &value["events"], &value["state"]), (&json!(true), &json!(3), &json!("open")));
    assert_eq!((&value["raw"]["impressions"], &value["counted"]["spend"]), (&json!(3), &json!(37_500)));
    // Whether 2026-11-24 is over depends on when this runs; recounting does not.
    let again = run(&api, &["backfill", "--from", "2026-11-24", "--to", "2026-11-24", "--format", "json"]).await;
    let value: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!((&value["outcome"], &value["differences"]), (&json!("counted"), &json!(0)));
    let file = api.dir.path().join("report.csv");
    let file = file.to_str().expect("text");
    let days = ["--tenant", "acme", "--from", "2026-11-24", "--to", "2026-11-24"];
    let exported = run(&api, &[&["export", "--group-by", "ad", "--out", file], days.as_slice()].concat()).await;
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let csv = std::fs::read_to_string(file).expect("a file");
    assert!(csv.contains("\r\nsummer,cola,3,3,"), "{csv}");
    let future = run(&api, &["aggregate", "9000-01-01"]).await;
    assert!(!future.status.success() && String::from_utf8_lossy(&future.stderr).contains("not over"));
}
