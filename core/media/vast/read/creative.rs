//! From elements to the model: creatives and all in them.

use super::{ad_parameters, beacon, beacons, extensions, tracking, urls};
use crate::{
    domain::Span,
    media::{
        vast::{
            ClosedCaptionFile, Companion, CompanionAds, Creative, Delivery, FallbackImage, Icon, IconPosition,
            InteractiveFile, Linear, MediaFile, Mezzanine, NonLinear, NonLinearAds, RenderingMode, Required, Resource,
            UniversalAdId, VideoClicks, WrapperCreative, WrapperLinear, WrapperNonLinear,
            value::{offset, time},
        },
        xml::Element,
    },
};

pub(super) fn creative(element: &Element) -> Creative {
    // Within the linear part in 3.0.
    let places = [Some(element), element.first("Linear")].into_iter().flatten();
    Creative {
        id: element.owned("id"),
        sequence: element.number("sequence"),
        ad_id: element.owned("adId"),
        api_framework: element.owned("apiFramework"),
        universal_ids: element.all("UniversalAdId").filter_map(universal_id).collect(),
        linear: element.first("Linear").map(linear),
        non_linear: element.first("NonLinearAds").map(non_linear_ads),
        companions: element.first("CompanionAds").map(companion_ads),
        extensions: places.flat_map(|place| extensions(place, "CreativeExtensions", "CreativeExtension")).collect(),
    }
}

pub(super) fn wrapper_creative(element: &Element) -> WrapperCreative {
    WrapperCreative {
        id: element.owned("id"),
        sequence: element.number("sequence"),
        ad_id: element.owned("adId"),
        linear: element.first("Linear").map(|linear| WrapperLinear {
            tracking: tracking(linear),
            clicks: video_clicks(linear),
            icons: icons(linear),
        }),
        non_linear: element.first("NonLinearAds").map(|ads| WrapperNonLinear {
            tracking: tracking(ads),
            click_tracking: ads.all("NonLinear").flat_map(|ad| beacons(ad, "NonLinearClickTracking")).collect(),
        }),
        companions: element.first("CompanionAds").map(companion_ads),
    }
}

/// 4.0 has the value in an attribute too, some servers only there. `unknown` stands for none (3.7.1).
fn universal_id(element: &Element) -> Option<UniversalAdId> {
    let text = Some(element.text.as_str()).filter(|text| !is_unknown(text));
    let value = text.or(element.attribute("idValue")).filter(|value| !is_unknown(value))?;
    Some(UniversalAdId {
        registry: element.attribute("idRegistry").unwrap_or("unknown").to_owned(),
        value: value.into(),
    })
}

fn is_unknown(value: &str) -> bool {
    value.is_empty() || value.eq_ignore_ascii_case("unknown")
}

fn linear(element: &Element) -> Linear {
    let media = "MediaFiles";
    let captions = element.all(media).flat_map(|files| files.all_in("ClosedCaptionFiles", "ClosedCaptionFile"));
    Linear {
        duration: element.text_of("Duration").and_then(|text| time(&text)).unwrap_or(Span::ZERO),
        skip_offset: element.attribute("skipoffset").and_then(offset),
        ad_parameters: ad_parameters(element),
        media_files: with_text(element.all_in(media, "MediaFile")).map(media_file).collect(),
        mezzanines: with_text(element.all_in(media, "Mezzanine")).map(mezzanine).collect(),
        interactive: with_text(element.all_in(media, "InteractiveCreativeFile"))
            .map(|file| InteractiveFile {
                mime: file.owned("type"),
                api_framework: file.owned("apiFramework"),
                variable_duration: file.boolean("variableDuration"),
                url: file.text.clone(),
            })
            .collect(),
        captions: with_text(captions)
            .map(|file| ClosedCaptionFile {
                mime: file.owned("type"),
                language: file.owned("language"),
                url: file.text.clone(),
            })
            .collect(),
        tracking: tracking(element),
        clicks: video_clicks(element),
        icons: icons(element),
    }
}

fn with_text<'a>(elements: impl Iterator<Item = &'a Element>) -> impl Iterator<Item = &'a Element> {
    elements.filter(|element| !element.text.is_empty())
}

fn media_file(file: &Element) -> MediaFile {
    MediaFile {
        id: file.owned("id"),
        delivery: delivery(file),
        mime: file.owned("type").unwrap_or_default(),
        width: file.number("width").unwrap_or(0),
        height: file.number("height").unwrap_or(0),
        codec: file.owned("codec"),
        bitrate: file.number("bitrate"),
        min_bitrate: file.number("minBitrate"),
        max_bitrate: file.number("maxBitrate"),
        scalable: file.boolean("scalable"),
        maintain_aspect_ratio: file.boolean("maintainAspectRatio"),
        file_size: file.number("fileSize"),
        media_type: file.owned("mediaType"),
        api_framework: file.owned("apiFramework"),
        url: file.text.clone(),
    }
}

fn mezzanine(file: &Element) -> Mezzanine {
    Mezzanine {
        id: file.owned("id"),
        delivery: delivery(file),
        mime: file.owned("type").unwrap_or_default(),
        width: file.number("width").unwrap_or(0),
        height: file.number("height").unwrap_or(0),
        codec: file.owned("codec"),
        file_size: file.number("fileSize"),
        media_type: file.owned("mediaType"),
        url: file.text.clone(),
    }
}

fn delivery(file: &Element) -> Delivery {
    match file.attribute("delivery") {
        Some(delivery) if delivery.eq_ignore_ascii_case("streaming") => Delivery::Streaming,
        _ => Delivery::Progressive,
    }
}

fn video_clicks(element: &Element) -> VideoClicks {
    let all = |name| element.all("VideoClicks").flat_map(move |clicks| beacons(clicks, name)).collect();
    let through = element.all("VideoClicks").flat_map(|clicks| with_text(clicks.all("ClickThrough")));
    VideoClicks { through: through.map(beacon).next(), tracking: all("ClickTracking"), custom: all("CustomClick") }
}

fn icons(element: &Element) -> Vec<Icon> {
    element.all_in("Icons", "Icon").map(icon).collect()
}

fn icon(element: &Element) -> Icon {
    let position = |attribute, near, far| {
        let text = element.attribute(attribute)?;
        match text.to_ascii_lowercase().as_str() {
            name if name == near => Some(IconPosition::Near),
            name if name == far => Some(IconPosition::Far),
            _ => element.number(attribute).map(IconPosition::Pixels),
        }
    };
    let clicks = || element.all("IconClicks");
    let fallbacks = clicks().flat_map(|clicks| clicks.all_in("IconClickFallbackImages", "IconClickFallbackImage"));
    Icon {
        program: element.owned("program"),
        width: element.number("width"),
        height: element.number("height"),
        x: position("xPosition", "left", "right"),
        y: position("yPosition", "top", "bottom"),
        duration: element.attribute("duration").and_then(time),
        offset: element.attribute("offset").and_then(time),
        api_framework: element.owned("apiFramework"),
        pixel_ratio: pixel_ratio(element),
        resources: resources(element),
        click_through: clicks().find_map(|clicks| clicks.text_of("IconClickThrough")),
        click_tracking: clicks().flat_map(|clicks| beacons(clicks, "IconClickTracking")).collect(),
        view_tracking: urls(element, "IconViewTracking"),
        fallback_images: fallbacks
            .map(|image| FallbackImage {
                width: image.number("width"),
                height: image.number("height"),
                alt_text: image.text_of("AltText"),
                url: image.text_of("StaticResource"),
            })
            .collect(),
    }
}

/// A decimal without sign; what is none is left out, as it could not be written again.
fn pixel_ratio(element: &Element) -> Option<String> {
    let is_decimal = |text: &&str| {
        text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && text.matches('.').count() < 2
            && text.starts_with(|c: char| c.is_ascii_digit())
    };
    element.attribute("pxratio").filter(is_decimal).map(str::to_owned)
}

fn resources(element: &Element) -> Vec<Resource> {
    let resource = |element: &Element| match element.name.to_ascii_lowercase().as_str() {
        "htmlresource" if element.boolean("xmlEncoded") == Some(true) => Some(Resource::Html(decoded(&element.text))),
        "htmlresource" => Some(Resource::Html(element.text.clone())),
        "iframeresource" => Some(Resource::IFrame(element.text.clone())),
        "staticresource" => {
            let mime = element.owned("creativeType").unwrap_or_default();
            Some(Resource::Static { mime, url: element.text.clone() })
        }
        _ => None,
    };
    with_text(element.children.iter()).filter_map(resource).collect()
}

/// HTML that was escaped once more than XML asks for (`xmlEncoded`, before 4.0).
fn decoded(text: &str) -> String {
    quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), |text| text.trim().to_owned())
}

fn non_linear_ads(element: &Element) -> NonLinearAds {
    let ads = element.all("NonLinear").map(|ad| NonLinear {
        id: ad.owned("id"),
        width: ad.number("width").unwrap_or(0),
        height: ad.number("height").unwrap_or(0),
        expanded_width: ad.number("expandedWidth"),
        expanded_height: ad.number("expandedHeight"),
        scalable: ad.boolean("scalable"),
        maintain_aspect_ratio: ad.boolean("maintainAspectRatio"),
        min_suggested_duration: ad.attribute("minSuggestedDuration").and_then(time),
        api_framework: ad.owned("apiFramework"),
        resources: resources(ad),
        ad_parameters: ad_parameters(ad),
        click_through: ad.text_of("NonLinearClickThrough"),
        click_tracking: beacons(ad, "NonLinearClickTracking"),
    });
    NonLinearAds { tracking: tracking(element), ads: ads.collect() }
}

fn companion_ads(element: &Element) -> CompanionAds {
    let required = match element.attribute("required").map(str::to_ascii_lowercase).as_deref() {
        Some("all") => Required::All,
        Some("any") => Required::Any,
        _ => Required::None,
    };
    CompanionAds { required, ads: element.all("Companion").map(companion).collect() }
}

fn companion(element: &Element) -> Companion {
    let rendering_mode = match element.attribute("renderingMode").map(str::to_ascii_lowercase).as_deref() {
        Some("default") => Some(RenderingMode::Default),
        Some("end-card") => Some(RenderingMode::EndCard),
        Some("concurrent") => Some(RenderingMode::Concurrent),
        _ => None,
    };
    Companion {
        id: element.owned("id"),
        width: element.number("width").unwrap_or(0),
        height: element.number("height").unwrap_or(0),
        asset_width: element.number("assetWidth"),
        asset_height: element.number("assetHeight"),
        expanded_width: element.number("expandedWidth"),
        expanded_height: element.number("expandedHeight"),
        api_framework: element.owned("apiFramework"),
        ad_slot_id: element.owned("adSlotId"),
        pixel_ratio: pixel_ratio(element),
        rendering_mode,
        resources: resources(element),
        ad_parameters: ad_parameters(element),
        alt_text: element.text_of("AltText"),
        click_through: element.text_of("CompanionClickThrough"),
        click_tracking: beacons(element, "CompanionClickTracking"),
        tracking: tracking(element),
        extensions: extensions(element, "CreativeExtensions", "CreativeExtension"),
    }
}
