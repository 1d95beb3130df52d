//! From the model to text.

use super::{AdBreak, AdData, AdSource, BreakTypes, Vmap};
use crate::media::{
    vast::{self, Extension, Vast, Version, value::Time},
    xml::{Writer, attributes},
};

/// Writes a document, with VAST within it in this version.
pub fn write(vmap: &Vmap, version: Version) -> String {
    let mut w = Writer::document();
    let root = attributes().with("xmlns:vmap", "http://www.iab.net/videosuite/vmap").with("version", "1.0");
    w.element("vmap:VMAP", root, |w| {
        for item in &vmap.breaks {
            ad_break(w, item, version);
        }
        extensions(w, &vmap.extensions);
    });
    w.finish()
}

fn ad_break(w: &mut Writer, item: &AdBreak, version: Version) {
    let head = attributes()
        .with("timeOffset", item.time_offset)
        .with("breakType", types(item.types))
        .maybe("breakId", item.id.as_ref())
        .maybe("repeatAfter", item.repeat_after.map(Time));
    w.element("vmap:AdBreak", head, |w| {
        if let Some(source) = &item.source {
            ad_source(w, source, version);
        }
        w.list("vmap:TrackingEvents", |w| {
            for tracking in &item.tracking {
                w.cdata("vmap:Tracking", attributes().with("event", tracking.event.as_str()), &tracking.url);
            }
        });
        extensions(w, &item.extensions);
    });
}

fn types(types: BreakTypes) -> String {
    let named = [("linear", types.linear), ("nonlinear", types.non_linear), ("display", types.display)];
    let names: Vec<&str> = named.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
    // At least one has to be named.
    if names.is_empty() { "linear".to_owned() } else { names.join(",") }
}

fn ad_source(w: &mut Writer, source: &AdSource, version: Version) {
    let head = attributes()
        .maybe("id", source.id.as_ref())
        .with("allowMultipleAds", source.allow_multiple_ads)
        .with("followRedirects", source.follow_redirects);
    w.element("vmap:AdSource", head, |w| match &source.data {
        AdData::Vast(data) => vast_data(w, data, version),
        AdData::Unreadable(_) => vast_data(w, &Vast::default(), version),
        AdData::TagUri { template, url } => {
            w.cdata("vmap:AdTagURI", attributes().maybe("templateType", template.as_ref()), url);
        }
        AdData::Custom { template, text } => {
            w.cdata("vmap:CustomAdData", attributes().maybe("templateType", template.as_ref()), text);
        }
    });
}

fn vast_data(w: &mut Writer, data: &Vast, version: Version) {
    w.element("vmap:VASTAdData", attributes(), |w| vast::element(w, data, version));
}

fn extensions(w: &mut Writer, items: &[Extension]) {
    w.list("vmap:Extensions", |w| items.iter().for_each(|item| vast::extension(w, "vmap:Extension", item)));
}
