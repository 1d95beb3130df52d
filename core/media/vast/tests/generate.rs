//! Any response that 4.2 can say, made from any bytes: so that a failing one shrinks.

use crate::{
    domain::{Money, Span},
    media::vast::*,
};

/// Bytes to make choices from. When there are none left, everything is as small as it can be.
pub(in crate::media) struct Bytes<'a> {
    left: &'a [u8],
    fragments: &'static [&'static str],
}

/// What tends to break writers and readers.
const WILD: &[&str] = &[
    "a",
    "https://x.example/?a=1&b=2",
    "&",
    "<",
    ">",
    "\"",
    "'",
    "]]>",
    "]]",
    "<![CDATA[",
    "&amp;",
    "&#10;",
    "é",
    "😀",
    " ",
    "\n",
    "\t",
    "\r",
    "[CACHEBUSTING]",
    "%5B",
    "--",
    "\u{a0}",
];

/// What is a URL whatever it is joined with.
const TAME: &[&str] = &["a", "1", "/b", ".c", "-d", "%5B", "e"];

impl<'a> Bytes<'a> {
    pub fn wild(left: &'a [u8]) -> Self {
        Self { left, fragments: WILD }
    }
    pub fn tame(left: &'a [u8]) -> Self {
        Self { left, fragments: TAME }
    }
    /// The schemas want nothing but elements in extensions, and no attributes.
    fn is_tame(&self) -> bool {
        std::ptr::eq(self.fragments, TAME)
    }
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        *first
    }
    pub fn bit(&mut self) -> bool {
        self.byte() % 2 == 1
    }
    pub fn number(&mut self) -> u32 {
        u32::from(self.byte()) * 1_000 + u32::from(self.byte())
    }
    fn one<T>(&mut self, of: impl IntoIterator<Item = T>) -> Option<T> {
        let mut all: Vec<T> = of.into_iter().collect();
        let at = usize::from(self.byte()) % all.len().max(1);
        (at < all.len()).then(|| all.swap_remove(at))
    }
    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bit().then(|| make(self))
    }
    pub fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % 4;
        (0..count).map(|_| make(self)).collect()
    }
    /// Text as it comes out of a parser: not empty, and without white space around it.
    pub fn text(&mut self) -> String {
        let text: String = self.list(|b| b.fragments[usize::from(b.byte()) % b.fragments.len()]).concat();
        let text = text.trim();
        if text.is_empty() { "x".to_owned() } else { text.to_owned() }
    }
    pub fn span(&mut self) -> Span {
        Span::from_millis(i64::from(self.number()) * 331 % 86_400_000)
    }
    pub fn offset(&mut self) -> Offset {
        if self.bit() { Offset::Time(self.span()) } else { Offset::Percent(self.number() % 100_001) }
    }
    fn beacon(&mut self) -> Beacon {
        Beacon { id: self.maybe(Self::text), url: self.text() }
    }
    fn category(&mut self) -> Category {
        Category { authority: self.maybe(Self::text), code: self.text() }
    }
    fn tracking(&mut self) -> Tracking {
        let events = [
            TrackingEvent::Loaded,
            TrackingEvent::Start,
            TrackingEvent::ThirdQuartile,
            TrackingEvent::PlayerExpand,
            TrackingEvent::AdCollapse,
            TrackingEvent::CloseLinear,
            TrackingEvent::InteractiveStart,
            TrackingEvent::Progress(self.offset()),
        ];
        Tracking { event: self.one(events).unwrap_or(TrackingEvent::Start), url: self.text() }
    }
    pub fn raw(&mut self) -> RawXml {
        let text = self.text();
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let forms = if self.is_tame() { 1..2 } else { 0..4 };
        let inside = match self.one(forms).unwrap_or(3) {
            0 => escaped,
            1 => format!("<a b=\"{escaped}\"/> <c><d/></c>"),
            2 => format!(
                "{escaped} <p:x xmlns:p=\"urn:p\" p:y=\"{escaped}\"><q:z xmlns:q='urn:q'/><![CDATA[{escaped}]]></p:x>"
            ),
            _ => String::new(),
        };
        RawXml::new(&inside.replace("]]>", "")).unwrap_or_default()
    }
    pub fn extension(&mut self) -> Extension {
        let tame = self.is_tame();
        Extension {
            kind: self.maybe(Self::text),
            attributes: self.maybe(|b| ("fallback_index".to_owned(), b.text())).filter(|_| !tame).into_iter().collect(),
            xml: self.raw(),
        }
    }
    fn verification(&mut self) -> Verification {
        Verification {
            vendor: self.maybe(Self::text),
            javascript: self.list(|b| JavaScriptResource {
                api_framework: b.maybe(Self::text),
                browser_optional: b.maybe(Self::bit),
                url: b.text(),
            }),
            executables: self.list(|b| ExecutableResource {
                api_framework: b.maybe(Self::text),
                mime: b.maybe(Self::text),
                url: b.text(),
            }),
            tracking: self.list(|b| Tracking { event: TrackingEvent::VerificationNotExecuted, url: b.text() }),
            parameters: self.maybe(Self::text),
        }
    }
    fn common(&mut self) -> Common {
        let models = [PricingModel::Cpm, PricingModel::Cpc, PricingModel::Cpe, PricingModel::Cpv];
        Common {
            system: AdSystem { name: self.text(), version: self.maybe(Self::text) },
            impressions: self.list(Self::beacon),
            errors: self.list(Self::text),
            pricing: self.maybe(|b| Pricing {
                model: b.one(models).unwrap_or(PricingModel::Cpm),
                currency: "EUR".to_owned(),
                price: Money::from_micros(i64::from(b.number())),
            }),
            viewable: self.maybe(|b| ViewableImpression {
                id: b.maybe(Self::text),
                viewable: b.list(Self::text),
                not_viewable: b.list(Self::text),
                undetermined: b.list(Self::text),
            }),
            verifications: self.list(Self::verification),
            extensions: self.list(Self::extension),
        }
    }
    fn media_file(&mut self) -> MediaFile {
        MediaFile {
            id: self.maybe(Self::text),
            delivery: if self.bit() { Delivery::Streaming } else { Delivery::Progressive },
            mime: self.text(),
            width: self.number(),
            height: self.number(),
            codec: self.maybe(Self::text),
            bitrate: self.maybe(Self::number),
            min_bitrate: self.maybe(Self::number),
            max_bitrate: self.maybe(Self::number),
            scalable: self.maybe(Self::bit),
            maintain_aspect_ratio: self.maybe(Self::bit),
            file_size: self.maybe(|b| u64::from(b.number())),
            media_type: self.maybe(Self::text),
            api_framework: self.maybe(Self::text),
            url: self.text(),
        }
    }
    fn mezzanine(&mut self) -> Mezzanine {
        let MediaFile { id, delivery, mime, width, height, codec, file_size, media_type, url, .. } = self.media_file();
        Mezzanine { id, delivery, mime, width, height, codec, file_size, media_type, url }
    }
    fn clicks(&mut self) -> VideoClicks {
        VideoClicks {
            through: self.maybe(Self::beacon),
            tracking: self.list(Self::beacon),
            custom: self.list(Self::beacon),
        }
    }
    fn position(&mut self) -> Option<IconPosition> {
        let pixels = IconPosition::Pixels(self.number());
        self.one([None, Some(pixels), Some(IconPosition::Near), Some(IconPosition::Far)])?
    }
    fn resources(&mut self) -> Vec<Resource> {
        let mut resources = self.list(|b| match b.byte() % 3 {
            0 => Resource::Html(b.text()),
            1 => Resource::IFrame(b.text()),
            _ => Resource::Static { mime: b.text(), url: b.text() },
        });
        // In the order in which they are written.
        resources.sort_by_key(|resource| match resource {
            Resource::Html(_) => 0,
            Resource::IFrame(_) => 1,
            Resource::Static { .. } => 2,
        });
        resources
    }
    fn icon(&mut self) -> Icon {
        Icon {
            program: self.maybe(Self::text),
            width: self.maybe(Self::number),
            height: self.maybe(Self::number),
            x: self.position(),
            y: self.position(),
            duration: self.maybe(Self::span),
            offset: self.maybe(Self::span),
            api_framework: self.maybe(Self::text),
            pixel_ratio: self.maybe(|b| format!("{}.5", b.byte())),
            resources: self.resources(),
            click_through: self.maybe(Self::text),
            click_tracking: self.list(Self::beacon),
            view_tracking: self.list(Self::text),
            fallback_images: self.list(|b| FallbackImage {
                width: b.maybe(Self::number),
                height: b.maybe(Self::number),
                alt_text: b.maybe(Self::text),
                url: b.maybe(Self::text),
            }),
        }
    }
    fn ad_parameters(&mut self) -> AdParameters {
        AdParameters { xml_encoded: self.bit(), text: self.text() }
    }
    fn linear(&mut self) -> Linear {
        Linear {
            duration: self.span(),
            skip_offset: self.maybe(Self::offset),
            ad_parameters: self.maybe(Self::ad_parameters),
            media_files: self.list(Self::media_file),
            mezzanines: self.list(Self::mezzanine),
            interactive: self.list(|b| InteractiveFile {
                mime: b.maybe(Self::text),
                api_framework: b.maybe(Self::text),
                variable_duration: b.maybe(Self::bit),
                url: b.text(),
            }),
            captions: self.list(|b| ClosedCaptionFile {
                mime: b.maybe(Self::text),
                language: b.maybe(Self::text),
                url: b.text(),
            }),
            tracking: self.list(Self::tracking),
            clicks: self.clicks(),
            icons: self.list(Self::icon),
        }
    }
    fn non_linear(&mut self) -> NonLinear {
        NonLinear {
            id: self.maybe(Self::text),
            width: self.number(),
            height: self.number(),
            expanded_width: self.maybe(Self::number),
            expanded_height: self.maybe(Self::number),
            scalable: self.maybe(Self::bit),
            maintain_aspect_ratio: self.maybe(Self::bit),
            min_suggested_duration: self.maybe(Self::span),
            api_framework: self.maybe(Self::text),
            resources: self.resources(),
            ad_parameters: self.maybe(Self::ad_parameters),
            click_through: self.maybe(Self::text),
            click_tracking: self.list(Self::beacon),
        }
    }
    fn companion(&mut self) -> Companion {
        Companion {
            id: self.maybe(Self::text),
            width: self.number(),
            height: self.number(),
            asset_width: self.maybe(Self::number),
            asset_height: self.maybe(Self::number),
            expanded_width: self.maybe(Self::number),
            expanded_height: self.maybe(Self::number),
            api_framework: self.maybe(Self::text),
            ad_slot_id: self.maybe(Self::text),
            pixel_ratio: self.maybe(|_| "2".to_owned()),
            rendering_mode: self.maybe(|b| if b.bit() { RenderingMode::EndCard } else { RenderingMode::Concurrent }),
            resources: self.resources(),
            ad_parameters: self.maybe(Self::ad_parameters),
            alt_text: self.maybe(Self::text),
            click_through: self.maybe(Self::text),
            click_tracking: self.list(Self::beacon),
            tracking: self.list(Self::tracking),
            extensions: self.list(Self::extension),
        }
    }
    fn companions(&mut self) -> CompanionAds {
        let required = self.one([Required::All, Required::Any, Required::None]).unwrap_or_default();
        CompanionAds { required, ads: self.list(Self::companion) }
    }
    fn creative(&mut self) -> Creative {
        Creative {
            id: self.maybe(Self::text),
            sequence: self.maybe(Self::number),
            ad_id: self.maybe(Self::text),
            api_framework: self.maybe(Self::text),
            universal_ids: self.list(|b| UniversalAdId { registry: b.text(), value: b.text() }),
            linear: self.maybe(Self::linear),
            non_linear: self
                .maybe(|b| NonLinearAds { tracking: b.list(Self::tracking), ads: b.list(Self::non_linear) }),
            companions: self.maybe(Self::companions),
            extensions: self.list(Self::extension),
        }
    }
    fn inline(&mut self) -> InLine {
        InLine {
            common: self.common(),
            ad_serving_id: self.maybe(Self::text),
            title: self.text(),
            description: self.maybe(Self::text),
            advertiser: self.maybe(Self::text),
            categories: self.list(Self::category),
            expires: self.maybe(|b| u64::from(b.number())),
            creatives: self.list(Self::creative),
        }
    }
    fn wrapper_creative(&mut self) -> WrapperCreative {
        WrapperCreative {
            id: self.maybe(Self::text),
            sequence: self.maybe(Self::number),
            ad_id: self.maybe(Self::text),
            linear: self.maybe(|b| WrapperLinear {
                tracking: b.list(Self::tracking),
                clicks: b.clicks(),
                icons: b.list(Self::icon),
            }),
            non_linear: self
                .maybe(|b| WrapperNonLinear { tracking: b.list(Self::tracking), click_tracking: b.list(Self::beacon) }),
            companions: self.maybe(Self::companions),
        }
    }
    fn wrapper(&mut self) -> Wrapper {
        Wrapper {
            common: self.common(),
            tag_uri: self.text(),
            follow_additional_wrappers: self.bit(),
            allow_multiple_ads: self.bit(),
            fallback_on_no_ad: self.bit(),
            blocked_categories: self.list(Self::category),
            creatives: self.list(Self::wrapper_creative),
        }
    }
    fn ad(&mut self) -> Ad {
        let ad = if self.bit() { Ad::wrapper(self.wrapper()) } else { Ad::inline(self.inline()) };
        Ad {
            id: self.maybe(Self::text),
            sequence: self.maybe(Self::number),
            ad_type: self.one([AdType::Video, AdType::Audio, AdType::Hybrid]).unwrap_or_default(),
            conditional: self.bit(),
            ..ad
        }
    }
    pub fn vast(&mut self) -> Vast {
        let ads = self.list(Self::ad);
        let errors = if ads.is_empty() { self.list(Self::text) } else { Vec::new() };
        Vast { version: Version::V4_2, errors, ads }
    }
}
