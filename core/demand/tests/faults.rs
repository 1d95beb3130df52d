//! Ad servers that are slow, dead, malformed or hostile.

use std::time::Instant;

use super::{
    server::{Inline, gzip, inline, wrapper},
    *,
};

/// What a busy machine may take on top of a deadline.
const SLACK: Duration = Duration::from_millis(500);

fn late(millis: u64, xml: String) -> Reply {
    Reply::Late(Duration::from_millis(millis), Box::new(Reply::Xml(xml)))
}

#[tokio::test]
async fn every_way_to_fail_has_its_code_and_outcome() {
    let bench = Bench::new().await;
    let server = &bench.server;
    let ad = server.document(&[inline("ad")]);
    server.put("dead-500", Reply::Status(500));
    server.put("dead-404", Reply::Status(404));
    server.put("empty", Reply::Xml(" \n".into()));
    server.put("no-content", Reply::Status(204));
    server.put("text", Reply::Xml("not found, sorry".into()));
    server.put("html", Reply::Xml("<html><body>Hello</body></html>".into()));
    server.put("half", Reply::Xml(ad[..ad.len() / 2].to_owned()));
    server.put("old", Reply::Xml("<VAST version=\"7.0\"/>".into()));
    server.put("loop", Reply::Redirect("loop".into()));
    server.put("inward", Reply::Redirect("http://10.0.0.1/".into()));
    server.put("huge", Reply::Xml(format!("<VAST version=\"4.2\"><!--{}--></VAST>", "x".repeat(600_000))));
    server.put("zip-bomb", Reply::Gzip(gzip(&vec![b' '; 64 * 1024 * 1024])));
    let bomb = "<!DOCTYPE v [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]><VAST version=\"4.2\">&b;</VAST>";
    server.put("xml-bomb", Reply::Xml(bomb.into()));
    let outside = "<!DOCTYPE v [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><VAST version=\"4.2\"><Ad>&x;</Ad></VAST>";
    server.put("outside", Reply::Xml(outside.into()));
    server.put("deep", Reply::Xml(format!("<VAST version=\"4.2\">{}", "<a>".repeat(100_000))));
    for (path, code, outcome) in [
        ("dead-500", 301, Outcome::Unreachable),
        ("dead-404", 301, Outcome::Unreachable),
        ("empty", 303, Outcome::NoAd),
        ("no-content", 303, Outcome::NoAd),
        ("text", 100, Outcome::Malformed),
        ("html", 101, Outcome::Malformed),
        ("half", 100, Outcome::Malformed),
        ("old", 102, Outcome::Malformed),
        ("loop", 301, Outcome::Unreachable),
        ("inward", 300, Outcome::RefusedAddress),
        ("huge", 300, Outcome::Malformed),
        ("zip-bomb", 300, Outcome::Malformed),
        ("xml-bomb", 100, Outcome::Malformed),
        ("outside", 100, Outcome::Malformed),
        ("deep", 100, Outcome::Malformed),
    ] {
        // Another tenant each time: no breaker in between.
        let source = Source { tenant: slug(path), ..bench.source(path) };
        let direct = bench.demand.resolve(&source, &context(), AMPLE).await;
        assert_eq!((codes(&direct), direct.outcome), (vec![code], outcome), "{path}: {:?}", direct.failures);
        server.vast("w", &[wrapper(path, path)]);
        let source = Source { tenant: slug(&format!("{path}-w")), ..bench.source("w") };
        let wrapped = bench.demand.resolve(&source, &context(), AMPLE).await;
        assert_eq!((codes(&wrapped), wrapped.outcome), (vec![code], outcome), "behind a wrapper: {path}");
        let told = server.wait_for(&format!("beacon/error/{path}?"), 1).await;
        assert_eq!(told, [format!("beacon/error/{path}?code={code}")]);
    }
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let bench = Bench::new().await;
    let ad = bench.server.document(&[inline("ad")]);
    bench.server.put("tag", Reply::Gzip(gzip(ad.as_bytes())));
    assert_eq!(names(&bench.resolve("tag").await), ["ad"]);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_in_tags_wrappers_and_media() {
    let bench = Bench::new().await;
    for private in ["http://127.0.0.1:1/x", "http://169.254.169.254/latest", "http://[::1]/x", "http://2130706433/x"] {
        let source = Source { template: private.into(), ..bench.source("") };
        let resolution = bench.demand.resolve(&source, &context(), AMPLE).await;
        assert_eq!((codes(&resolution), resolution.outcome), (vec![300], Outcome::RefusedAddress), "{private}");
        let wrapped = server::wrapper_with("w", private, "", "", "");
        bench.server.vast("w", &[wrapped]);
        let resolution = bench.resolve("w").await;
        assert_eq!((codes(&resolution), resolution.outcome), (vec![300], Outcome::RefusedAddress), "{private}");
        bench.server.vast("ad", &[Inline { media: private, ..Inline::default() }.xml()]);
        let resolution = bench.resolve("ad").await;
        assert_eq!((codes(&resolution), resolution.outcome), (vec![400], Outcome::RefusedAddress), "{private}");
    }
    for (address, code) in
        [("file:///etc/passwd", 300), ("http://user:secret@example.com/", 300), ("", 300), ("?", 300)]
    {
        bench.server.vast("w", &[server::wrapper_with("w", address, "", "", "")]);
        assert_eq!(codes(&bench.resolve("w").await), [code], "{address}");
    }
}

#[tokio::test]
async fn a_slow_hop_within_the_deadline_is_waited_for_and_one_beyond_it_is_not() {
    let bench = Bench::new().await;
    let ad = bench.server.document(&[inline("ad")]);
    bench.server.vast("w", &[wrapper("w", "slow")]);
    bench.server.put("slow", late(200, ad.clone()));
    assert_eq!(names(&bench.resolve_within("w", 2_000).await), ["ad"]);
    bench.server.put("slow", late(5_000, ad));
    let begun = Instant::now();
    let resolution = bench.resolve_within("w", 300).await;
    assert!(begun.elapsed() < Duration::from_millis(300) + SLACK);
    assert_eq!((codes(&resolution), resolution.outcome), (vec![301], Outcome::Timeout));
    assert_eq!(bench.server.wait_for("beacon/error", 1).await, ["beacon/error/w?code=301"]);
}

#[tokio::test]
async fn hops_share_one_deadline() {
    let bench = Bench::new().await;
    for n in 1..=5 {
        let next = if n == 5 { "ad".to_owned() } else { format!("w{}", n + 1) };
        let hop = bench.server.document(&[wrapper(&format!("w{n}"), &next)]);
        bench.server.put(&format!("w{n}"), late(150, hop));
    }
    bench.server.vast("ad", &[inline("ad")]);
    let begun = Instant::now();
    let resolution = bench.resolve_within("w1", 400).await;
    assert!(begun.elapsed() < Duration::from_millis(400) + SLACK);
    assert_eq!(resolution.outcome, Outcome::Timeout);
    assert!(bench.server.asked("w4").is_empty());
}

#[tokio::test]
async fn whatever_an_ad_server_does_the_answer_comes_by_the_deadline() {
    let bench = Bench::new().await;
    let server = &bench.server;
    let slow_media = Inline { id: "m", media: "{server}/slow-media", ..Inline::default() };
    server.put("slow-media", late(10_000, String::new()));
    let fan: Vec<String> = (0..30).map(|n| wrapper(&format!("f{n}"), &format!("fan{n}"))).collect();
    for n in 0..30 {
        server.put(&format!("fan{n}"), late(n * 40, server.document(&[wrapper("g", "tree")])));
    }
    server.vast("tree", &fan);
    server.vast("media", &[slow_media.xml(), slow_media.xml()]);
    server.put("dead", late(10_000, String::new()));
    server.put("mixed", late(150, server.document(&[wrapper("a", "dead"), slow_media.xml(), inline("ad")])));
    for path in ["tree", "media", "dead", "mixed"] {
        for millis in [0, 1, 50, 200, 400] {
            let begun = Instant::now();
            let resolution = bench.resolve_within(path, millis).await;
            let took = begun.elapsed();
            assert!(took < Duration::from_millis(millis) + SLACK, "{path} within {millis} ms took {took:?}");
            assert!(resolution.ads.len() <= 1);
        }
    }
    let asked = server.asked("fan").len();
    assert!(asked < 5 * limits::MAX_REQUESTS as usize, "{asked}");
}

#[tokio::test]
async fn a_creative_that_is_late_is_skipped_and_there_for_the_next_break() {
    let bench = Bench::new().await;
    let slow = Inline { id: "slow", media: "{server}/slow", ..Inline::default() }.xml();
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";
    bench.server.put("slow", late(500, playlist.into()));
    bench.server.vast("tag", &[slow, inline("quick")]);
    let resolution = bench.resolve_within("tag", 300).await;
    assert_eq!((names(&resolution), codes(&resolution)), (vec!["quick"], vec![407]));
    assert_eq!(bench.server.wait_for("beacon/error", 1).await, ["beacon/error/slow?code=407"]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(names(&bench.resolve_within("tag", 300).await), ["slow", "quick"]);
    assert_eq!(bench.server.asked("slow").len(), 1, "it was loaded once");
}

#[tokio::test]
async fn a_creative_goes_on_working_while_it_is_looked_at_again() {
    let bench = Bench::new().await;
    let universal = "<UniversalAdId idRegistry=\"ad-id.org\">C1</UniversalAdId>";
    let tagged = |token: &str| {
        let media = format!("{{server}}/ads/red-5.m3u8?token={token}");
        bench.server.vast("tag", &[Inline { media: &media, universal, ..Inline::default() }.xml()]);
    };
    tagged("1");
    let first = bench.resolve("tag").await.ads.remove(0);
    bench.server.put("ads/red-5.m3u8", late(300, "#EXTM3U\n#EXT-X-ENDLIST\n".into()));
    bench.clock.0.fetch_add(601_000_000, Ordering::SeqCst);
    tagged("2");
    for _ in 0..3 {
        let again = bench.resolve_within("tag", 100).await.ads.remove(0);
        assert!(Arc::ptr_eq(&first.creative, &again.creative), "nobody waits for it, and what fails changes nothing");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(bench.server.asked("ads/"), ["ads/red-5.m3u8?token=1", "ads/red-5.m3u8?token=2"]);
}

#[tokio::test]
async fn creatives_that_are_no_ads_are_not_played() {
    let bench = Bench::new().await;
    let ad = |media: &str| Inline { media: &format!("{{server}}/{media}"), ..Inline::default() }.xml();
    bench.server.put("gone", Reply::Status(410));
    bench.server.put("broken", Reply::Status(500));
    bench.server.put("page", Reply::Xml("<html/>".into()));
    bench.server.put("live", Reply::Xml("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n".into()));
    bench.server.put("huge", Reply::Xml(format!("#EXTM3U\n{}", "#comment\n".repeat(50_000))));
    for (media, code) in [("gone", 401), ("broken", 400), ("page", 405), ("live", 405), ("huge", 400)] {
        bench.server.vast("tag", &[ad(media)]);
        let resolution = bench.resolve("tag").await;
        assert_eq!((codes(&resolution), resolution.outcome), (vec![code], Outcome::Unplayable), "{media}");
    }
}

#[tokio::test]
async fn an_ad_server_that_keeps_failing_is_left_alone_for_a_while() {
    let bench = Bench::new().await;
    for reply in [Reply::Status(503), Reply::Xml("<html/>".into())] {
        let bench = Bench::new().await;
        bench.server.put("tag", reply);
        for _ in 0..20 {
            bench.resolve("tag").await;
        }
        assert_eq!(bench.server.asked("tag").len(), 5);
        assert_eq!(bench.resolve("tag").await.outcome, Outcome::Resting);
        // Another tenant's view of it is its own.
        let other = Source { tenant: slug("other"), ..bench.source("tag") };
        assert_ne!(bench.demand.resolve(&other, &context(), AMPLE).await.outcome, Outcome::Resting);
        // After the cool-down one request is let through; it decides.
        bench.server.vast("tag", &[inline("ad")]);
        bench.monotonic.fetch_add(60, Ordering::SeqCst);
        assert_eq!(names(&bench.resolve("tag").await), ["ad"]);
        assert_eq!(names(&bench.resolve("tag").await), ["ad"]);
    }
    // Having no ad is no failure.
    bench.server.put("none", Reply::Status(204));
    for _ in 0..20 {
        assert_eq!(bench.resolve("none").await.outcome, Outcome::NoAd);
    }
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A response somewhere in a tree of wrappers and ads, each late or not, some broken.
fn grow(server: &AdServer, dice: &mut Dice, name: &str, depth: u32) {
    let mut ads = Vec::new();
    for n in 0..=dice.roll(3) {
        let child = format!("{name}-{n}");
        let sequence = (dice.roll(2) == 0).then_some(n as u32 + 1);
        if depth > 0 && dice.roll(3) > 0 {
            let attributes = ["", "allowMultipleAds=\"true\"", "fallbackOnNoAd=\"true\" allowMultipleAds=\"true\""];
            let place = sequence.map(|n| format!("sequence=\"{n}\"")).unwrap_or_default();
            let attributes = attributes[dice.roll(3) as usize];
            ads.push(server::wrapper_with(&child, &format!("{{server}}/{child}"), &place, attributes, ""));
            grow(server, dice, &child, depth - 1);
        } else {
            let media = format!("{{server}}/{}", if dice.roll(2) == 0 { "slow-media" } else { "ads/red-5.m3u8" });
            ads.push(Inline { id: &child, sequence, media: &media, ..Inline::default() }.xml());
        }
    }
    let reply = match dice.roll(8) {
        0 => Reply::Status(500),
        1 => Reply::Xml("<VAST version=\"4.2\"><Ad>".into()),
        _ => Reply::Xml(server.document(&ads)),
    };
    let pause = [0, 0, 20, 100, 300][dice.roll(5) as usize];
    server.put(name, Reply::Late(Duration::from_millis(pause), Box::new(reply)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tree_of_responses_whatsoever_takes_longer_than_the_deadline() {
    let bench = Bench::new().await;
    bench.server.put("slow-media", late(10_000, String::new()));
    let mut dice = Dice(7);
    let mut filled = 0;
    for round in 0..6 {
        let names: Vec<String> = (0..8).map(|n| format!("t{round}-{n}")).collect();
        names.iter().for_each(|name| grow(&bench.server, &mut dice, name, 4));
        let resolving = names.iter().map(|name| {
            let deadline = Duration::from_millis(100 + dice.roll(500));
            let source = Source { tenant: slug(name), ..bench.source(name) };
            let demand = bench.demand.clone();
            async move {
                let begun = Instant::now();
                let resolution = demand.resolve(&source, &context(), deadline).await;
                assert!(begun.elapsed() < deadline + SLACK, "{}: {:?}", source.template, begun.elapsed());
                let places: Vec<u32> = resolution.ads.iter().filter_map(|ad| ad.sequence).collect();
                assert!(places.iter().copied().eq(1..=places.len() as u32), "{places:?}");
                usize::from(!resolution.ads.is_empty())
            }
        });
        filled += futures_util::future::join_all(resolving).await.iter().sum::<usize>();
    }
    assert!(filled > 5, "the trees bear something: {filled}");
}
