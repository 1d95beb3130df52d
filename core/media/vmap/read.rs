//! From elements to the model.

use super::{AdBreak, AdData, AdSource, BreakEvent, BreakTracking, BreakTypes, Vmap, VmapError};
use crate::media::{
    vast::{self, Extension, value},
    xml::Element,
};

pub(super) fn vmap(root: &Element) -> Result<Vmap, VmapError> {
    if !root.is("VMAP") {
        return Err(VmapError::Root { name: root.name.clone(), at: root.at });
    }
    let version = root.attribute("version").unwrap_or("1.0");
    if version.split('.').next() != Some("1") {
        return Err(VmapError::Version { version: version.to_owned(), at: root.at });
    }
    Ok(Vmap { breaks: root.all("AdBreak").filter_map(ad_break).collect(), extensions: extensions(root) })
}

fn ad_break(element: &Element) -> Option<AdBreak> {
    let events = element.all_in("TrackingEvents", "Tracking").filter_map(|tracking| {
        let events = [BreakEvent::Start, BreakEvent::End, BreakEvent::Error];
        let name = tracking.attribute("event")?;
        let event = events.into_iter().find(|event| event.as_str().eq_ignore_ascii_case(name))?;
        Some(BreakTracking { event, url: tracking.text.clone() }).filter(|tracking| !tracking.url.is_empty())
    });
    Some(AdBreak {
        time_offset: element.attribute("timeOffset")?.parse().ok()?,
        types: types(element.attribute("breakType").unwrap_or_default()),
        id: element.owned("breakId"),
        repeat_after: element.attribute("repeatAfter").and_then(value::time),
        source: element.first("AdSource").and_then(ad_source),
        tracking: events.collect(),
        extensions: extensions(element),
    })
}

/// A list with commas. One that names nothing known is taken as linear, which is what breaks mostly are.
fn types(text: &str) -> BreakTypes {
    let mut types = BreakTypes::default();
    for name in text.split(',').map(|name| name.trim().to_ascii_lowercase()) {
        match name.as_str() {
            "linear" => types.linear = true,
            "nonlinear" => types.non_linear = true,
            "display" => types.display = true,
            _ => {}
        }
    }
    if types == BreakTypes::default() { BreakTypes { linear: true, ..types } } else { types }
}

fn ad_source(element: &Element) -> Option<AdSource> {
    let source = AdSource::new(data(element)?);
    let flag = |name| element.attribute(name).and_then(value::boolean);
    Some(AdSource {
        id: element.owned("id"),
        allow_multiple_ads: flag("allowMultipleAds").unwrap_or(source.allow_multiple_ads),
        follow_redirects: flag("followRedirects").unwrap_or(source.follow_redirects),
        ..source
    })
}

/// `VASTData` is what 1.0 called `VASTAdData`. Some servers put the response into it as text.
fn data(element: &Element) -> Option<AdData> {
    if let Some(data) = element.first("VASTAdData").or_else(|| element.first("VASTData")) {
        let read = match data.children.first() {
            Some(root) => vast::from_element(root),
            None => vast::parse(data.text.as_bytes()),
        };
        return Some(read.map_or_else(AdData::Unreadable, |vast| AdData::Vast(Box::new(vast))));
    }
    if let Some(tag) = element.first("AdTagURI").filter(|tag| !tag.text.is_empty()) {
        return Some(AdData::TagUri { template: tag.owned("templateType"), url: tag.text.clone() });
    }
    let custom = element.first("CustomAdData").filter(|custom| !custom.text.is_empty())?;
    Some(AdData::Custom { template: custom.owned("templateType"), text: custom.text.clone() })
}

fn extensions(element: &Element) -> Vec<Extension> {
    vast::extensions(element, "Extensions", "Extension")
}
