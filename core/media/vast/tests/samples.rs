//! A document of each version as servers send them, and what is made of it.

use crate::{
    domain::{Money, Span},
    media::vast::*,
};

fn read(text: &str) -> Vast {
    parse(text.as_bytes()).expect("a response")
}

fn inline(ad: &Ad) -> &InLine {
    let AdContent::InLine(inline) = &ad.content else { panic!("an InLine ad") };
    inline
}

fn wrapper(ad: &Ad) -> &Wrapper {
    let AdContent::Wrapper(wrapper) = &ad.content else { panic!("a wrapper") };
    wrapper
}

fn events(tracking: &[Tracking]) -> Vec<&TrackingEvent> {
    tracking.iter().map(|tracking| &tracking.event).collect()
}

#[test]
fn version_2_0() {
    let vast = read(include_str!("samples/2.0.xml"));
    assert_eq!((vast.version, vast.ads.len()), (Version::V2_0, 1));
    let ad = &vast.ads[0];
    assert_eq!((ad.id.as_deref(), ad.sequence), (Some("first"), None));
    let ad = inline(ad);
    assert_eq!(ad.common.system, AdSystem { name: "Sample server".into(), version: Some("1.0".into()) });
    assert_eq!(ad.description.as_deref(), Some("Bread & butter"));
    assert_eq!(ad.common.errors, ["https://t.example/error?code=[ERRORCODE]&n=1"]);
    let impressions = &ad.common.impressions;
    assert_eq!(impressions[0].id.as_deref(), Some("own"));
    assert_eq!(impressions[0].url, "https://t.example/impression?cb=[CACHEBUSTING]");
    assert_eq!(impressions[1], Beacon::new("https://other.example/impression"));

    assert_eq!(ad.creatives[0].ad_id.as_deref(), Some("ABCD0001000H"));
    let linear = ad.creatives[0].linear.as_ref().expect("linear");
    assert_eq!(linear.duration, Span::from_secs(30));
    let expect = [&TrackingEvent::Start, &TrackingEvent::PlayerExpand, &TrackingEvent::AdExpand];
    assert_eq!(events(&linear.tracking), expect, "old names; one without a URL is none");
    assert_eq!(linear.clicks.through, Some(Beacon::new("https://shop.example/?a=1&b=2")));
    assert_eq!(linear.clicks.tracking[0].id.as_deref(), Some("c"));
    let [first, second] = &linear.media_files[..] else { panic!("two files") };
    assert_eq!((first.bitrate, first.delivery), (Some(1_500), Delivery::Progressive));
    assert_eq!((second.width, second.height, second.delivery), (1_920, 1_080, Delivery::Streaming));

    let companion = &ad.creatives[1].companions.as_ref().expect("companions").ads[0];
    let resource = Resource::Static { mime: "image/png".into(), url: "https://m.example/a.png".into() };
    assert_eq!(companion.resources, [resource]);
    assert_eq!(companion.alt_text.as_deref(), Some("The shop"));
}

#[test]
fn version_3_0() {
    let vast = read(include_str!("samples/3.0.xml"));
    assert_eq!(vast.version, Version::V3_0);
    let [second, first] = &vast.ads[..] else { panic!("an ad that is neither here nor elsewhere is none") };
    assert_eq!((second.sequence, first.sequence), (Some(2), Some(1)));

    let ad = inline(second);
    let price = Pricing { model: PricingModel::Cpm, currency: "USD".into(), price: Money::from_micros(12_500_000) };
    assert_eq!(ad.common.pricing, Some(price));
    assert_eq!(ad.advertiser.as_deref(), Some("Shop"));
    let linear = ad.creatives[0].linear.as_ref().expect("linear");
    assert_eq!(linear.duration, Span::from_millis(15_500));
    assert_eq!(linear.skip_offset, Some(Offset::Time(Span::from_secs(5))));
    let expect = [
        &TrackingEvent::Progress(Offset::Time(Span::from_secs(3))),
        &TrackingEvent::Progress(Offset::Percent(25_000)),
        &TrackingEvent::PlayerCollapse,
        &TrackingEvent::AcceptInvitation,
    ];
    assert_eq!(events(&linear.tracking), expect, "progress without an offset is none");
    let icon = &linear.icons[0];
    assert_eq!((icon.x, icon.y), (Some(IconPosition::Far), Some(IconPosition::Pixels(10))));
    assert_eq!((icon.duration, icon.offset), (Some(Span::from_secs(10)), Some(Span::from_secs(1))));
    assert_eq!(icon.click_through.as_deref(), Some("https://choices.example/"));
    let file = &linear.media_files[0];
    assert_eq!(
        (file.min_bitrate, file.max_bitrate, file.api_framework.as_deref()),
        (Some(500), Some(900), Some("VPAID"))
    );
    assert_eq!((file.scalable, file.maintain_aspect_ratio), (Some(true), Some(false)));
    let parameters = AdParameters { xml_encoded: true, text: "a=1&amp;b=2".into() };
    assert_eq!(linear.ad_parameters, Some(parameters));
    assert_eq!(ad.creatives[0].extensions[0].xml.as_str(), "<own/>");

    let overlay = ad.creatives[1].non_linear.as_ref().expect("non-linear");
    assert_eq!(overlay.ads[0].resources, [Resource::Html("<b>Shop</b>".into())]);
    assert_eq!(overlay.ads[0].min_suggested_duration, Some(Span::from_secs(15)));

    let [verification] = &ad.common.verifications[..] else { panic!("out of its extension") };
    assert_eq!(verification.vendor.as_deref(), Some("vendor.example-omid"));
    assert_eq!(verification.javascript[0].browser_optional, Some(true));
    let [waterfall] = &ad.common.extensions[..] else { panic!("the other extension") };
    assert_eq!(waterfall.kind.as_deref(), Some("waterfall"));
    assert_eq!(waterfall.attributes, [("fallback_index".to_owned(), "0".to_owned())]);

    let elsewhere = wrapper(first);
    assert_eq!(elsewhere.tag_uri, "https://ads.example/vast?x=1&y=2");
    assert!(elsewhere.follow_additional_wrappers && !elsewhere.allow_multiple_ads && !elsewhere.fallback_on_no_ad);
    assert_eq!(elsewhere.common.impressions.len(), 1, "about:blank is none");
    let linear = elsewhere.creatives[0].linear.as_ref().expect("linear");
    assert_eq!(events(&linear.tracking), [&TrackingEvent::Start]);
}

#[test]
fn version_4_0() {
    let vast = read(include_str!("samples/4.0.xml"));
    assert_eq!(vast.version, Version::V4_0);
    assert!(vast.ads[0].conditional);
    let ad = inline(&vast.ads[0]);
    assert_eq!(ad.common.errors.len(), 2);
    let viewable = ad.common.viewable.as_ref().expect("viewable impression");
    assert_eq!(viewable.not_viewable, ["https://t.example/unseen"]);
    assert_eq!(ad.categories[0].code, "IAB8-9");
    let creative = &ad.creatives[0];
    let id = UniversalAdId { registry: "ad-id.org".into(), value: "ABCD0002000H".into() };
    assert_eq!(creative.universal_ids, [id], "its value stands in an attribute");
    let linear = creative.linear.as_ref().expect("linear");
    assert_eq!(linear.mezzanines[0].url, "https://m.example/source.mov");
    assert_eq!(linear.interactive[0].api_framework.as_deref(), Some("SIMID"));
}

#[test]
fn version_4_1() {
    let vast = read(include_str!("samples/4.1.xml"));
    assert_eq!(vast.version, Version::V4_1);
    assert_eq!(vast.ads[0].ad_type, AdType::Audio);
    let ad = inline(&vast.ads[0]);
    assert_eq!(ad.ad_serving_id.as_deref(), Some("sample-47ed3bac"));
    assert_eq!(ad.expires, Some(3_600));
    let verification = &ad.common.verifications[0];
    assert_eq!(verification.executables[0].mime.as_deref(), Some("application/octet-stream"));
    assert_eq!(events(&verification.tracking), [&TrackingEvent::VerificationNotExecuted]);
    assert_eq!(verification.parameters.as_deref(), Some("{\"key\": \"value\"}"));
    assert!(ad.creatives[0].universal_ids.is_empty(), "`unknown` is none");
    let linear = ad.creatives[0].linear.as_ref().expect("linear");
    assert_eq!(linear.captions[0].language.as_deref(), Some("en"));
    assert_eq!(linear.media_files[0].file_size, Some(480_000));
    assert_eq!(linear.mezzanines[0].codec.as_deref(), Some("pcm"));
}

#[test]
fn version_4_2() {
    let vast = read(include_str!("samples/4.2.xml"));
    assert_eq!(vast.version, Version::V4_2);
    let ad = wrapper(&vast.ads[0]);
    assert!(!ad.follow_additional_wrappers && ad.allow_multiple_ads && ad.fallback_on_no_ad);
    assert_eq!(ad.tag_uri, "https://ads.example/?cb=[CACHEBUSTING]");
    let price = ad.common.pricing.as_ref().expect("a price").price;
    assert_eq!(price, Money::from_micros(7_123_456), "cut off behind millionths");
    let slot = "<s:slot xmlns:s=\"urn:station\" n=\"3\">late &amp; long</s:slot>";
    assert_eq!(ad.common.extensions[0].xml.as_str(), slot);
    let authorities: Vec<_> = ad.blocked_categories.iter().map(|category| category.authority.as_deref()).collect();
    assert_eq!(authorities, [Some("https://iabtechlab.com"), None]);
    let creative = &ad.creatives[0];
    let companions = creative.companions.as_ref().expect("companions");
    assert_eq!(companions.required, Required::Any);
    assert_eq!(companions.ads[0].rendering_mode, Some(RenderingMode::EndCard));
    assert_eq!(companions.ads[0].pixel_ratio.as_deref(), Some("1.5"));
    let linear = creative.linear.as_ref().expect("linear");
    assert_eq!(linear.clicks.through, Some(Beacon::new("https://shop.example/")));
    assert_eq!(creative.non_linear.as_ref().expect("non-linear").click_tracking.len(), 1);
}

#[test]
fn version_4_3_and_an_answer_without_ads() {
    let vast = read(include_str!("samples/4.3.xml"));
    assert_eq!(vast.version, Version::V4_3);
    assert!(vast.ads.is_empty());
    assert_eq!(vast.errors, ["https://t.example/none?code=[ERRORCODE]", "https://t.example/none-either"]);
}

#[test]
fn versions_are_read_as_the_nearest_that_is_known() {
    for (text, expect) in [
        ("version=\"2.0.1\"", Version::V2_0),
        ("version=\" 3.0 \"", Version::V3_0),
        ("version=\"3\"", Version::V3_0),
        ("Version='4.2.1'", Version::V4_2),
        ("version=\"4.1+\"", Version::V4_1),
        ("version=\"4.9\"", Version::V4_3),
        ("", Version::V2_0),
    ] {
        assert_eq!(read(&format!("<VAST {text}/>")).version, expect, "{text}");
    }
}

#[test]
fn what_is_no_response_is_refused_with_its_code_and_place() {
    let refused = |text: &str| parse(text.as_bytes()).expect_err(text);
    for (text, code) in [
        ("", 100),
        ("{}", 100),
        ("<VAST version=\"4.2\"><Ad></VAST>", 100),
        ("<!DOCTYPE VAST><VAST version=\"4.2\"/>", 100),
        ("<html><body/></html>", 101),
        ("<VAST version=\"5.0\"/>", 102),
        ("<VAST version=\"1.0\"/>", 102),
        ("<VAST version=\"x\"/>", 102),
        ("<VideoAdServingTemplate/>", 102),
    ] {
        assert_eq!(refused(text).code().number(), code, "{text}");
    }
    assert_eq!(refused("<?xml version='1.0'?>\n<html/>").at(), Position { byte: 22, line: 2 });
    let error = refused("<VAST version=\"4.2\">\n<Ad></VAST>");
    assert_eq!(error.at().line, 2);
    assert_eq!(
        error.to_string(),
        "not XML that is read: not well-formed: ill-formed document: expected `</Ad>`, but `</VAST>` was found (line 2, byte 25)"
    );
}

#[test]
fn a_broken_part_costs_only_itself() {
    let vast = read(
        "<VAST version='4.2'><Ad><Wrapper/></Ad><Ad><InLine><Pricing model='CPX' currency='EUR'>1</Pricing>\
         <Pricing/><Extensions><Extension><none:x/></Extension><Extension><ok/></Extension></Extensions>\
         <Creatives><Creative><Linear skipoffset='soon'><Duration>half a minute</Duration>\
         <MediaFiles><MediaFile width='wide'>https://m.example/</MediaFile><MediaFile/></MediaFiles>\
         </Linear></Creative></Creatives></InLine></Ad></VAST>",
    );
    assert_eq!(wrapper(&vast.ads[0]).tag_uri, "", "to be told as an error of that ad");
    let ad = inline(&vast.ads[1]);
    assert_eq!(ad.common.pricing, None);
    assert_eq!(ad.common.extensions.len(), 1);
    let linear = ad.creatives[0].linear.as_ref().expect("linear");
    assert_eq!((linear.duration, linear.skip_offset), (Span::ZERO, None));
    assert_eq!(linear.media_files.len(), 1);
}

#[test]
fn every_error_code_has_its_own_number() {
    let numbers: Vec<_> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(ErrorCode::MezzanineDownloading.number(), 407);
}
