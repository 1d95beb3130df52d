//! VMAP: a sample, round trips, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::{
    domain::Span,
    media::vast::{Offset, VastError, Version, tests::generate::Bytes},
};

const SAMPLE: &str = r##"<?xml version="1.0"?>
<v:VMAP xmlns:v="http://www.iab.net/videosuite/vmap" xmlns:s="urn:station" version="1.0">
  <v:AdBreak timeOffset="start" breakType="linear" breakId="opening">
    <v:AdSource id="direct" allowMultipleAds="false" followRedirects="true">
      <v:VASTAdData>
        <VAST version="3.0"><Ad id="one"><InLine><AdSystem>Sample</AdSystem><AdTitle>One</AdTitle></InLine></Ad></VAST>
      </v:VASTAdData>
    </v:AdSource>
    <v:TrackingEvents>
      <v:Tracking event="breakStart"> https://t.example/start </v:Tracking>
      <v:Tracking event="BREAKEND"><![CDATA[https://t.example/end]]></v:Tracking>
      <v:Tracking event="error">https://t.example/error?code=[ERROR_CODE]</v:Tracking>
      <v:Tracking event="somethingElse">https://t.example/else</v:Tracking>
    </v:TrackingEvents>
  </v:AdBreak>
  <v:AdBreak timeOffset="00:10:23.125" breakType="linear,nonlinear" repeatAfter="00:08:00">
    <v:AdSource><v:AdTagURI templateType="vast4"><![CDATA[https://ads.example/?a=1&b=[CACHEBUSTING]]]></v:AdTagURI></v:AdSource>
    <v:Extensions><v:Extension type="note"><s:note>late</s:note></v:Extension></v:Extensions>
  </v:AdBreak>
  <v:AdBreak timeOffset="50%" breakType="display">
    <v:AdSource><v:CustomAdData templateType="own"><![CDATA[<own/>]]></v:CustomAdData></v:AdSource>
  </v:AdBreak>
  <v:AdBreak timeOffset="#2" breakType="linear"><v:AdSource><v:VASTAdData><![CDATA[ <VAST version="4.1"/> ]]></v:VASTAdData></v:AdSource></v:AdBreak>
  <v:AdBreak timeOffset="end" breakType="linear"><v:AdSource><v:VASTAdData><VAST version="9"/></v:VASTAdData></v:AdSource></v:AdBreak>
  <v:AdBreak timeOffset="whenever" breakType="linear"/>
</v:VMAP>"##;

#[test]
fn a_document_is_read_with_all_its_kinds_of_breaks() {
    let vmap = parse(SAMPLE.as_bytes()).expect("it is a VMAP");
    let offsets: Vec<_> = vmap.breaks.iter().map(|item| item.time_offset.to_string()).collect();
    assert_eq!(offsets, ["start", "00:10:23.125", "50%", "#2", "end"], "a break without a time is none");

    let [opening, middle, half, second, last] = &vmap.breaks[..] else { panic!("five breaks") };
    let source = opening.source.as_ref().expect("ads");
    assert!(!source.allow_multiple_ads && source.follow_redirects);
    let AdData::Vast(vast) = &source.data else { panic!("VAST") };
    assert_eq!((vast.version, vast.ads.len()), (Version::V3_0, 1));
    assert_eq!(opening.urls(BreakEvent::Start).collect::<Vec<_>>(), ["https://t.example/start"]);
    assert_eq!(opening.urls(BreakEvent::End).count(), 1);
    assert_eq!(opening.urls(BreakEvent::Error).count(), 1);

    assert_eq!(middle.time_offset, TimeOffset::At(Offset::Time(Span::from_millis(623_125))));
    assert_eq!(middle.repeat_after, Some(Span::from_secs(480)));
    assert!(middle.types.linear && middle.types.non_linear && !middle.types.display);
    let source = middle.source.as_ref().expect("ads");
    assert!(source.allow_multiple_ads && source.follow_redirects, "the defaults");
    let url = "https://ads.example/?a=1&b=[CACHEBUSTING]".to_owned();
    assert_eq!(source.data, AdData::TagUri { template: Some("vast4".into()), url });
    assert_eq!(middle.extensions[0].xml.as_str(), "<s:note xmlns:s=\"urn:station\">late</s:note>");

    let custom = AdData::Custom { template: Some("own".into()), text: "<own/>".into() };
    assert_eq!(half.source.as_ref().map(|source| &source.data), Some(&custom));
    assert!(matches!(second.source.as_ref().map(|source| &source.data), Some(AdData::Vast(_))), "VAST in CDATA");
    let data = last.source.as_ref().map(|source| &source.data);
    assert!(matches!(data, Some(AdData::Unreadable(VastError::Version { .. }))), "costs only its own break");
}

#[test]
fn other_documents_are_told_apart() {
    assert!(is_vmap(SAMPLE.as_bytes()));
    for other in ["<VAST version=\"4.2\"/>", "", "{}", "<!DOCTYPE x><VMAP/>", "<html/>"] {
        assert!(!is_vmap(other.as_bytes()), "{other}");
    }
    let refused = |text: &str| parse(text.as_bytes()).expect_err(text).code();
    assert_eq!(refused("<VAST version=\"4.2\"/>"), VmapErrorCode::Schema);
    assert_eq!(refused("<VMAP version=\"2.0\"/>"), VmapErrorCode::Version);
    assert_eq!(refused("<VMAP version=\"1.0\">"), VmapErrorCode::Parsing);
}

#[test]
fn what_is_written_has_the_prefix_and_the_order_of_the_schema() {
    let source = AdSource::new(AdData::TagUri { template: Some("vast4".into()), url: "https://a.example/?a&b".into() });
    let mut item = AdBreak::linear(TimeOffset::Position(1), source);
    item.tracking = vec![BreakTracking { event: BreakEvent::Start, url: "https://a.example/s".into() }];
    let text = write(&Vmap { breaks: vec![item], extensions: Vec::new() }, Version::V4_2);
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <vmap:VMAP xmlns:vmap=\"http://www.iab.net/videosuite/vmap\" version=\"1.0\">\
         <vmap:AdBreak timeOffset=\"#1\" breakType=\"linear\">\
         <vmap:AdSource allowMultipleAds=\"true\" followRedirects=\"true\">\
         <vmap:AdTagURI templateType=\"vast4\"><![CDATA[https://a.example/?a&b]]></vmap:AdTagURI></vmap:AdSource>\
         <vmap:TrackingEvents><vmap:Tracking event=\"breakStart\"><![CDATA[https://a.example/s]]></vmap:Tracking>\
         </vmap:TrackingEvents></vmap:AdBreak></vmap:VMAP>"
    );
}

/// Any document that VMAP can say.
fn any_vmap(b: &mut Bytes<'_>) -> Vmap {
    let breaks = b.list(|b| {
        let time_offset = match b.number() % 4 {
            0 => TimeOffset::Start,
            1 => TimeOffset::End,
            2 => TimeOffset::Position(b.number() + 1),
            _ => TimeOffset::At(b.offset()),
        };
        let types = BreakTypes { linear: true, non_linear: b.bit(), display: b.bit() };
        let source = b.maybe(|b| AdSource {
            id: b.maybe(Bytes::text),
            allow_multiple_ads: b.bit(),
            follow_redirects: b.bit(),
            data: match b.number() % 3 {
                0 => AdData::Vast(Box::new(b.vast())),
                1 => AdData::TagUri { template: b.maybe(Bytes::text), url: b.text() },
                _ => AdData::Custom { template: b.maybe(Bytes::text), text: b.text() },
            },
        });
        let tracking = b.list(|b| BreakTracking {
            event: if b.bit() { BreakEvent::Error } else { BreakEvent::End },
            url: b.text(),
        });
        let (id, repeat_after) = (b.maybe(Bytes::text), b.maybe(Bytes::span));
        AdBreak { time_offset, types, id, repeat_after, source, tracking, extensions: b.list(Bytes::extension) }
    });
    Vmap { breaks, extensions: b.list(Bytes::extension) }
}

proptest! {
    #[test]
    fn what_is_written_reads_as_what_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        let vmap = any_vmap(&mut Bytes::wild(&bytes));
        let text = write(&vmap, Version::V4_2);
        prop_assert_eq!(parse(text.as_bytes()), Ok(vmap), "{}", text);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _either = (parse(&bytes), is_vmap(&bytes));
    }

    #[test]
    fn time_offsets_read_as_they_were_written(text in "(#[0-9]{1,4}|[0-9]{1,2}(\\.[0-9]{1,3})?%|[0-9]{2}:[0-5][0-9]:[0-5][0-9](\\.[0-9]{3})?|start|end)") {
        if let Ok(offset) = text.parse::<TimeOffset>() {
            prop_assert_eq!(offset.to_string().parse(), Ok(offset));
        } else {
            prop_assert!(text.trim_start_matches('#').trim_matches('0').is_empty(), "{}", text);
        }
    }
}
