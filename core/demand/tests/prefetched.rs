//! Answers fetched ahead of their break.

use super::{
    server::{Inline, inline},
    *,
};

async fn taken(bench: &Bench, session: &str, millis: u64) -> Option<Vec<String>> {
    let resolution = bench.demand.take(session, &bench.source("tag"), Duration::from_millis(millis)).await?;
    Some(names(&resolution).into_iter().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_prefetched_answer_is_given_once_and_asked_for_once() {
    let bench = Bench::new().await;
    bench.server.vast("tag", &[inline("ad")]);
    for _ in 0..5 {
        bench.demand.prefetch("v1", &bench.source("tag"), context);
    }
    assert_eq!(taken(&bench, "v2", 1_000).await, None, "another viewer's");
    assert_eq!(taken(&bench, "v1", 5_000).await, Some(vec!["ad".to_owned()]));
    assert_eq!(taken(&bench, "v1", 100).await, None, "given already");
    assert_eq!(bench.server.asked("tag").len(), 1);
    bench.demand.prefetch("v1", &bench.source("tag"), context);
    assert_eq!(taken(&bench, "v1", 5_000).await, Some(vec!["ad".to_owned()]), "the next break has its own");
    assert_eq!(bench.server.asked("tag").len(), 2);
}

#[tokio::test]
async fn of_many_who_want_it_at_once_one_gets_it() {
    let bench = Bench::new().await;
    bench.server.vast("tag", &[inline("ad")]);
    bench.demand.prefetch("v1", &bench.source("tag"), context);
    let all = futures_util::future::join_all((0..20).map(|_| taken(&bench, "v1", 2_000))).await;
    assert_eq!(all.iter().flatten().count(), 1);
}

#[tokio::test]
async fn a_break_waits_no_longer_than_it_said_and_the_late_answer_is_for_the_next() {
    let bench = Bench::new().await;
    let ad = bench.server.document(&[inline("ad")]);
    bench.server.put("tag", Reply::Late(Duration::from_millis(400), Box::new(Reply::Xml(ad))));
    bench.demand.prefetch("v1", &bench.source("tag"), context);
    let begun = std::time::Instant::now();
    assert_eq!(taken(&bench, "v1", 100).await, None);
    assert!(begun.elapsed() < Duration::from_millis(300));
    assert_eq!(taken(&bench, "v1", 0).await, None);
    assert_eq!(taken(&bench, "v1", 3_000).await, Some(vec!["ad".to_owned()]));
    assert_eq!(bench.server.asked("tag").len(), 1);
}

#[tokio::test]
async fn a_break_that_cannot_wait_gets_the_ads_that_are_ready() {
    let bench = Bench::new().await;
    let slow = Inline { id: "slow", media: "{server}/slow", ..Inline::default() }.xml();
    bench.server.put("slow", Reply::Late(Duration::from_secs(5), Box::new(Reply::Status(404))));
    bench.server.vast("tag", &[slow, inline("quick")]);
    bench.demand.prefetch("v1", &bench.source("tag"), context);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(taken(&bench, "v1", 0).await, None, "nobody is in a hurry yet");
    assert_eq!(taken(&bench, "v1", 600).await, Some(vec!["quick".to_owned()]));
}

#[tokio::test]
async fn answers_that_are_too_old_are_fetched_anew() {
    let bench = Bench::new().await;
    bench.server.vast("tag", &[inline("ad")]);
    let wait = |seconds: i64| bench.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    bench.demand.prefetch("v1", &bench.source("tag"), context);
    bench.server.wait_for("ads/", 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    wait(301);
    assert_eq!(taken(&bench, "v1", 100).await, None);
    bench.server.vast("tag", &[Inline { more: "<Expires>20</Expires>", ..Inline::default() }.xml()]);
    for (age, expect) in [(19, true), (21, false)] {
        bench.demand.prefetch("v1", &bench.source("tag"), context);
        bench.server.wait_for("ads/", 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        wait(age);
        assert_eq!(taken(&bench, "v1", 100).await.is_some(), expect, "its server allows 20 s, it is {age} s old");
    }
}

#[tokio::test]
async fn an_answer_without_ads_keeps_the_ad_server_from_being_asked_again_at_once() {
    let bench = Bench::new().await;
    bench.server.put("tag", Reply::Status(204));
    for _ in 0..5 {
        bench.demand.prefetch("v1", &bench.source("tag"), context);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.server.asked("tag").len(), 1);
    bench.clock.0.fetch_add(31_000_000, Ordering::SeqCst);
    bench.demand.prefetch("v1", &bench.source("tag"), context);
    assert_eq!(bench.server.wait_for("tag", 2).await.len(), 2);
}
