//! Several nodes on one PostgreSQL, and a database that goes away.

use std::time::Duration;

use crate::{
    harness::{Server, Yaml, author, within},
    origin::{Packaging, Stream},
    postgres,
};

/// What users are promised.
const FOLLOWS: Duration = Duration::from_secs(1);

/// How long the database stays away.
const OUTAGE: Duration = Duration::from_secs(30);

async fn node(url: &str) -> Server {
    let url: cuetone::config::DatabaseUrl = serde_json::from_value(url.into()).expect("a database's URL");
    let stream = Stream::live(Packaging::Ts).with_break(98..103).with_break(110..115);
    Server::start_with(stream, move |config| {
        config.database_url = Some(url);
        // Nodes share tenants, and with them the origins of either.
        config.outbound.allow_hosts = vec!["127.0.0.0/8".to_owned()];
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_one_node_serves_on_the_others_within_a_second() {
    let database = postgres::Database::fresh().await;
    let (one, other) = (node(database.url()).await, node(database.url()).await);
    let mut slowest = Duration::ZERO;
    for (version, ad) in [(1, "red-5"), (2, "blue-5"), (3, "red-5")] {
        // In turn, so that each follows the other.
        let (from, to) = if version % 2 == 0 { (&other, &one) } else { (&one, &other) };
        from.apply(&Yaml::ads(&[ad]).build(&one.origin)).await;
        slowest = slowest.max(within(FOLLOWS, "the change", || async { to.version("acme") == Some(version) }).await);
    }
    println!("the slowest change was followed after {slowest:?}");
    let author = author();
    one.registry.delete(&"acme".parse().expect("a slug"), &author).await.expect("deleted");
    within(FOLLOWS, "the end of the tenant", || async { other.version("acme").is_none() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_change_a_tenant_at_once_lose_nothing() {
    let database = postgres::Database::fresh().await;
    let (one, other) = (node(database.url()).await, node(database.url()).await);
    one.apply(&Yaml::ads(&["red-5"]).build(&one.origin)).await;
    within(FOLLOWS, "the tenant", || async { other.version("acme") == Some(1) }).await;
    let edits = (0..20).map(|at| {
        let registry = if at % 2 == 0 { one.registry.clone() } else { other.registry.clone() };
        tokio::spawn(async move {
            let author = author();
            let slug = format!("campaign-{at}");
            let edit = |document: &mut cuetone::bundle::Document| {
                document.put(cuetone::bundle::Section::Campaigns, &slug, serde_json::json!({}));
                Ok::<(), cuetone::registry::RegistryError>(())
            };
            registry.change(&"acme".parse().expect("a slug"), &author, edit).await.expect("changed");
        })
    });
    for edit in edits.collect::<Vec<_>>() {
        edit.await.expect("no panic");
    }
    for server in [&one, &other] {
        within(FOLLOWS, "all changes", || async { server.version("acme") == Some(21) }).await;
        let snapshot = server.registry.snapshot();
        let campaigns = &snapshot.tenants.get("acme").expect("the tenant").manifest.campaigns;
        assert_eq!(campaigns.iter().filter(|campaign| campaign.slug.as_str().starts_with("campaign-")).count(), 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playlists_and_ads_go_on_while_the_database_is_away_for_thirty_seconds() {
    let mut database = postgres::Server::start();
    let server = node(&database.url("postgres")).await;
    server.apply(&Yaml::ads(&["red-5"]).build(&server.origin)).await;
    let mut early = server.viewer().await;
    early.poll("v0").await;
    database.kill();
    let begun = std::time::Instant::now();
    let (mut polls, mut slowest) = (0, Duration::ZERO);
    while begun.elapsed() < OUTAGE {
        server.clock.forward(2_000);
        let asked = std::time::Instant::now();
        early.poll("v0").await;
        slowest = slowest.max(asked.elapsed());
        polls += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
        // New viewers come, with names and without, and get ads.
        if polls == 5 {
            let mut late = server.viewer_of("/fast/acme/live.m3u8?session_id=ann").await;
            assert!(late.poll("v0").await.ads().contains(&"red-5"), "the break at 110 is decided without a database");
        }
    }
    println!("{polls} refreshes during {OUTAGE:?} without a database, the slowest took {slowest:?}");
    assert!(slowest < Duration::from_millis(900), "{slowest:?}");
    assert!(early.seen("v0").iter().filter(|segment| segment.ad() == Some("red-5")).count() >= 10, "both breaks");
    assert_eq!(server.get("/readyz").await.status, 503);
    database.restart();
    within(Duration::from_secs(20), "readiness", || async { server.get("/readyz").await.status == 200 }).await;
    server.apply(&Yaml::ads(&["blue-5"]).build(&server.origin)).await;
    assert_eq!(server.version("acme"), Some(2));
}
