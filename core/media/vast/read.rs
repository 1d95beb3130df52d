//! From elements to the model: the response, its ads, and what ads have in common.

mod creative;

use super::{
    AdContent, AdParameters, AdSystem, AdType, Beacon, Category, Common, ExecutableResource, Extension, InLine,
    JavaScriptResource, KEPT, Pricing, PricingModel, Tracking, TrackingEvent, Vast, VastError, Verification, Version,
    ViewableImpression, Wrapper,
    model::Ad,
    value::{boolean, number, offset, price},
};
use crate::media::xml::{self, Element};

/// The element `VAST`, in a tree that was read with [`KEPT`].
pub(in crate::media) fn vast(root: &Element) -> Result<Vast, VastError> {
    // What VAST 1 was called.
    if root.is("VideoAdServingTemplate") {
        return Err(VastError::Version { version: "1".to_owned(), at: root.at });
    }
    if !root.is("VAST") {
        return Err(VastError::Root { name: root.name.clone(), at: root.at });
    }
    let version = version(root)?;
    let ads = root.all("Ad").filter_map(|element| ad(element, version)).collect();
    Ok(Vast { version, errors: urls(root, "Error"), ads })
}

/// Minor versions only add, so those that are not known yet read as the last one. One that is missing reads as the first.
fn version(root: &Element) -> Result<Version, VastError> {
    let Some(text) = root.attribute("version") else { return Ok(Version::V2_0) };
    let digits =
        |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u32>().ok());
    let mut numbers = text.split('.').map(digits);
    match (numbers.next().flatten(), numbers.next().flatten().unwrap_or(0)) {
        (Some(2), _) => Ok(Version::V2_0),
        (Some(3), _) => Ok(Version::V3_0),
        (Some(4), 0) => Ok(Version::V4_0),
        (Some(4), 1) => Ok(Version::V4_1),
        (Some(4), 2) => Ok(Version::V4_2),
        (Some(4), _) => Ok(Version::V4_3),
        _ => Err(VastError::Version { version: text.to_owned(), at: root.at }),
    }
}

fn ad(element: &Element, version: Version) -> Option<Ad> {
    let content = match (element.first("InLine"), element.first("Wrapper")) {
        (Some(element), _) => AdContent::InLine(Box::new(inline(element, version))),
        (None, Some(element)) => AdContent::Wrapper(Box::new(wrapper(element, version))),
        (None, None) => return None,
    };
    let ad_type = match element.attribute("adType") {
        Some(kind) if kind.eq_ignore_ascii_case("audio") => AdType::Audio,
        Some(kind) if kind.eq_ignore_ascii_case("hybrid") => AdType::Hybrid,
        _ => AdType::Video,
    };
    Some(Ad {
        id: element.owned("id"),
        sequence: element.number("sequence"),
        ad_type,
        conditional: element.boolean("conditionalAd").unwrap_or(false),
        content,
    })
}

fn inline(element: &Element, version: Version) -> InLine {
    InLine {
        common: common(element, version),
        ad_serving_id: element.text_of("AdServingId"),
        title: element.text_of("AdTitle").unwrap_or_default(),
        description: element.text_of("Description"),
        advertiser: element.text_of("Advertiser"),
        categories: categories(element, "Category"),
        expires: element.text_of("Expires").and_then(|text| number(&text)),
        creatives: element.all_in("Creatives", "Creative").map(creative::creative).collect(),
    }
}

fn wrapper(element: &Element, version: Version) -> Wrapper {
    let defaults = Wrapper::new(element.text_of("VASTAdTagURI").unwrap_or_default());
    let follow = element.boolean("followAdditionalWrappers");
    Wrapper {
        common: common(element, version),
        follow_additional_wrappers: follow.unwrap_or(defaults.follow_additional_wrappers),
        allow_multiple_ads: element.boolean("allowMultipleAds").unwrap_or(defaults.allow_multiple_ads),
        fallback_on_no_ad: element.boolean("fallbackOnNoAd").unwrap_or(defaults.fallback_on_no_ad),
        blocked_categories: categories(element, "BlockedAdCategories"),
        creatives: element.all_in("Creatives", "Creative").map(creative::wrapper_creative).collect(),
        ..defaults
    }
}

fn common(element: &Element, version: Version) -> Common {
    let system = element
        .first("AdSystem")
        .map(|system| AdSystem { name: system.text.clone(), version: system.owned("version") });
    let mut common = Common {
        system: system.unwrap_or_default(),
        impressions: beacons(element, "Impression"),
        errors: urls(element, "Error"),
        pricing: element.first("Pricing").and_then(pricing),
        viewable: element.first("ViewableImpression").map(|element| ViewableImpression {
            id: element.owned("id"),
            viewable: urls(element, "Viewable"),
            not_viewable: urls(element, "NotViewable"),
            undetermined: urls(element, "ViewUndetermined"),
        }),
        verifications: element.all_in("AdVerifications", "Verification").map(verification).collect(),
        extensions: extensions(element, "Extensions", "Extension"),
    };
    if version < Version::V4_1 {
        lift_verifications(&mut common);
    }
    common
}

/// Before 4.1, verifications travel in an extension of the type `AdVerifications`.
fn lift_verifications(common: &mut Common) {
    let is_verification = |extension: &Extension| {
        extension.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("AdVerifications"))
    };
    for extension in common.extensions.extract_if(.., |extension| is_verification(extension)) {
        let Ok(root) = xml::parse(extension.xml.as_str().as_bytes(), &KEPT) else { continue };
        let found = root.all("Verification").map(verification);
        common.verifications.extend(found);
    }
}

fn verification(element: &Element) -> Verification {
    let javascript = element.all("JavaScriptResource").filter(|element| !element.text.is_empty());
    let executables = element.all("ExecutableResource").filter(|element| !element.text.is_empty());
    Verification {
        vendor: element.owned("vendor"),
        javascript: javascript
            .map(|element| JavaScriptResource {
                api_framework: element.owned("apiFramework"),
                browser_optional: element.boolean("browserOptional"),
                url: element.text.clone(),
            })
            .collect(),
        executables: executables
            .map(|element| ExecutableResource {
                api_framework: element.owned("apiFramework"),
                mime: element.owned("type"),
                url: element.text.clone(),
            })
            .collect(),
        tracking: tracking(element),
        parameters: element.text_of("VerificationParameters"),
    }
}

fn pricing(element: &Element) -> Option<Pricing> {
    let model = match element.attribute("model")?.to_ascii_lowercase().as_str() {
        "cpm" => PricingModel::Cpm,
        "cpc" => PricingModel::Cpc,
        "cpe" => PricingModel::Cpe,
        "cpv" => PricingModel::Cpv,
        _ => return None,
    };
    let currency = element.attribute("currency")?.to_ascii_uppercase();
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then(|| Some(Pricing { model, currency, price: price(&element.text)? }))?
}

fn categories(element: &Element, name: &str) -> Vec<Category> {
    let all = element.all(name).filter(|element| !element.text.is_empty());
    all.map(|element| Category { authority: element.owned("authority"), code: element.text.clone() }).collect()
}

pub(in crate::media) fn extensions(element: &Element, list: &str, name: &str) -> Vec<Extension> {
    let all = element.all_in(list, name);
    all.filter_map(|element| {
        let (mut kind, mut attributes) = (None, Vec::new());
        for (key, value) in &element.attributes {
            if key.eq_ignore_ascii_case("type") {
                kind = kind.or(Some(value.clone()));
            } else if is_attribute_name(key) {
                attributes.push((key.clone(), value.clone()));
            }
        }
        Some(Extension { kind, attributes, xml: element.raw.clone()? })
    })
    .collect()
}

/// Attributes with prefixes would need declarations; name spaces of the contents are declared there.
pub(super) fn is_attribute_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name != "xmlns" && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// URLs that are to be fetched; `about:blank` stands for none.
fn urls(element: &Element, name: &str) -> Vec<String> {
    let mut urls = element.texts_of(name);
    urls.retain(|url| !is_blank(url));
    urls
}

fn beacons(element: &Element, name: &str) -> Vec<Beacon> {
    let all = element.all(name).filter(|element| !element.text.is_empty() && !is_blank(&element.text));
    all.map(beacon).collect()
}

fn beacon(element: &Element) -> Beacon {
    Beacon { id: element.owned("id"), url: element.text.clone() }
}

fn is_blank(url: &str) -> bool {
    url.eq_ignore_ascii_case("about:blank")
}

fn tracking(element: &Element) -> Vec<Tracking> {
    let all = element.all_in("TrackingEvents", "Tracking").filter(|element| !element.text.is_empty());
    all.filter_map(|element| {
        let name = element.attribute("event")?;
        let event = if name.eq_ignore_ascii_case("progress") {
            TrackingEvent::Progress(offset(element.attribute("offset")?)?)
        } else {
            TrackingEvent::of(name)
        };
        Some(Tracking { event, url: element.text.clone() })
    })
    .collect()
}

fn ad_parameters(element: &Element) -> Option<AdParameters> {
    let element = element.all("AdParameters").find(|element| !element.text.is_empty())?;
    let xml_encoded = element.boolean("xmlEncoded").unwrap_or(false);
    Some(AdParameters { xml_encoded, text: element.text.clone() })
}

impl Element {
    fn number<T: std::str::FromStr>(&self, attribute: &str) -> Option<T> {
        self.attribute(attribute).and_then(number)
    }
    fn boolean(&self, attribute: &str) -> Option<bool> {
        self.attribute(attribute).and_then(boolean)
    }
}
