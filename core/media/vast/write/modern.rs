//! VAST 4.x, element by element in the order of its schemas.

use super::{
    ad_parameters, beacons, click_through, creative_extensions, delivery, extensions, icon_attributes, impressions,
    maybe_cdata, maybe_text, pricing, required, resource, system, time_of_day, tracking, verifications,
};
use crate::media::{
    vast::{
        Category, Common, Companion, CompanionAds, Creative, Icon, InLine, Linear, NonLinear, RenderingMode, Resource,
        Tracking, Version, VideoClicks, Wrapper, WrapperCreative,
    },
    xml::{Attributes, Writer, attributes},
};

pub(super) fn inline(w: &mut Writer, inline: &InLine, version: Version) {
    w.element("InLine", attributes(), |w| {
        base(w, &inline.common, version);
        if version >= Version::V4_1 {
            // Required; empty if there is none.
            w.text("AdServingId", attributes(), inline.ad_serving_id.as_deref().unwrap_or_default());
        }
        w.text("AdTitle", attributes(), &inline.title);
        if version >= Version::V4_1 {
            verifications(w, &inline.common.verifications);
        }
        maybe_text(w, "Advertiser", inline.advertiser.as_deref());
        categories(w, "Category", &inline.categories, true);
        w.element("Creatives", attributes(), |w| {
            for item in &inline.creatives {
                creative(w, item, version);
            }
        });
        maybe_text(w, "Description", inline.description.as_deref());
        if version >= Version::V4_1 {
            maybe_text(w, "Expires", inline.expires.map(|seconds| seconds.to_string()).as_deref());
        }
    });
}

pub(super) fn wrapper(w: &mut Writer, wrapper: &Wrapper, version: Version) {
    let flags = attributes()
        .maybe("followAdditionalWrappers", (!wrapper.follow_additional_wrappers).then_some(false))
        .maybe("allowMultipleAds", wrapper.allow_multiple_ads.then_some(true))
        .maybe("fallbackOnNoAd", wrapper.fallback_on_no_ad.then_some(true));
    w.element("Wrapper", flags, |w| {
        base(w, &wrapper.common, version);
        if version >= Version::V4_1 {
            verifications(w, &wrapper.common.verifications);
            categories(w, "BlockedAdCategories", &wrapper.blocked_categories, false);
        }
        w.list("Creatives", |w| {
            for item in &wrapper.creatives {
                wrapper_creative(w, item, version);
            }
        });
        w.cdata("VASTAdTagURI", attributes(), &wrapper.tag_uri);
    });
}

fn base(w: &mut Writer, common: &Common, version: Version) {
    system(w, common);
    w.cdatas("Error", &common.errors);
    extensions(w, common, version);
    impressions(w, common, true);
    pricing(w, common, version);
    if let Some(viewable) = &common.viewable {
        w.element("ViewableImpression", attributes().maybe("id", viewable.id.as_ref()), |w| {
            w.cdatas("Viewable", &viewable.viewable);
            w.cdatas("NotViewable", &viewable.not_viewable);
            w.cdatas("ViewUndetermined", &viewable.undetermined);
        });
    }
}

fn categories(w: &mut Writer, name: &str, categories: &[Category], with_authority: bool) {
    for category in categories {
        let authority = category.authority.as_deref().or(with_authority.then_some(""));
        w.text(name, attributes().maybe("authority", authority), &category.code);
    }
}

fn creative(w: &mut Writer, item: &Creative, version: Version) {
    let head = creative_head(item.id.as_deref(), item.sequence, item.ad_id.as_deref());
    w.element("Creative", head.maybe("apiFramework", item.api_framework.as_ref()), |w| {
        if let Some(companions) = &item.companions {
            companion_ads(w, companions, version);
        }
        creative_extensions(w, &item.extensions);
        if let Some(item) = &item.linear {
            linear(w, item, version);
        }
        if let Some(ads) = &item.non_linear {
            w.element("NonLinearAds", attributes(), |w| {
                tracking(w, &ads.tracking, version);
                for ad in &ads.ads {
                    non_linear(w, ad, version);
                }
            });
        }
        universal_ids(w, item, version);
    });
}

/// One before 4.2, with the value in an attribute as well in 4.0. `unknown` if there is none.
fn universal_ids(w: &mut Writer, item: &Creative, version: Version) {
    let known = item.universal_ids.iter().map(|id| (id.registry.as_str(), id.value.as_str()));
    let count = if version >= Version::V4_2 { usize::MAX } else { 1 };
    let unknown = item.universal_ids.is_empty().then_some(("unknown", "unknown"));
    for (registry, value) in known.take(count).chain(unknown) {
        let head = attributes().with("idRegistry", registry);
        w.text("UniversalAdId", head.when(version == Version::V4_0, |head| head.with("idValue", value)), value);
    }
}

fn wrapper_creative(w: &mut Writer, item: &WrapperCreative, version: Version) {
    let head = creative_head(item.id.as_deref(), item.sequence, item.ad_id.as_deref());
    w.element("Creative", head, |w| {
        if let Some(companions) = &item.companions {
            companion_ads(w, companions, version);
        }
        if let Some(linear) = &item.linear {
            w.element("Linear", attributes(), |w| {
                linear_base(w, &linear.icons, &linear.tracking, version);
                video_clicks(w, &linear.clicks, version, true);
            });
        }
        if let Some(ads) = &item.non_linear {
            w.element("NonLinearAds", attributes(), |w| {
                tracking(w, &ads.tracking, version);
                // One in each.
                for beacon in &ads.click_tracking {
                    w.element("NonLinear", attributes(), |w| {
                        beacons(w, "NonLinearClickTracking", std::slice::from_ref(beacon));
                    });
                }
            });
        }
    });
}

fn creative_head(id: Option<&str>, sequence: Option<u32>, ad_id: Option<&str>) -> Attributes {
    attributes().maybe("id", id).maybe("sequence", sequence).maybe("adId", ad_id)
}

fn linear_base(w: &mut Writer, icons: &[Icon], events: &[Tracking], version: Version) {
    w.list("Icons", |w| icons.iter().for_each(|item| icon(w, item, version)));
    tracking(w, events, version);
}

fn linear(w: &mut Writer, linear: &Linear, version: Version) {
    w.element("Linear", attributes().maybe("skipoffset", linear.skip_offset), |w| {
        linear_base(w, &linear.icons, &linear.tracking, version);
        ad_parameters(w, linear.ad_parameters.as_ref(), version);
        w.text("Duration", attributes(), &time_of_day(linear.duration).to_string());
        w.element("MediaFiles", attributes(), |w| media_files(w, linear, version));
        video_clicks(w, &linear.clicks, version, false);
    });
}

fn media_files(w: &mut Writer, linear: &Linear, version: Version) {
    let since_4_1 = version >= Version::V4_1;
    if since_4_1 {
        w.list("ClosedCaptionFiles", |w| {
            for file in &linear.captions {
                let head = attributes().maybe("type", file.mime.as_ref()).maybe("language", file.language.as_ref());
                w.cdata("ClosedCaptionFile", head, &file.url);
            }
        });
    }
    for file in &linear.media_files {
        let head = attributes()
            .maybe("id", file.id.as_ref())
            .with("delivery", delivery(file.delivery))
            .with("type", &file.mime)
            .with("width", file.width)
            .with("height", file.height)
            .maybe("codec", file.codec.as_ref())
            .maybe("bitrate", file.bitrate)
            .maybe("minBitrate", file.min_bitrate)
            .maybe("maxBitrate", file.max_bitrate)
            .maybe("scalable", file.scalable)
            .maybe("maintainAspectRatio", file.maintain_aspect_ratio)
            .when(since_4_1, |head| head.maybe("fileSize", file.file_size).maybe("mediaType", file.media_type.as_ref()))
            .maybe("apiFramework", file.api_framework.as_ref());
        w.cdata("MediaFile", head, &file.url);
    }
    let mezzanines = if since_4_1 { usize::MAX } else { 1 };
    for file in linear.mezzanines.iter().take(mezzanines) {
        let head = attributes().when(since_4_1, |head| {
            head.maybe("id", file.id.as_ref())
                .with("delivery", delivery(file.delivery))
                .with("type", &file.mime)
                .with("width", file.width)
                .with("height", file.height)
                .maybe("codec", file.codec.as_ref())
                .maybe("fileSize", file.file_size)
                .maybe("mediaType", file.media_type.as_ref())
        });
        w.cdata("Mezzanine", head, &file.url);
    }
    for file in &linear.interactive {
        let head = attributes()
            .maybe("type", file.mime.as_ref())
            .maybe("apiFramework", file.api_framework.as_ref())
            .when(since_4_1, |head| head.maybe("variableDuration", file.variable_duration));
        w.cdata("InteractiveCreativeFile", head, &file.url);
    }
}

/// In 4.2 the click-through stands before the custom clicks; in 4.0 and 4.1 behind, and never in a wrapper.
fn video_clicks(w: &mut Writer, clicks: &VideoClicks, version: Version, in_wrapper: bool) {
    let since_4_2 = version >= Version::V4_2;
    w.list("VideoClicks", |w| {
        beacons(w, "ClickTracking", &clicks.tracking);
        if since_4_2 {
            click_through(w, clicks);
        }
        beacons(w, "CustomClick", &clicks.custom);
        if !since_4_2 && !in_wrapper {
            click_through(w, clicks);
        }
    });
}

fn icon(w: &mut Writer, icon: &Icon, version: Version) {
    w.element("Icon", icon_attributes(icon, version), |w| {
        resources(w, &icon.resources);
        w.list("IconClicks", |w| {
            if version >= Version::V4_2 {
                w.list("IconClickFallbackImages", |w| {
                    for image in &icon.fallback_images {
                        let head = attributes().maybe("height", image.height).maybe("width", image.width);
                        w.element("IconClickFallbackImage", head, |w| {
                            maybe_text(w, "AltText", image.alt_text.as_deref());
                            maybe_cdata(w, "StaticResource", image.url.as_deref());
                        });
                    }
                });
            }
            maybe_cdata(w, "IconClickThrough", icon.click_through.as_deref());
            beacons(w, "IconClickTracking", &icon.click_tracking);
        });
        w.cdatas("IconViewTracking", &icon.view_tracking);
    });
}

/// HTML first, then frames, then pictures: the schema's order, which is that of the enum.
fn resources(w: &mut Writer, resources: &[Resource]) {
    let is = |kind: usize| {
        move |item: &&Resource| match item {
            Resource::Html(_) => kind == 0,
            Resource::IFrame(_) => kind == 1,
            Resource::Static { .. } => kind == 2,
        }
    };
    for kind in 0..3 {
        resources.iter().filter(is(kind)).for_each(|item| resource(w, item));
    }
}

fn non_linear(w: &mut Writer, ad: &NonLinear, version: Version) {
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
    // The 4.0 schema forgot them all.
    let head = if version == Version::V4_0 { attributes() } else { head };
    w.element("NonLinear", head, |w| {
        resources(w, &ad.resources);
        ad_parameters(w, ad.ad_parameters.as_ref(), version);
        maybe_cdata(w, "NonLinearClickThrough", ad.click_through.as_deref());
        beacons(w, "NonLinearClickTracking", &ad.click_tracking);
    });
}

fn companion_ads(w: &mut Writer, companions: &CompanionAds, version: Version) {
    w.element("CompanionAds", attributes().maybe("required", required(companions.required)), |w| {
        for item in &companions.ads {
            companion(w, item, version);
        }
    });
}

fn companion(w: &mut Writer, item: &Companion, version: Version) {
    let mode = item.rendering_mode.map(|mode| match mode {
        RenderingMode::Default => "default",
        RenderingMode::EndCard => "end-card",
        RenderingMode::Concurrent => "concurrent",
    });
    let head = attributes()
        .maybe("id", item.id.as_ref())
        .with("width", item.width)
        .with("height", item.height)
        .maybe("assetWidth", item.asset_width)
        .maybe("assetHeight", item.asset_height)
        .maybe("expandedWidth", item.expanded_width)
        .maybe("expandedHeight", item.expanded_height)
        .maybe("apiFramework", item.api_framework.as_ref())
        .maybe(if version == Version::V4_0 { "adSlotID" } else { "adSlotId" }, item.ad_slot_id.as_ref())
        .maybe("pxratio", item.pixel_ratio.as_ref())
        .when(version >= Version::V4_1, |head| head.maybe("renderingMode", mode));
    w.element("Companion", head, |w| {
        resources(w, &item.resources);
        ad_parameters(w, item.ad_parameters.as_ref(), version);
        maybe_text(w, "AltText", item.alt_text.as_deref());
        maybe_cdata(w, "CompanionClickThrough", item.click_through.as_deref());
        for beacon in &item.click_tracking {
            // Required here, and only here.
            let id = beacon.id.as_deref().unwrap_or_default();
            w.cdata("CompanionClickTracking", attributes().with("id", id), &beacon.url);
        }
        creative_extensions(w, &item.extensions);
        tracking(w, &item.tracking, version);
    });
}
