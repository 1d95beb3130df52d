//! From the model to text: the response, and what the schemas of all versions have in common.
//!
//! The schemas of 4.x and those before differ in the order of elements and in what an ad may have, so each family has a
//! file that reads like its schema. Both follow the XSDs where these are at one with the text of the specification;
//! where the 3.0 draft XSD lacks what its text has (error URLs of a response, attributes of wrappers), the text.

mod legacy;
mod modern;

use super::{
    AdContent, AdParameters, AdType, Beacon, Common, Delivery, Extension, Icon, IconPosition, PricingModel, Required,
    Resource, Tracking, TrackingEvent, Vast, Verification, Version, VideoClicks, model::Ad, read::is_attribute_name,
    value::Time,
};
use crate::{
    domain::Span,
    media::xml::{Attributes, Writer, attributes},
};

/// Writes a response as a document of a version, whatever version it was read from.
///
/// What the version does not have is left out, or put where it has a place: verifications go into an extension before
/// 4.1, a creative's universal id into `AdID` before 4.0. The result is valid if each InLine ad has a creative, each
/// linear creative a media file, and each wrapper an address.
pub fn write(vast: &Vast, version: Version) -> String {
    let mut w = Writer::document();
    element(&mut w, vast, version);
    w.finish()
}

/// The element `VAST` alone, to stand in another document.
pub(in crate::media) fn element(w: &mut Writer, vast: &Vast, version: Version) {
    let root = attributes().with("version", version.as_str());
    let root = root.when(version >= Version::V4_0, |root| root.with("xmlns", "http://www.iab.com/VAST"));
    w.element("VAST", root, |w| {
        for ad in &vast.ads {
            write_ad(w, ad, version);
        }
        // A response has ads or errors, not both.
        if vast.ads.is_empty() && version >= Version::V3_0 {
            w.cdatas("Error", only_first(&vast.errors, version));
        }
    });
}

fn write_ad(w: &mut Writer, ad: &Ad, version: Version) {
    let head = attributes()
        .maybe("id", ad.id.as_deref().or((version == Version::V2_0).then_some("")))
        .when(version >= Version::V3_0, |head| head.maybe("sequence", ad.sequence))
        .when(version >= Version::V4_0 && ad.conditional, |head| head.with("conditionalAd", true))
        .when(version >= Version::V4_1 && ad.ad_type != AdType::Video, |head| {
            head.with("adType", if ad.ad_type == AdType::Audio { "audio" } else { "hybrid" })
        });
    w.element("Ad", head, |w| match (&ad.content, version >= Version::V4_0) {
        (AdContent::InLine(inline), true) => modern::inline(w, inline, version),
        (AdContent::InLine(inline), false) => legacy::inline(w, inline, version),
        (AdContent::Wrapper(wrapper), true) => modern::wrapper(w, wrapper, version),
        (AdContent::Wrapper(wrapper), false) => legacy::wrapper(w, wrapper, version),
    });
}

/// Error URLs: one before 4.0.
fn only_first(urls: &[String], version: Version) -> &[String] {
    if version < Version::V4_0 { urls.get(..1).unwrap_or_default() } else { urls }
}

fn system(w: &mut Writer, common: &Common) {
    w.text("AdSystem", attributes().maybe("version", common.system.version.as_ref()), &common.system.name);
}

/// At least one is required: `about:blank` says that there is none.
fn impressions(w: &mut Writer, common: &Common, with_ids: bool) {
    if common.impressions.is_empty() {
        w.cdata("Impression", attributes(), "about:blank");
    }
    for beacon in &common.impressions {
        let id = beacon.id.as_ref().filter(|_| with_ids);
        w.cdata("Impression", attributes().maybe("id", id), &beacon.url);
    }
}

fn pricing(w: &mut Writer, common: &Common, version: Version) {
    let Some(pricing) = &common.pricing else { return };
    let model = match pricing.model {
        PricingModel::Cpm => "CPM",
        PricingModel::Cpc => "CPC",
        PricingModel::Cpe => "CPE",
        PricingModel::Cpv => "CPV",
    };
    let model = if version < Version::V4_0 { model.to_ascii_lowercase() } else { model.to_owned() };
    let head = attributes().with("model", model).with("currency", &pricing.currency);
    w.text("Pricing", head, &pricing.price.to_string());
}

/// All extensions; before 4.1 the verifications too.
fn extensions(w: &mut Writer, common: &Common, version: Version) {
    w.list("Extensions", |w| {
        for item in &common.extensions {
            extension(w, "Extension", item);
        }
        if version < Version::V4_1 && !common.verifications.is_empty() {
            w.element("Extension", attributes().with("type", "AdVerifications"), |w| {
                verifications(w, &common.verifications);
            });
        }
    });
}

fn creative_extensions(w: &mut Writer, items: &[Extension]) {
    w.list("CreativeExtensions", |w| items.iter().for_each(|item| extension(w, "CreativeExtension", item)));
}

pub(in crate::media) fn extension(w: &mut Writer, name: &str, item: &Extension) {
    let mut head = attributes().maybe("type", item.kind.as_ref());
    for (key, value) in item.attributes.iter().filter(|(key, _)| key != "type" && is_attribute_name(key)) {
        head = head.with(key, value);
    }
    w.element(name, head, |w| w.raw(&item.xml));
}

fn verifications(w: &mut Writer, items: &[Verification]) {
    w.list("AdVerifications", |w| {
        for item in items {
            w.element("Verification", attributes().maybe("vendor", item.vendor.as_ref()), |w| {
                for resource in &item.executables {
                    let head = attributes().maybe("apiFramework", resource.api_framework.as_ref());
                    w.cdata("ExecutableResource", head.maybe("type", resource.mime.as_ref()), &resource.url);
                }
                for resource in &item.javascript {
                    let head = attributes().maybe("apiFramework", resource.api_framework.as_ref());
                    let head = head.maybe("browserOptional", resource.browser_optional);
                    w.cdata("JavaScriptResource", head, &resource.url);
                }
                // Any event may be named here.
                tracking_named(w, &item.tracking, TrackingEvent::as_str);
                maybe_cdata(w, "VerificationParameters", item.parameters.as_deref());
            });
        }
    });
}

fn tracking(w: &mut Writer, items: &[Tracking], version: Version) {
    tracking_named(w, items, |event| event.name(version).unwrap_or_default());
}

fn tracking_named(w: &mut Writer, items: &[Tracking], name: impl Fn(&TrackingEvent) -> &str) {
    w.list("TrackingEvents", |w| {
        for item in items {
            let event = name(&item.event);
            if event.is_empty() {
                continue;
            }
            let offset = if let TrackingEvent::Progress(offset) = &item.event { Some(offset) } else { None };
            w.cdata("Tracking", attributes().with("event", event).maybe("offset", offset), &item.url);
        }
    });
}

fn beacons(w: &mut Writer, name: &str, items: &[Beacon]) {
    for item in items {
        w.cdata(name, attributes().maybe("id", item.id.as_ref()), &item.url);
    }
}

/// Where the schema has no ids.
fn urls(w: &mut Writer, name: &str, items: &[Beacon]) {
    for item in items {
        w.cdata(name, attributes(), &item.url);
    }
}

fn maybe_text(w: &mut Writer, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        w.text(name, attributes(), text);
    }
}

fn maybe_cdata(w: &mut Writer, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        w.cdata(name, attributes(), text);
    }
}

fn ad_parameters(w: &mut Writer, parameters: Option<&AdParameters>, version: Version) {
    let Some(parameters) = parameters else { return };
    let encoded = (version >= Version::V3_0 && parameters.xml_encoded).then_some(true);
    w.cdata("AdParameters", attributes().maybe("xmlEncoded", encoded), &parameters.text);
}

fn resource(w: &mut Writer, resource: &Resource) {
    match resource {
        Resource::Html(html) => w.cdata("HTMLResource", attributes(), html),
        Resource::IFrame(url) => w.cdata("IFrameResource", attributes(), url),
        Resource::Static { mime, url } => w.cdata("StaticResource", attributes().with("creativeType", mime), url),
    }
}

fn click_through(w: &mut Writer, clicks: &VideoClicks) {
    if let Some(through) = &clicks.through {
        w.cdata("ClickThrough", attributes().maybe("id", through.id.as_ref()), &through.url);
    }
}

fn icon_attributes(icon: &Icon, version: Version) -> Attributes {
    let position = |position: Option<IconPosition>, near: &str, far: &str| {
        position.map(|position| match position {
            IconPosition::Pixels(pixels) => pixels.to_string(),
            IconPosition::Near => near.to_owned(),
            IconPosition::Far => far.to_owned(),
        })
    };
    attributes()
        .maybe("program", icon.program.as_ref())
        .maybe("width", icon.width)
        .maybe("height", icon.height)
        .maybe("xPosition", position(icon.x, "left", "right"))
        .maybe("yPosition", position(icon.y, "top", "bottom"))
        .maybe("duration", icon.duration.map(time_of_day))
        .maybe("offset", icon.offset.map(time_of_day))
        .maybe("apiFramework", icon.api_framework.as_ref())
        .when(version >= Version::V4_0, |head| head.maybe("pxratio", icon.pixel_ratio.as_ref()))
}

fn required(required: Required) -> Option<&'static str> {
    match required {
        Required::All => Some("all"),
        Required::Any => Some("any"),
        Required::None => None,
    }
}

fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Progressive => "progressive",
        Delivery::Streaming => "streaming",
    }
}

/// The schemas have durations as `xs:time`, which ends before a day does.
fn time_of_day(span: Span) -> Time {
    const LAST: Span = Span::from_millis(86_399_999);
    Time(span.min(LAST))
}
