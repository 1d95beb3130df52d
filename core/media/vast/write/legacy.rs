//! VAST 2.0 and 3.0, element by element in the order of their schemas. A creative has one part, so one of 4.x that has
//! several becomes several.

use super::{
    ad_parameters, beacons, click_through, creative_extensions, delivery, extensions, icon_attributes, impressions,
    maybe_cdata, maybe_text, only_first, pricing, required, resource, system, time_of_day, tracking, urls,
};
use crate::media::{
    vast::{
        Companion, CompanionAds, Creative, Extension, Icon, InLine, Linear, NonLinear, Version, VideoClicks, Wrapper,
        WrapperCreative, WrapperNonLinear,
    },
    xml::{Attributes, Writer, attributes},
};

pub(super) fn inline(w: &mut Writer, inline: &InLine, version: Version) {
    w.element("InLine", attributes(), |w| {
        system(w, &inline.common);
        w.text("AdTitle", attributes(), &inline.title);
        maybe_text(w, "Description", inline.description.as_deref());
        if version >= Version::V3_0 {
            maybe_text(w, "Advertiser", inline.advertiser.as_deref());
            pricing(w, &inline.common, version);
        }
        w.cdatas("Error", only_first(&inline.common.errors, version));
        impressions(w, &inline.common, true);
        w.element("Creatives", attributes(), |w| inline.creatives.iter().for_each(|item| creative(w, item, version)));
        extensions(w, &inline.common, version);
    });
}

pub(super) fn wrapper(w: &mut Writer, wrapper: &Wrapper, version: Version) {
    let flags = attributes().when(version >= Version::V3_0, |flags| {
        flags
            .maybe("followAdditionalWrappers", (!wrapper.follow_additional_wrappers).then_some(false))
            .maybe("allowMultipleAds", wrapper.allow_multiple_ads.then_some(true))
            .maybe("fallbackOnNoAd", wrapper.fallback_on_no_ad.then_some(true))
    });
    w.element("Wrapper", flags, |w| {
        system(w, &wrapper.common);
        w.cdata("VASTAdTagURI", attributes(), &wrapper.tag_uri);
        w.cdatas("Error", only_first(&wrapper.common.errors, version));
        impressions(w, &wrapper.common, false);
        w.element("Creatives", attributes(), |w| {
            wrapper.creatives.iter().for_each(|item| wrapper_creative(w, item, version));
        });
        extensions(w, &wrapper.common, version);
    });
}

fn creative(w: &mut Writer, item: &Creative, version: Version) {
    let known = item.ad_id.as_deref().or(item.universal_ids.first().map(|id| id.value.as_str()));
    let head = || creative_head(item.id.as_deref(), item.sequence, known);
    let extensions = &item.extensions;
    if let Some(item) = &item.linear {
        w.element("Creative", head(), |w| linear(w, item, extensions, version));
    }
    if let Some(companions) = &item.companions {
        w.element("Creative", head(), |w| companion_ads(w, companions, version, false));
    }
    let ads = item.non_linear.as_ref().filter(|ads| ads.ads.iter().any(|ad| !ad.resources.is_empty()));
    if let Some(ads) = ads {
        w.element("Creative", head(), |w| {
            w.element("NonLinearAds", attributes(), |w| {
                tracking(w, &ads.tracking, version);
                ads.ads.iter().for_each(|ad| non_linear(w, ad, version));
            });
        });
    }
}

fn wrapper_creative(w: &mut Writer, item: &WrapperCreative, version: Version) {
    let head = || creative_head(item.id.as_deref(), item.sequence, item.ad_id.as_deref());
    if let Some(linear) = &item.linear {
        w.element("Creative", head(), |w| {
            w.element("Linear", attributes(), |w| {
                icons(w, &linear.icons, version);
                tracking(w, &linear.tracking, version);
                w.list("VideoClicks", |w| {
                    beacons(w, "ClickTracking", &linear.clicks.tracking);
                    if version >= Version::V3_0 {
                        beacons(w, "CustomClick", &linear.clicks.custom);
                    }
                });
            });
        });
    }
    if let Some(companions) = &item.companions {
        w.element("Creative", head(), |w| companion_ads(w, companions, version, true));
    }
    if let Some(ads) = &item.non_linear {
        w.element("Creative", head(), |w| wrapper_non_linear(w, ads, version));
    }
}

fn creative_head(id: Option<&str>, sequence: Option<u32>, ad_id: Option<&str>) -> Attributes {
    attributes().maybe("id", id).maybe("sequence", sequence).maybe("AdID", ad_id)
}

fn linear(w: &mut Writer, linear: &Linear, extensions: &[Extension], version: Version) {
    let skip = linear.skip_offset.filter(|_| version >= Version::V3_0);
    w.element("Linear", attributes().maybe("skipoffset", skip), |w| {
        icons(w, &linear.icons, version);
        if version >= Version::V3_0 {
            creative_extensions(w, extensions);
        }
        w.text("Duration", attributes(), &time_of_day(linear.duration).to_string());
        tracking(w, &linear.tracking, version);
        ad_parameters(w, linear.ad_parameters.as_ref(), version);
        video_clicks(w, &linear.clicks);
        w.list("MediaFiles", |w| {
            for file in &linear.media_files {
                let head = attributes()
                    .maybe("id", file.id.as_ref())
                    .with("delivery", delivery(file.delivery))
                    .with("type", &file.mime)
                    .maybe("bitrate", file.bitrate)
                    .when(version >= Version::V3_0, |head| {
                        head.maybe("minBitrate", file.min_bitrate)
                            .maybe("maxBitrate", file.max_bitrate)
                            .maybe("codec", file.codec.as_ref())
                    })
                    .with("width", file.width)
                    .with("height", file.height)
                    .maybe("scalable", file.scalable)
                    .maybe("maintainAspectRatio", file.maintain_aspect_ratio)
                    .maybe("apiFramework", file.api_framework.as_ref());
                w.cdata("MediaFile", head, &file.url);
            }
        });
    });
}

fn video_clicks(w: &mut Writer, clicks: &VideoClicks) {
    w.list("VideoClicks", |w| {
        click_through(w, clicks);
        beacons(w, "ClickTracking", &clicks.tracking);
        beacons(w, "CustomClick", &clicks.custom);
    });
}

/// Since 3.0, where an icon has exactly one resource, and a place and a size.
fn icons(w: &mut Writer, icons: &[Icon], version: Version) {
    if version < Version::V3_0 {
        return;
    }
    w.list("Icons", |w| {
        for icon in icons {
            let placed = icon.program.is_some() && icon.x.is_some() && icon.y.is_some();
            let sized = icon.width.is_some() && icon.height.is_some();
            let Some(first) = icon.resources.first().filter(|_| placed && sized) else { continue };
            w.element("Icon", icon_attributes(icon, version), |w| {
                resource(w, first);
                w.list("IconClicks", |w| {
                    urls(w, "IconClickTracking", &icon.click_tracking);
                    maybe_cdata(w, "IconClickThrough", icon.click_through.as_deref());
                });
                w.cdatas("IconViewTracking", &icon.view_tracking);
            });
        }
    });
}

fn non_linear(w: &mut Writer, ad: &NonLinear, version: Version) {
    let Some(first) = ad.resources.first() else { return };
    let head = attributes()
        .maybe("id", ad.id.as_ref())
        .with("width", ad.width)
        .with("height", ad.height)
        .maybe("expandedWidth", ad.expanded_width)
        .maybe("expandedHeight", ad.expanded_height)
        .maybe("scalable", ad.scalable)
        .maybe("maintainAspectRatio", ad.maintain_aspect_ratio)
        .maybe("minSuggestedDuration", ad.min_suggested_duration.map(time_of_day))
        .maybe("apiFramework", ad.api_framework.as_ref());
    w.element("NonLinear", head, |w| {
        resource(w, first);
        if version >= Version::V3_0 {
            urls(w, "NonLinearClickTracking", &ad.click_tracking);
        }
        maybe_cdata(w, "NonLinearClickThrough", ad.click_through.as_deref());
        ad_parameters(w, ad.ad_parameters.as_ref(), version);
    });
}

/// A wrapper of 2.0 cannot track clicks here: it would need a resource.
fn wrapper_non_linear(w: &mut Writer, ads: &WrapperNonLinear, version: Version) {
    w.element("NonLinearAds", attributes(), |w| {
        tracking(w, &ads.tracking, version);
        if version >= Version::V3_0 && !ads.click_tracking.is_empty() {
            w.element("NonLinear", attributes(), |w| urls(w, "NonLinearClickTracking", &ads.click_tracking));
        }
    });
}

fn companion_ads(w: &mut Writer, companions: &CompanionAds, version: Version, in_wrapper: bool) {
    let required = required(companions.required).filter(|_| version >= Version::V3_0 && !in_wrapper);
    w.element("CompanionAds", attributes().maybe("required", required), |w| {
        for item in &companions.ads {
            companion(w, item, version, in_wrapper);
        }
    });
}

/// Exactly one resource, except in a wrapper of 3.0.
fn companion(w: &mut Writer, item: &Companion, version: Version, in_wrapper: bool) {
    let since_3_0 = version >= Version::V3_0;
    if item.resources.is_empty() && !(in_wrapper && since_3_0) {
        return;
    }
    let head = attributes()
        .maybe("id", item.id.as_ref())
        .with("width", item.width)
        .with("height", item.height)
        .when(since_3_0, |head| head.maybe("assetWidth", item.asset_width).maybe("assetHeight", item.asset_height))
        .maybe("expandedWidth", item.expanded_width)
        .maybe("expandedHeight", item.expanded_height)
        .maybe("apiFramework", item.api_framework.as_ref())
        .when(since_3_0, |head| head.maybe("adSlotId", item.ad_slot_id.as_ref()));
    w.element("Companion", head, |w| {
        if let Some(first) = item.resources.first() {
            resource(w, first);
        }
        if since_3_0 {
            creative_extensions(w, &item.extensions);
        }
        tracking(w, &item.tracking, version);
        maybe_cdata(w, "CompanionClickThrough", item.click_through.as_deref());
        if in_wrapper && since_3_0 {
            urls(w, "CompanionClickTracking", &item.click_tracking);
        }
        maybe_text(w, "AltText", item.alt_text.as_deref());
        ad_parameters(w, item.ad_parameters.as_ref(), version);
    });
}
