//! The schemas' rules, stated by hand: which elements an element may have, in which order and how often, and which
//! attributes it must have. A document that keeps them is valid by the XSD but for the form of values.
//!
//! A rule reads like a DTD: `name: child child? child* child+ | @required`. `schemas` holds the writer against the XSDs
//! themselves, where somebody has them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quick_xml::{Reader, events::Event};

use super::{generate::Bytes, schemas::complete};
use crate::media::vast::*;

/// VAST 4.2. Elements that are not here have text only, or anything (`Extension`, `CreativeExtension`).
const V4_2: &str = "
VAST: Ad* Error* | @version
Ad: InLine? Wrapper?
InLine: AdSystem Error* Extensions? Impression+ Pricing? ViewableImpression? AdServingId AdTitle AdVerifications? Advertiser? Category* Creatives Description? Expires? Survey?
Wrapper: AdSystem Error* Extensions? Impression+ Pricing? ViewableImpression? AdVerifications? BlockedAdCategories* Creatives? VASTAdTagURI
Pricing: | @model @currency
Category: | @authority
ViewableImpression: Viewable* NotViewable* ViewUndetermined*
AdVerifications: Verification*
Verification: ExecutableResource* JavaScriptResource* TrackingEvents? VerificationParameters?
Extensions: Extension*
CreativeExtensions: CreativeExtension*
Creatives: Creative+
Creative: CompanionAds? CreativeExtensions? Linear? NonLinearAds? UniversalAdId*
UniversalAdId: | @idRegistry
Linear: Icons? TrackingEvents? AdParameters? Duration? MediaFiles? VideoClicks?
TrackingEvents: Tracking*
Tracking: | @event
MediaFiles: ClosedCaptionFiles? MediaFile+ Mezzanine* InteractiveCreativeFile*
ClosedCaptionFiles: ClosedCaptionFile*
MediaFile: | @delivery @type @width @height
Mezzanine: | @delivery @type @width @height
VideoClicks: ClickTracking* ClickThrough? CustomClick*
Icons: Icon+
Icon: HTMLResource* IFrameResource* StaticResource* IconClicks? IconViewTracking*
IconClicks: IconClickFallbackImages? IconClickThrough? IconClickTracking*
IconClickFallbackImages: IconClickFallbackImage+
IconClickFallbackImage: AltText? StaticResource?
NonLinearAds: TrackingEvents? NonLinear*
NonLinear: HTMLResource* IFrameResource* StaticResource* AdParameters? NonLinearClickThrough? NonLinearClickTracking*
CompanionAds: Companion*
Companion: HTMLResource* IFrameResource* StaticResource* AdParameters? AltText? CompanionClickThrough? CompanionClickTracking* CreativeExtensions? TrackingEvents? | @width @height
CompanionClickTracking: | @id
";

/// What older versions have otherwise, newest first.
const V4_1: &str = "
Creative: CompanionAds? CreativeExtensions? Linear? NonLinearAds? UniversalAdId?
VideoClicks: ClickTracking* CustomClick* ClickThrough?
IconClicks: IconClickThrough? IconClickTracking*
";
const V4_0: &str = "
InLine: AdSystem Error* Extensions? Impression+ Pricing? ViewableImpression? AdTitle Advertiser? Category* Creatives Description?
Wrapper: AdSystem Error* Extensions? Impression+ Pricing? ViewableImpression? Creatives? VASTAdTagURI
UniversalAdId: | @idRegistry @idValue
MediaFiles: MediaFile+ Mezzanine? InteractiveCreativeFile*
Mezzanine:
";
const V3_0: &str = "
InLine: AdSystem AdTitle Description? Advertiser? Pricing? Survey? Error? Impression+ Creatives Extensions?
Wrapper: AdSystem VASTAdTagURI Error? Impression+ Creatives Extensions?
Creatives: Creative*
Creative: Linear? CompanionAds? NonLinearAds?
Linear: Icons? CreativeExtensions? Duration? TrackingEvents? AdParameters? VideoClicks? MediaFiles?
MediaFiles: MediaFile+
VideoClicks: ClickThrough? ClickTracking* CustomClick*
Icon: StaticResource? IFrameResource? HTMLResource? IconClicks? IconViewTracking* | @program @width @height @xPosition @yPosition
IconClicks: IconClickTracking* IconClickThrough?
NonLinear: StaticResource? IFrameResource? HTMLResource? CreativeExtensions? NonLinearClickTracking* NonLinearClickThrough? AdParameters?
Companion: StaticResource? IFrameResource? HTMLResource? CreativeExtensions? TrackingEvents? CompanionClickThrough? CompanionClickTracking* AltText? AdParameters? | @width @height
CompanionClickTracking:
";
const V2_0: &str = "
VAST: Ad* | @version
Ad: InLine? Wrapper? | @id
InLine: AdSystem AdTitle Description? Survey? Error? Impression+ Creatives Extensions?
Linear: Duration? TrackingEvents? AdParameters? VideoClicks? MediaFiles?
NonLinearAds: TrackingEvents? NonLinear*
NonLinear: StaticResource? IFrameResource? HTMLResource? NonLinearClickThrough? AdParameters?
Companion: StaticResource? IFrameResource? HTMLResource? TrackingEvents? CompanionClickThrough? AltText? AdParameters? | @width @height
";

type Rules = BTreeMap<&'static str, (Vec<&'static str>, Vec<&'static str>)>;

fn rules(version: Version) -> Rules {
    let older = [(Version::V4_1, V4_1), (Version::V4_0, V4_0), (Version::V3_0, V3_0), (Version::V2_0, V2_0)];
    let texts = older.into_iter().filter(|(since, _)| version <= *since).map(|(_, text)| text);
    let mut rules = Rules::new();
    for line in std::iter::once(V4_2).chain(texts).flat_map(str::lines).filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once(':').expect("a name");
        let (children, attributes) = rest.split_once('|').unwrap_or((rest, ""));
        let attributes = attributes.split_whitespace().map(|name| name.trim_start_matches('@')).collect();
        rules.insert(name, (children.split_whitespace().collect(), attributes));
    }
    rules
}

/// The first rule that a document breaks.
fn broken(text: &str, rules: &Rules) -> Option<String> {
    let mut reader = Reader::from_str(text);
    // Names of open elements, each with its children so far; `None` where anything goes.
    let mut open: Vec<(String, Vec<String>)> = Vec::new();
    let mut anything = 0;
    loop {
        match reader.read_event().expect("well-formed") {
            event @ (Event::Start(_) | Event::Empty(_)) => {
                let empty = matches!(event, Event::Empty(_));
                let (Event::Start(tag) | Event::Empty(tag)) = event else { unreachable!("matched above") };
                if anything > 0 {
                    anything += usize::from(!empty);
                    continue;
                }
                let name = tag.name().into_inner().to_owned();
                let given: Vec<String> =
                    tag.attributes().map(|key| key.expect("an attribute").key.into_inner().to_owned()).collect();
                if let Some((_, required)) = rules.get(&*name)
                    && let Some(missing) = required.iter().find(|required| !given.iter().any(|name| name == *required))
                {
                    return Some(format!("{name} without {missing}"));
                }
                open.last_mut().into_iter().for_each(|(_, children)| children.push(name.clone()));
                if name.ends_with("Extension") {
                    anything += usize::from(!empty);
                    continue;
                }
                if let Some(wrong) = empty.then(|| out_of_order(&name, &[], rules)).flatten() {
                    return Some(wrong);
                }
                if !empty {
                    open.push((name, Vec::new()));
                }
            }
            Event::End(_) if anything > 0 => anything -= 1,
            Event::End(_) => {
                let (name, children) = open.pop()?;
                if let Some(wrong) = out_of_order(&name, &children, rules) {
                    return Some(wrong);
                }
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn out_of_order(name: &str, children: &[String], rules: &Rules) -> Option<String> {
    let mut left = children;
    for rule in rules.get(name).map(|(allowed, _)| allowed.as_slice()).unwrap_or_default() {
        let child = rule.trim_end_matches(['?', '*', '+']);
        let count = left.iter().take_while(|name| *name == child).count();
        let allowed = match rule.strip_prefix(child) {
            Some("?") => count <= 1,
            Some("*") => true,
            Some("+") => count >= 1,
            _ => count == 1,
        };
        if !allowed {
            return Some(format!("{count} {child} in {name}: {children:?}"));
        }
        left = &left[count..];
    }
    (!left.is_empty()).then(|| format!("{} in {name}: {children:?}", left[0]))
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let rules = rules(Version::V4_2);
    let ad = |inside: &str| format!("<VAST version='4.2'><Ad><Wrapper>{inside}</Wrapper></Ad></VAST>");
    let right = "<AdSystem/><Error/><Impression/><VASTAdTagURI/>";
    assert_eq!(broken(&ad(right), &rules), None);
    for wrong in [
        "<AdSystem/><Impression/><Error/><VASTAdTagURI/>",
        "<AdSystem/><VASTAdTagURI/>",
        "<AdSystem/><Impression/><VASTAdTagURI/><VASTAdTagURI/>",
        "<AdSystem/><Impression/><Other/><VASTAdTagURI/>",
        "<AdSystem/><Impression/><Pricing model='CPM'/><VASTAdTagURI/>",
    ] {
        assert!(broken(&ad(wrong), &rules).is_some(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_keeps_the_rules_of_its_version(bytes in proptest::collection::vec(any::<u8>(), 100..3_000)) {
        let vast = Bytes::wild(&bytes).vast();
        for version in Version::ALL {
            let text = write(&complete(vast.clone(), version), version);
            prop_assert_eq!(broken(&text, &rules(version)), None, "{:?}: {}", version, text);
        }
    }
}

/// The parts that are the writer's own decision, version by version.
#[test]
fn what_a_version_lacks_is_left_out_or_put_where_it_has_a_place() {
    let creative = Creative {
        universal_ids: vec![UniversalAdId { registry: "ad-id.org".into(), value: "ABCD0001000H".into() }],
        linear: Some(Linear {
            skip_offset: Some(Offset::Percent(50_000)),
            media_files: vec![MediaFile {
                mime: "video/mp4".into(),
                url: "https://m.example/".into(),
                ..Default::default()
            }],
            tracking: vec![
                Tracking { event: TrackingEvent::PlayerExpand, url: "https://t.example/".into() },
                Tracking { event: TrackingEvent::Other("own".into()), url: "https://t.example/".into() },
            ],
            ..Linear::default()
        }),
        companions: Some(CompanionAds::default()),
        ..Creative::default()
    };
    let common = Common { verifications: vec![Verification::default()], ..Common::default() };
    let inline = InLine {
        common,
        categories: vec![Category { authority: None, code: "IAB1".into() }],
        creatives: vec![creative],
        ..InLine::default()
    };
    let vast = Vast { ads: vec![Ad::inline(inline)], errors: vec!["https://e.example/".into()], ..Vast::default() };
    let in_extension =
        "<Extension type=\"AdVerifications\"><AdVerifications><Verification/></AdVerifications></Extension>";
    for (text, since, until) in [
        ("xmlns=\"http://www.iab.com/VAST\"", Version::V4_0, Version::V4_3),
        ("<Ad id=\"\">", Version::V2_0, Version::V2_0),
        ("<UniversalAdId idRegistry=\"ad-id.org\" idValue=\"ABCD0001000H\">", Version::V4_0, Version::V4_0),
        ("<UniversalAdId idRegistry=\"ad-id.org\">ABCD0001000H</UniversalAdId>", Version::V4_1, Version::V4_3),
        ("AdID=\"ABCD0001000H\"", Version::V2_0, Version::V3_0),
        ("<Category authority=\"\">IAB1</Category>", Version::V4_0, Version::V4_3),
        ("<Impression><![CDATA[about:blank]]></Impression>", Version::V2_0, Version::V4_3),
        ("skipoffset=\"50%\"", Version::V3_0, Version::V4_3),
        ("event=\"fullscreen\"", Version::V2_0, Version::V3_0),
        ("event=\"playerExpand\"", Version::V4_0, Version::V4_3),
        (in_extension, Version::V2_0, Version::V4_0),
        ("<AdTitle/><AdVerifications><Verification/></AdVerifications>", Version::V4_1, Version::V4_3),
        ("</Creative><Creative", Version::V2_0, Version::V3_0),
    ] {
        for version in Version::ALL {
            let expect = since <= version && version <= until;
            let written = write(&vast, version);
            assert_eq!(written.contains(text), expect, "{text} in {version:?}: {written}");
            assert!(!written.contains("e.example"), "a response with ads has no errors of its own");
            assert!(!written.contains("\"own\""), "no version lists it");
        }
    }
}
