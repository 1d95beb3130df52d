//! A filled break as a VAST document. Pure.
//!
//! What campaigns are called and cost is between the tenant and its customers: anybody can ask for this document.

use crate::{
    domain::{EventType, ImageCreative, Span},
    http::ads::{Filled, Links, Media, ShownAd, ShownCompanion, variants},
    media::vast::{
        Ad, AdSystem, Beacon, Common, Companion, CompanionAds, Creative, Delivery, InLine, Linear, MediaFile,
        NonLinear, NonLinearAds, Resource, Tracking, TrackingEvent, UniversalAdId, Vast, VideoClicks,
    },
    stitch::ladder,
    tracking::Showing,
};

const HLS: &str = "application/vnd.apple.mpegurl";

/// Who gives our creatives their names.
const REGISTRY: &str = "cuetone";

/// What players report of a linear ad besides the impression (4.2 section 3.14.1).
const EVENTS: [(TrackingEvent, EventType); 5] = [
    (TrackingEvent::Start, EventType::Start),
    (TrackingEvent::FirstQuartile, EventType::FirstQuartile),
    (TrackingEvent::Midpoint, EventType::Midpoint),
    (TrackingEvent::ThirdQuartile, EventType::ThirdQuartile),
    (TrackingEvent::Complete, EventType::Complete),
];

/// The ads in play order, or a "no ad" answer that says where to report it.
pub fn document(filled: &Filled, links: &Links) -> Vast {
    let pod = filled.ads.len() > 1;
    let ads = filled.ads.iter().map(|shown| Ad {
        id: Some(shown.ad.slug.to_string()),
        // An ad by itself stands alone: players that know no pods play it, too.
        sequence: pod.then(|| u32::from(shown.showing.position) + 1),
        ..Ad::inline(inline(shown, links))
    });
    let ads: Vec<Ad> = ads.collect();
    let errors = if ads.is_empty() { vec![error(&filled.nothing, links)] } else { Vec::new() };
    Vast { errors, ads, ..Vast::default() }
}

fn inline(shown: &ShownAd, links: &Links) -> InLine {
    let main = match &shown.media {
        Media::Stream { url, creative } => stream(shown, url, creative, links),
        Media::Picture(picture) => overlay(shown, picture, links),
    };
    InLine {
        common: Common {
            system: AdSystem { name: "Cuetone".to_owned(), version: Some(env!("CARGO_PKG_VERSION").to_owned()) },
            impressions: vec![Beacon::new(links.pixel(&shown.showing, EventType::Impression))],
            errors: vec![error(&shown.showing, links)],
            ..Common::default()
        },
        ad_serving_id: Some(links.serving_id(&shown.showing)),
        title: shown.ad.name.clone(),
        expires: Some(links.life()),
        creatives: [main].into_iter().chain(companions(&shown.companions, links)).collect(),
        ..InLine::default()
    }
}

/// The player puts in what went wrong.
fn error(showing: &Showing, links: &Links) -> String {
    format!("{}?code=[ERRORCODE]", links.pixel(showing, EventType::Error))
}

fn stream(shown: &ShownAd, url: &str, creative: &ladder::Creative, links: &Links) -> Creative {
    let tracking = EVENTS.map(|(event, counted)| Tracking { event, url: links.pixel(&shown.showing, counted) });
    let through = shown.ad.click_through_url.as_ref().map(|to| Beacon::new(links.click(&shown.showing, to)));
    let linear = Linear {
        duration: whole_millis(shown.duration),
        media_files: vec![media_file(url, creative)],
        tracking: tracking.into(),
        clicks: VideoClicks { through, ..VideoClicks::default() },
        ..Linear::default()
    };
    Creative { linear: Some(linear), ..named(shown.ad.slug.as_str(), &creative.id) }
}

/// One file for the whole ladder: players choose in it.
fn media_file(url: &str, creative: &ladder::Creative) -> MediaFile {
    let largest = variants(creative).filter_map(|rung| rung.spec.resolution).max().unwrap_or_default();
    // A media playlist that stands alone has no bandwidth; 1 stands for that.
    let rates = || variants(creative).map(|rung| rung.spec.bandwidth).filter(|rate| *rate > 1);
    let kilobits = |rate: u64| u32::try_from(rate.div_ceil(1_000)).unwrap_or(u32::MAX);
    let (lowest, highest) = (rates().min().map(kilobits), rates().max().map(kilobits));
    let ladder = lowest != highest;
    MediaFile {
        delivery: Delivery::Streaming,
        mime: HLS.to_owned(),
        width: largest.0,
        height: largest.1,
        // Either the one rate, or both ends (section 3.9.1).
        bitrate: highest.filter(|_| !ladder),
        min_bitrate: lowest.filter(|_| ladder),
        max_bitrate: highest.filter(|_| ladder),
        scalable: Some(true),
        maintain_aspect_ratio: Some(true),
        url: url.to_owned(),
        ..MediaFile::default()
    }
}

fn overlay(shown: &ShownAd, picture: &ImageCreative, links: &Links) -> Creative {
    let ad = NonLinear {
        id: Some(shown.ad.slug.to_string()),
        width: picture.width,
        height: picture.height,
        scalable: Some(true),
        maintain_aspect_ratio: Some(true),
        min_suggested_duration: Some(whole_millis(shown.duration)),
        resources: vec![resource(picture)],
        click_through: shown.ad.click_through_url.as_ref().map(|to| links.click(&shown.showing, to)),
        ..NonLinear::default()
    };
    let seen = Tracking { event: TrackingEvent::CreativeView, url: links.pixel(&shown.showing, EventType::Start) };
    let ads = NonLinearAds { tracking: vec![seen], ads: vec![ad] };
    Creative { non_linear: Some(ads), ..named(shown.ad.slug.as_str(), shown.ad.slug.as_str()) }
}

fn companions(shown: &[ShownCompanion], links: &Links) -> Option<Creative> {
    let first = shown.first()?;
    let ads = shown.iter().map(|companion| Companion {
        id: Some(companion.ad.slug.to_string()),
        width: companion.picture.width,
        height: companion.picture.height,
        resources: vec![resource(&companion.picture)],
        alt_text: Some(companion.ad.name.clone()),
        click_through: companion.ad.click_through_url.as_ref().map(|to| links.click(&companion.showing, to)),
        tracking: vec![Tracking {
            event: TrackingEvent::CreativeView,
            url: links.pixel(&companion.showing, EventType::Impression),
        }],
        ..Companion::default()
    });
    let companions = CompanionAds { ads: ads.collect(), ..CompanionAds::default() };
    let name = first.ad.slug.as_str();
    Some(Creative { companions: Some(companions), ..named(name, name) })
}

/// Shown together: both parts of an ad have the sequence 1 (section 3.7).
fn named(id: &str, universal: &str) -> Creative {
    Creative {
        id: Some(id.to_owned()),
        sequence: Some(1),
        ad_id: Some(id.to_owned()),
        universal_ids: vec![UniversalAdId { registry: REGISTRY.to_owned(), value: universal.to_owned() }],
        ..Creative::default()
    }
}

fn resource(picture: &ImageCreative) -> Resource {
    Resource::Static { mime: picture.media_type.clone(), url: picture.url.clone() }
}

fn whole_millis(span: Span) -> Span {
    Span::from_millis(span.as_millis())
}
