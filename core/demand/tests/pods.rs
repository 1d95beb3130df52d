//! Pods, stand-alone ads, fallbacks, and breaks of VMAP.

use super::{
    server::{Inline, inline, wrapper, wrapper_with},
    *,
};

fn at(id: &str, sequence: u32) -> String {
    Inline { id, sequence: Some(sequence), ..Inline::default() }.xml()
}

fn broken(id: &str, sequence: Option<u32>) -> String {
    Inline { id, sequence, kind: "video/mp4", media: "https://cdn.example.com/a.mp4", ..Inline::default() }.xml()
}

#[tokio::test]
async fn a_pod_plays_by_sequence_whatever_its_order_in_the_response() {
    let bench = Bench::new().await;
    bench.server.vast("pod", &[at("three", 3), inline("spare"), at("one", 1), at("two", 2)]);
    let resolution = bench.resolve("pod").await;
    assert_eq!(names(&resolution), ["one", "two", "three"]);
    assert_eq!(resolution.ads.iter().map(|ad| ad.sequence).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(resolution.failures, []);
}

#[tokio::test]
async fn without_a_pod_every_stand_alone_ad_may_play() {
    let bench = Bench::new().await;
    bench.server.vast("ads", &[inline("a"), broken("b", None), inline("c")]);
    let resolution = bench.resolve("ads").await;
    assert_eq!((names(&resolution), codes(&resolution)), (vec!["a", "c"], vec![403]));
    assert!(resolution.ads.iter().all(|ad| ad.sequence.is_none()));
}

#[tokio::test]
async fn a_stand_alone_ad_takes_the_place_of_a_pods_ad_that_fails_once() {
    let bench = Bench::new().await;
    let ads = [at("one", 1), broken("two", Some(2)), broken("three", Some(3)), at("four", 4)];
    let spares = [broken("bad", None), inline("spare"), inline("other")];
    bench.server.vast("pod", &[&ads[..], &spares[..2]].concat());
    let resolution = bench.resolve("pod").await;
    assert_eq!(names(&resolution), ["one", "spare", "four"]);
    assert_eq!(codes(&resolution), [403, 403, 403]);
    bench.server.vast("pod", &[&ads[..], &spares[..]].concat());
    assert_eq!(names(&bench.resolve("pod").await), ["one", "spare", "other", "four"]);
    let told = bench.server.wait_for("beacon/error", 6).await;
    assert!(told.iter().all(|path| path.ends_with("?code=403")), "{told:?}");
}

#[tokio::test]
async fn a_pods_wrapper_without_an_ad_is_replaced_only_if_it_says_so() {
    let bench = Bench::new().await;
    bench.server.put("none", Reply::Xml("<VAST version=\"4.2\"/>".into()));
    for (attributes, expect) in [
        ("", vec!["one"]),
        ("fallbackOnNoAd=\"false\"", vec!["one"]),
        ("fallbackOnNoAd=\"true\"", vec!["one", "spare"]),
    ] {
        let empty = wrapper_with("w", "{server}/none", "sequence=\"2\"", attributes, "");
        bench.server.vast("pod", &[at("one", 1), empty, inline("spare")]);
        assert_eq!(names(&bench.resolve("pod").await), expect, "{attributes}");
    }
}

#[tokio::test]
async fn behind_a_wrapper_there_is_one_ad_unless_it_allows_several() {
    let bench = Bench::new().await;
    let pod = [at("one", 1), at("two", 2), inline("alone"), inline("second")];
    for (attributes, ads, expect) in [
        ("", &pod[..], vec!["alone"]),
        ("allowMultipleAds=\"false\"", &pod[..2], vec!["one"]),
        ("allowMultipleAds=\"true\"", &pod[..], vec!["one", "two"]),
    ] {
        bench.server.vast("w", &[wrapper_with("w", "{server}/inner", "", attributes, "")]);
        bench.server.vast("inner", ads);
        assert_eq!(names(&bench.resolve("w").await), expect, "{attributes}");
    }
}

#[tokio::test]
async fn a_pod_behind_a_pods_wrapper_plays_in_its_place() {
    let bench = Bench::new().await;
    let nested = wrapper_with("w", "{server}/inner", "sequence=\"2\"", "allowMultipleAds=\"true\"", "");
    bench.server.vast("pod", &[at("three", 3), nested, at("one", 1)]);
    bench.server.vast("inner", &[at("b", 2), at("a", 1)]);
    let resolution = bench.resolve("pod").await;
    assert_eq!(names(&resolution), ["one", "a", "b", "three"]);
    assert_eq!(resolution.ads.iter().filter_map(|ad| ad.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn an_ad_longer_than_the_break_is_not_played() {
    let bench = Bench::new().await;
    let said = Inline { id: "said", duration: "00:01:30", ..Inline::default() }.xml();
    let measured = Inline { id: "measured", media: "{server}/ads/long-31.m3u8", ..Inline::default() }.xml();
    let exact = Inline { id: "exact", media: "{server}/ads/exact-30.m3u8", ..Inline::default() }.xml();
    bench.server.vast("ads", &[said, measured, exact]);
    let resolution = bench.resolve("ads").await;
    assert_eq!((names(&resolution), codes(&resolution)), (vec!["exact"], vec![202, 202]));
    assert_eq!(resolution.ads[0].duration, Span::from_secs(60));
    assert!(bench.server.asked("ads/red").is_empty(), "what says that it is too long is not even loaded");
}

#[tokio::test]
async fn an_ad_that_does_not_fit_the_channels_renditions_is_not_played() {
    let bench = Bench::new().await;
    bench.server.vast("ads", &[inline("ad")]);
    let unfit = Fits(Arc::new(|_| Err(crate::stitch::ladder::Unfit::SeparateAudio)));
    let context = ViewerContext { fits: unfit, ..context() };
    let resolution = bench.demand.resolve(&bench.source("ads"), &context, AMPLE).await;
    assert_eq!((codes(&resolution), resolution.outcome), (vec![405], Outcome::Unplayable));
}

#[tokio::test]
async fn ads_without_a_picture_or_with_a_will_of_their_own_are_not_played() {
    let bench = Bench::new().await;
    let audio = inline("audio").replace("<Ad ", "<Ad adType=\"audio\" ");
    let conditional = inline("conditional").replace("<Ad ", "<Ad conditionalAd=\"true\" ");
    let overlay = "<Ad id=\"n\"><InLine><AdSystem>T</AdSystem><AdTitle>n</AdTitle><Creatives><Creative><NonLinearAds>\
                   <NonLinear width=\"1\" height=\"1\"/></NonLinearAds></Creative></Creatives></InLine></Ad>";
    bench.server.vast("ads", &[audio, conditional, overlay.to_owned()]);
    let mut codes = codes(&bench.resolve("ads").await);
    codes.sort_unstable();
    assert_eq!(codes, [200, 201, 408]);
}

#[tokio::test]
async fn a_creative_keeps_its_name_while_tokens_in_its_address_change() {
    let bench = Bench::new().await;
    let universal = "<UniversalAdId idRegistry=\"ad-id.org\">CNPA0484000H</UniversalAdId>";
    let mut slugs = Vec::new();
    for (token, universal) in [("1", universal), ("2", universal), ("3", ""), ("4", "")] {
        let media = format!("{{server}}/ads/red-5.m3u8?token={token}");
        bench.server.vast("ad", &[Inline { media: &media, universal, ..Inline::default() }.xml()]);
        let ad = bench.resolve("ad").await.ads.remove(0);
        slugs.push(ad.slug);
    }
    assert_eq!(slugs[0], slugs[1]);
    assert_eq!(slugs[2], slugs[3]);
    assert_ne!(slugs[0], slugs[2]);
    // With a universal id the creative is the same and was fetched once; without, each address is a creative.
    assert_eq!(bench.server.asked("ads/").len(), 3);
    assert!(slugs[0].as_str().starts_with("vast-"));
}

#[tokio::test]
async fn the_same_creative_twice_in_a_pod_is_two_ads() {
    let bench = Bench::new().await;
    bench.server.vast("pod", &[at("ad", 1), at("ad", 2)]);
    let ads = bench.resolve("pod").await.ads;
    assert_eq!(ads[1].slug.as_str(), format!("{}-2", ads[0].slug));
}

fn vmap(breaks: &str) -> Reply {
    Reply::Xml(format!(
        "<vmap:VMAP xmlns:vmap=\"http://www.iab.net/videosuite/vmap\" version=\"1.0\">{breaks}</vmap:VMAP>"
    ))
}

fn ad_break(offset: &str, source: &str) -> String {
    format!(
        "<vmap:AdBreak timeOffset=\"{offset}\" breakType=\"linear\" breakId=\"{offset}\">\
         <vmap:AdSource>{source}</vmap:AdSource></vmap:AdBreak>"
    )
}

#[tokio::test]
async fn of_a_vmap_answer_the_break_at_hand_is_taken() {
    let bench = Bench::new().await;
    let here = |id: &str| {
        let vast = bench.server.document(&[inline(id)]);
        format!("<vmap:VASTAdData>{vast}</vmap:VASTAdData>")
    };
    let tag = bench.server.filled("<vmap:AdTagURI templateType=\"vast3\">{server}/tag</vmap:AdTagURI>");
    bench.server.vast("tag", &[wrapper("w", "ad")]);
    bench.server.vast("ad", &[inline("tagged")]);
    let breaks = [
        ad_break("start", &here("first")),
        ad_break("00:10:00.000", &tag),
        ad_break("00:20:00", &here("second")),
        ad_break("#3", &here("third")),
        ad_break("80%", &here("fourth")),
        ad_break("end", &here("last")),
    ];
    bench.server.put("vmap", vmap(&breaks.concat()));
    let place = |offset: Option<i64>, number| BreakPlace {
        offset: offset.map(Span::from_secs),
        number,
        content: Some(Span::from_secs(3_000)),
    };
    for (position, place, expect) in [
        (Position::PreRoll, place(None, None), "first"),
        (Position::MidRoll, place(Some(600), Some(1)), "tagged"),
        (Position::MidRoll, place(Some(1_201), Some(2)), "second"),
        (Position::MidRoll, place(Some(1_800), Some(3)), "third"),
        (Position::MidRoll, place(Some(2_400), Some(4)), "fourth"),
        (Position::PostRoll, place(None, None), "last"),
        // A live channel has no offsets: what is asked for is the break that comes first.
        (Position::MidRoll, BreakPlace::default(), "tagged"),
    ] {
        let mut context = ViewerContext { place, ..context() };
        Arc::make_mut(&mut context.avail).position = position;
        let resolution = bench.demand.resolve(&bench.source("vmap"), &context, AMPLE).await;
        assert_eq!(names(&resolution), [expect], "{position:?} {place:?} {:?}", resolution.failures);
    }
}

#[tokio::test]
async fn a_break_that_the_answer_does_not_have_has_no_ads() {
    let bench = Bench::new().await;
    let vast = bench.server.document(&[inline("ad")]);
    bench.server.put("vmap", vmap(&ad_break("00:10:00", &format!("<vmap:VASTAdData>{vast}</vmap:VASTAdData>"))));
    let place = BreakPlace { offset: Some(Span::from_secs(700)), ..BreakPlace::default() };
    let context = ViewerContext { place, ..context() };
    let resolution = bench.demand.resolve(&bench.source("vmap"), &context, AMPLE).await;
    assert_eq!((resolution.ads.len(), resolution.outcome), (0, Outcome::NoAd));
}

#[tokio::test]
async fn a_break_of_vmap_is_told_why_it_has_no_ads_and_what_became_of_it() {
    let bench = Bench::new().await;
    let tracking = "<vmap:TrackingEvents>\
                    <vmap:Tracking event=\"breakStart\">{server}/beacon/begun</vmap:Tracking>\
                    <vmap:Tracking event=\"error\">{server}/beacon/error/break?c=[ERROR_CODE]</vmap:Tracking></vmap:TrackingEvents>";
    for (tag, code) in [("dead", Some(1007)), ("none", Some(1008)), ("html", Some(1006)), ("ad", None)] {
        let source = format!("<vmap:AdTagURI templateType=\"vast3\">{{server}}/{tag}</vmap:AdTagURI>");
        let with_tracking =
            ad_break("start", &source).replace("</vmap:AdBreak>", &format!("{tracking}</vmap:AdBreak>"));
        let Reply::Xml(text) = vmap(&bench.server.filled(&with_tracking)) else { continue };
        bench.server.put("vmap", Reply::Xml(text));
        bench.server.put("dead", Reply::Status(500));
        bench.server.put("none", Reply::Status(204));
        bench.server.put("html", Reply::Xml("<html/>".into()));
        bench.server.vast("ad", &[inline("ad")]);
        let resolution = bench.resolve("vmap").await;
        assert_eq!(resolution.of_break.expect("a break").starts, [bench.server.url("beacon/begun")]);
        assert_eq!(resolution.ads.is_empty(), code.is_some());
        if let Some(code) = code {
            let told = format!("beacon/error/break?c={code}");
            assert_eq!(bench.server.wait_for(&told, 1).await, [told]);
        }
    }
}
