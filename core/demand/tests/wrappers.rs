//! Chains of wrappers.

use super::{
    server::{inline, wrapper, wrapper_with},
    *,
};

/// `w1` wraps `w2` … wraps an ad, `depth` wrappers in all.
fn chain(server: &AdServer, depth: usize) {
    for n in 1..=depth {
        let next = if n == depth { "ad".to_owned() } else { format!("w{}", n + 1) };
        server.vast(&format!("w{n}"), &[wrapper(&format!("w{n}"), &next)]);
    }
    server.vast("ad", &[inline("ad")]);
}

#[tokio::test]
async fn five_wrappers_are_followed_and_a_sixth_is_not() {
    for depth in 1..=6 {
        let bench = Bench::new().await;
        chain(&bench.server, depth);
        let resolution = bench.resolve("w1").await;
        if depth <= 5 {
            assert_eq!((names(&resolution), resolution.outcome), (vec!["ad"], Outcome::Filled), "depth {depth}");
        } else {
            assert_eq!((codes(&resolution), resolution.outcome), (vec![302], Outcome::WrapperLimit));
            let told = bench.server.wait_for("beacon/error", 6).await;
            let expect: Vec<String> = (1..=6).map(|n| format!("beacon/error/w{n}?code=302")).collect();
            assert_eq!(told, expect, "every wrapper on the way is told");
            assert!(bench.server.asked("ad").iter().all(|path| path != "ad"));
        }
    }
}

#[tokio::test]
async fn what_each_wrapper_wants_to_know_is_merged_into_the_ad() {
    let bench = Bench::new().await;
    chain(&bench.server, 2);
    let resolution = bench.resolve("w1").await;
    let tracking = &resolution.ads[0].tracking;
    let expect = |kind: &str, names: &[&str]| -> Vec<String> {
        names.iter().map(|name| bench.server.url(&format!("beacon/{kind}/{name}"))).collect()
    };
    assert_eq!(tracking.urls(EventType::Impression), expect("impression", &["w1", "w2", "ad"]));
    assert_eq!(tracking.urls(EventType::Start), expect("start", &["w1", "w2", "ad"]));
    assert_eq!(tracking.urls(EventType::Click), expect("click", &["w1", "w2"]));
    assert_eq!(tracking.errors.len(), 3);
    assert_eq!(tracking.click_through.as_deref(), Some("https://shop.example.com/ad"));
}

#[tokio::test]
async fn wrappers_that_go_round_in_a_circle_are_left() {
    let bench = Bench::new().await;
    bench.server.vast("a", &[wrapper("a", "b?n=[CACHEBUSTING]")]);
    bench.server.vast("b", &[wrapper("b", "a")]);
    let resolution = bench.resolve("a").await;
    assert_eq!((codes(&resolution), resolution.outcome), (vec![302], Outcome::WrapperLimit));
    assert_eq!(bench.server.asked("b").iter().filter(|path| path.starts_with("b?")).count(), 1);
}

#[tokio::test]
async fn a_wrapper_may_forbid_further_wrappers() {
    let bench = Bench::new().await;
    let only = wrapper_with("w", "{server}/inner", "", "followAdditionalWrappers=\"false\"", "");
    bench.server.vast("w", &[only]);
    bench.server.vast("inner", &[wrapper("inner", "ad")]);
    bench.server.vast("ad", &[inline("ad")]);
    let resolution = bench.resolve("w").await;
    assert_eq!((names(&resolution).len(), codes(&resolution)), (0, vec![303]));
    assert_eq!(bench.server.asked("ad"), [""; 0]);
    bench.server.vast("inner", &[inline("direct")]);
    assert_eq!(names(&bench.resolve("w").await), ["direct"]);
}

#[tokio::test]
async fn a_wrapper_without_an_ad_behind_it_tells_everybody_303() {
    let bench = Bench::new().await;
    bench.server.vast("w1", &[wrapper("w1", "w2")]);
    bench.server.vast("w2", &[wrapper("w2", "none")]);
    let none =
        bench.server.filled("<VAST version=\"3.0\"><Error>{server}/beacon/error/none?code=[ERRORCODE]</Error></VAST>");
    bench.server.put("none", Reply::Xml(none));
    let resolution = bench.resolve("w1").await;
    assert_eq!((codes(&resolution), resolution.outcome), (vec![303], Outcome::NoAd));
    let told = bench.server.wait_for("beacon/error", 3).await;
    assert_eq!(told, ["none", "w1", "w2"].map(|name| format!("beacon/error/{name}?code=303")));
}

#[tokio::test]
async fn a_wrapper_may_refuse_the_category_of_the_ad_behind_it() {
    let bench = Bench::new().await;
    let blocked = "<BlockedAdCategories authority=\"iabtechlab.com\">232</BlockedAdCategories>";
    bench.server.vast("w", &[wrapper_with("w", "{server}/ad", "", "", blocked)]);
    let category = "<Category authority=\"iabtechlab.com\">232</Category>";
    bench.server.vast("ad", &[server::Inline { more: category, ..Default::default() }.xml()]);
    assert_eq!(codes(&bench.resolve("w").await), [205]);
    assert_eq!(bench.resolve("ad").await.ads[0].category.as_deref(), Some("232"));
}

#[tokio::test]
async fn the_price_is_that_of_the_server_nearest_to_us_in_the_tenants_currency() {
    let bench = Bench::new().await;
    let price = |model: &str, currency: &str, price: &str| {
        format!("<Pricing model=\"{model}\" currency=\"{currency}\">{price}</Pricing>")
    };
    let inner = price("cpm", "USD", "3.50");
    bench.server.vast("ad", &[server::Inline { more: &inner, ..Default::default() }.xml()]);
    for (outer, expect) in [
        (price("CPM", "usd", "9.25"), "9.25"),
        (price("cpm", "EUR", "9.25"), "3.50"),
        (price("cpc", "USD", "9.25"), "3.50"),
        (String::new(), "3.50"),
    ] {
        bench.server.vast("w", &[wrapper_with("w", "{server}/ad", "", "", &outer)]);
        let resolution = bench.resolve("w").await;
        assert_eq!(resolution.ads[0].cpm, Some(expect.parse::<Money>().expect("an amount")), "{outer}");
    }
}
