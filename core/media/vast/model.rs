//! A VAST response as typed values: one model for all versions, for reading and for writing.
//!
//! It follows VAST 4.2 (the numbers of chapters are that document's). URLs are kept as text, with macros unexpanded: many
//! are no valid URL before expansion. Lengths are [`Span`]s that VAST carries in whole milliseconds.

use crate::domain::{Money, Span};

use super::RawXml;

/// A response (3.2). With no ads it is a "no ad" response, and `errors` are to be told so with code 303.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vast {
    /// The version that was read. The writer is told which one to write.
    pub version: Version,
    /// Error URLs of the response itself. Written only when there are no ads: a response has either.
    pub errors: Vec<String>,
    pub ads: Vec<Ad>,
}

/// Versions of VAST that are read and written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Version {
    V2_0,
    V3_0,
    V4_0,
    V4_1,
    #[default]
    V4_2,
    V4_3,
}

impl Version {
    pub const ALL: [Self; 6] = [Self::V2_0, Self::V3_0, Self::V4_0, Self::V4_1, Self::V4_2, Self::V4_3];

    /// As the `version` attribute has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2_0 => "2.0",
            Self::V3_0 => "3.0",
            Self::V4_0 => "4.0",
            Self::V4_1 => "4.1",
            Self::V4_2 => "4.2",
            Self::V4_3 => "4.3",
        }
    }
}

/// One ad (3.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ad {
    pub id: Option<String>,
    /// Its place in the pod, from 1. An ad without one stands alone: it may replace an ad of the pod that fails (2.3.1.1).
    pub sequence: Option<u32>,
    pub ad_type: AdType,
    /// An ad that may decide not to play. Deprecated since 4.1; never to be stitched.
    pub conditional: bool,
    pub content: AdContent,
}

impl Ad {
    pub fn inline(inline: InLine) -> Self {
        Self::new(AdContent::InLine(Box::new(inline)))
    }
    pub fn wrapper(wrapper: Wrapper) -> Self {
        Self::new(AdContent::Wrapper(Box::new(wrapper)))
    }
    fn new(content: AdContent) -> Self {
        Self { id: None, sequence: None, ad_type: AdType::Video, conditional: false, content }
    }
    /// What ads of both kinds have.
    pub fn common(&self) -> &Common {
        match &self.content {
            AdContent::InLine(inline) => &inline.common,
            AdContent::Wrapper(wrapper) => &wrapper.common,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AdType {
    #[default]
    Video,
    Audio,
    Hybrid,
}

/// An ad is here, or elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdContent {
    InLine(Box<InLine>),
    Wrapper(Box<Wrapper>),
}

/// What InLine and Wrapper ads both have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Common {
    pub system: AdSystem,
    /// `about:blank`, which stands for "no impression URL", is left out when reading and put in when writing.
    pub impressions: Vec<Beacon>,
    /// Told, with `[ERRORCODE]` expanded, when this ad or one behind it fails.
    pub errors: Vec<String>,
    pub pricing: Option<Pricing>,
    pub viewable: Option<ViewableImpression>,
    pub verifications: Vec<Verification>,
    pub extensions: Vec<Extension>,
}

/// The server that answered (3.4.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AdSystem {
    pub name: String,
    pub version: Option<String>,
}

/// A URL to be fetched or opened, with the name that its server gave it: impressions and clicks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Beacon {
    pub id: Option<String>,
    pub url: String,
}

impl Beacon {
    pub fn new(url: impl Into<String>) -> Self {
        Self { id: None, url: url.into() }
    }
}

/// What the ad costs (3.4.9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pricing {
    pub model: PricingModel,
    /// ISO 4217, upper case.
    pub currency: String,
    /// In units of the currency; per thousand impressions for CPM. More than six decimals are cut off.
    pub price: Money,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PricingModel {
    Cpm,
    Cpc,
    Cpe,
    Cpv,
}

/// URLs for whether the ad could be seen (3.5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ViewableImpression {
    pub id: Option<String>,
    pub viewable: Vec<String>,
    pub not_viewable: Vec<String>,
    pub undetermined: Vec<String>,
}

/// Code and data of a measurement vendor (3.17). Kept for players that run it; a stitcher cannot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verification {
    pub vendor: Option<String>,
    pub javascript: Vec<JavaScriptResource>,
    pub executables: Vec<ExecutableResource>,
    /// Mostly `verificationNotExecuted`, which has the macro `[REASON]`.
    pub tracking: Vec<Tracking>,
    pub parameters: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JavaScriptResource {
    pub api_framework: Option<String>,
    pub browser_optional: Option<bool>,
    pub url: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExecutableResource {
    pub api_framework: Option<String>,
    pub mime: Option<String>,
    pub url: String,
}

/// An `Extension` or `CreativeExtension`: anybody's XML, kept as text (3.18).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extension {
    /// The `type` attribute.
    pub kind: Option<String>,
    /// Other attributes, among them the declarations of the name spaces that `xml` uses.
    pub attributes: Vec<(String, String)>,
    /// What is inside the element.
    pub xml: RawXml,
}

/// A category in a taxonomy (3.4.5). An authority is required for InLine ads and optional for blocked ones.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Category {
    pub authority: Option<String>,
    pub code: String,
}

/// An ad that is here (3.4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InLine {
    pub common: Common,
    /// Correlates all that is reported of this ad (4.1).
    pub ad_serving_id: Option<String>,
    pub title: String,
    pub description: Option<String>,
    pub advertiser: Option<String>,
    pub categories: Vec<Category>,
    /// Seconds for which the response may be kept.
    pub expires: Option<u64>,
    /// To be valid, an ad needs at least one.
    pub creatives: Vec<Creative>,
}

/// An ad that is elsewhere, with what to tell its sender when it plays (3.19).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrapper {
    pub common: Common,
    /// Where the ad is.
    pub tag_uri: String,
    /// Whether what is found there may be a wrapper as well.
    pub follow_additional_wrappers: bool,
    /// Whether a pod found there may be used; if not, only its first stand-alone ad.
    pub allow_multiple_ads: bool,
    /// Whether another ad of the response that this wrapper stands in may be used if there is none.
    pub fallback_on_no_ad: bool,
    pub blocked_categories: Vec<Category>,
    pub creatives: Vec<WrapperCreative>,
}

impl Wrapper {
    /// With the defaults that VAST gives to what is absent.
    pub fn new(tag_uri: impl Into<String>) -> Self {
        Self {
            common: Common::default(),
            tag_uri: tag_uri.into(),
            follow_additional_wrappers: true,
            allow_multiple_ads: false,
            fallback_on_no_ad: false,
            blocked_categories: Vec::new(),
            creatives: Vec::new(),
        }
    }
}

/// What is shown (3.7). In 4.x one creative may have several of the three parts; older ones have exactly one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Creative {
    pub id: Option<String>,
    pub sequence: Option<u32>,
    pub ad_id: Option<String>,
    pub api_framework: Option<String>,
    /// What the creative is called everywhere. Empty when unknown, which is written as VAST wants it.
    pub universal_ids: Vec<UniversalAdId>,
    pub linear: Option<Linear>,
    pub non_linear: Option<NonLinearAds>,
    pub companions: Option<CompanionAds>,
    pub extensions: Vec<Extension>,
}

/// 3.7.1, such as Ad-ID's `CNPA0484000H`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UniversalAdId {
    pub registry: String,
    pub value: String,
}

/// An ad that takes the place of content (3.8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Linear {
    /// Zero if the response does not say.
    pub duration: Span,
    /// When it may be skipped; never without.
    pub skip_offset: Option<Offset>,
    pub ad_parameters: Option<AdParameters>,
    /// The same ad in several encodings. To be valid, an ad needs at least one.
    pub media_files: Vec<MediaFile>,
    /// Source quality, for stitchers to encode from (3.9.2).
    pub mezzanines: Vec<Mezzanine>,
    pub interactive: Vec<InteractiveFile>,
    pub captions: Vec<ClosedCaptionFile>,
    pub tracking: Vec<Tracking>,
    pub clicks: VideoClicks,
    pub icons: Vec<Icon>,
}

/// A point within an ad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offset {
    Time(Span),
    /// Thousandths of a percent of the ad's duration, at most 100 000.
    Percent(u32),
}

impl Offset {
    /// Time since the beginning of an ad of this duration.
    pub fn within(self, duration: Span) -> Span {
        match self {
            Self::Time(time) => time,
            Self::Percent(percent) => {
                let micros = i128::from(duration.as_micros()) * i128::from(percent) / 100_000;
                Span(i64::try_from(micros).unwrap_or(i64::MAX))
            }
        }
    }
}

/// Data for an interactive creative.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AdParameters {
    pub xml_encoded: bool,
    pub text: String,
}

/// One encoding of an ad (3.9.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MediaFile {
    pub id: Option<String>,
    pub delivery: Delivery,
    /// The MIME type, as in `type`.
    pub mime: String,
    /// Pixels; zero for sound.
    pub width: u32,
    pub height: u32,
    pub codec: Option<String>,
    /// Kilobits per second, as are the next two.
    pub bitrate: Option<u32>,
    pub min_bitrate: Option<u32>,
    pub max_bitrate: Option<u32>,
    pub scalable: Option<bool>,
    pub maintain_aspect_ratio: Option<bool>,
    /// Bytes.
    pub file_size: Option<u64>,
    /// `2D`, `3D`, `360` …
    pub media_type: Option<String>,
    /// Present if the file is code (VPAID, SIMID): it cannot be stitched.
    pub api_framework: Option<String>,
    pub url: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delivery {
    #[default]
    Progressive,
    Streaming,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mezzanine {
    pub id: Option<String>,
    pub delivery: Delivery,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub codec: Option<String>,
    pub file_size: Option<u64>,
    pub media_type: Option<String>,
    pub url: String,
}

/// Code that runs beside the ad, such as SIMID (3.9.3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InteractiveFile {
    pub mime: Option<String>,
    pub api_framework: Option<String>,
    pub variable_duration: Option<bool>,
    pub url: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClosedCaptionFile {
    pub mime: Option<String>,
    pub language: Option<String>,
    pub url: String,
}

/// What clicking the picture does (3.10).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VideoClicks {
    pub through: Option<Beacon>,
    pub tracking: Vec<Beacon>,
    pub custom: Vec<Beacon>,
}

/// A URL to be fetched when something happens (3.14).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracking {
    pub event: TrackingEvent,
    pub url: String,
}

/// What can happen to an ad. Names are read in any case; the writer leaves out what its version does not list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TrackingEvent {
    Loaded,
    CreativeView,
    Start,
    FirstQuartile,
    Midpoint,
    ThirdQuartile,
    Complete,
    Progress(Offset),
    Mute,
    Unmute,
    Pause,
    Resume,
    Rewind,
    Skip,
    /// `fullscreen` before 4.0.
    PlayerExpand,
    /// `exitFullscreen` in 3.0.
    PlayerCollapse,
    CloseLinear,
    AcceptInvitation,
    /// `expand` before 4.0.
    AdExpand,
    /// `collapse` before 4.0.
    AdCollapse,
    Minimize,
    Close,
    OverlayViewDuration,
    OtherAdInteraction,
    InteractiveStart,
    VerificationNotExecuted,
    /// Some vendor's own.
    Other(String),
}

/// A small picture over the ad, such as AdChoices (3.11).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Icon {
    pub program: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub x: Option<IconPosition>,
    pub y: Option<IconPosition>,
    pub duration: Option<Span>,
    pub offset: Option<Span>,
    pub api_framework: Option<String>,
    pub pixel_ratio: Option<String>,
    pub resources: Vec<Resource>,
    pub click_through: Option<String>,
    pub click_tracking: Vec<Beacon>,
    pub view_tracking: Vec<String>,
    /// For devices that cannot open a page.
    pub fallback_images: Vec<FallbackImage>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IconPosition {
    Pixels(u32),
    /// `left` or `top`.
    Near,
    /// `right` or `bottom`.
    Far,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FallbackImage {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub alt_text: Option<String>,
    pub url: Option<String>,
}

/// Where a picture or a page is (3.15). Written in the order HTML, IFrame, static; before 4.0 only the first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Resource {
    Html(String),
    IFrame(String),
    Static { mime: String, url: String },
}

/// Ads over content (3.12).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NonLinearAds {
    pub tracking: Vec<Tracking>,
    pub ads: Vec<NonLinear>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NonLinear {
    pub id: Option<String>,
    pub width: u32,
    pub height: u32,
    pub expanded_width: Option<u32>,
    pub expanded_height: Option<u32>,
    pub scalable: Option<bool>,
    pub maintain_aspect_ratio: Option<bool>,
    pub min_suggested_duration: Option<Span>,
    pub api_framework: Option<String>,
    pub resources: Vec<Resource>,
    pub ad_parameters: Option<AdParameters>,
    pub click_through: Option<String>,
    pub click_tracking: Vec<Beacon>,
}

/// Pictures beside the player (3.13).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompanionAds {
    pub required: Required,
    pub ads: Vec<Companion>,
}

/// How many companions must be shown for the ad to play.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Required {
    All,
    Any,
    #[default]
    None,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Companion {
    pub id: Option<String>,
    pub width: u32,
    pub height: u32,
    pub asset_width: Option<u32>,
    pub asset_height: Option<u32>,
    pub expanded_width: Option<u32>,
    pub expanded_height: Option<u32>,
    pub api_framework: Option<String>,
    pub ad_slot_id: Option<String>,
    pub pixel_ratio: Option<String>,
    pub rendering_mode: Option<RenderingMode>,
    pub resources: Vec<Resource>,
    pub ad_parameters: Option<AdParameters>,
    pub alt_text: Option<String>,
    pub click_through: Option<String>,
    pub click_tracking: Vec<Beacon>,
    pub tracking: Vec<Tracking>,
    pub extensions: Vec<Extension>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenderingMode {
    Default,
    EndCard,
    Concurrent,
}

/// What a wrapper adds to the creatives of the ad behind it (3.19.3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WrapperCreative {
    pub id: Option<String>,
    pub sequence: Option<u32>,
    pub ad_id: Option<String>,
    pub linear: Option<WrapperLinear>,
    pub non_linear: Option<WrapperNonLinear>,
    pub companions: Option<CompanionAds>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WrapperLinear {
    pub tracking: Vec<Tracking>,
    pub clicks: VideoClicks,
    pub icons: Vec<Icon>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WrapperNonLinear {
    pub tracking: Vec<Tracking>,
    pub click_tracking: Vec<Beacon>,
}
