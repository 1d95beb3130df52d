//! What is known of the content: looked up once for all ads of a call.

use cuetone_plugin::{Labels, Request, log};

use crate::{
    config::{Combine, Config, Source},
    words,
};

/// Facts of the content, in the order of the configuration's fields.
#[derive(Debug)]
pub struct Content {
    pub fields: Vec<Vec<String>>,
    /// Its place on the scale.
    pub rating: Option<usize>,
}

impl Content {
    pub fn of(request: &Request, config: &Config) -> Self {
        let fields = config.fields.iter().map(|field| {
            let texts = field.content.iter().filter_map(|source| text(request, source));
            let mut lists = texts.map(|text| words::list(text, &field.split)).filter(|words| !words.is_empty());
            match field.combine {
                Combine::First => lists.next().unwrap_or_default(),
                Combine::All => lists.flatten().collect(),
            }
        });
        let fields = fields.collect();
        let rating = config.rating.as_ref().and_then(|rating| {
            let mut texts = rating.content.iter().filter_map(|source| text(request, source));
            let text = texts.find(|text| !words::plain(text).is_empty())?;
            let level = level(text, &rating.scale);
            if level.is_none() {
                log::warn(&format!("the content's rating `{text}` is not on the scale: {}", rating.scale.join(", ")));
            }
            level
        });
        Self { fields, rating }
    }
}

/// The place of a rating on the scale.
pub fn level(rating: &str, scale: &[String]) -> Option<usize> {
    let rating = words::plain(rating);
    scale.iter().position(|step| words::plain(step) == rating)
}

pub fn label<'a>(labels: &'a Labels, name: &str) -> Option<&'a str> {
    labels.iter().find(|(label, _)| label == name).map(|(_, text)| text.as_str())
}

fn text<'a>(request: &'a Request, source: &Source) -> Option<&'a str> {
    match source {
        Source::Avail(name) => label(&request.avail.metadata, name),
        Source::Channel(name) => label(&request.labels, name),
        Source::Param(name) => label(&request.params, name),
    }
}
