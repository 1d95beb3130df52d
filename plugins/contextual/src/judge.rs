//! One ad against the content: dropped for a reason that its owner understands, or scored.

use std::fmt::Write as _;

use cuetone_plugin::{Candidate, Verdict, counters};

use crate::{
    config::{Config, Count, Field, FloorFor, Rating, Unknown},
    content::{Content, label, level},
    words,
};

/// Characters of a reason: it is one line of an explanation.
const MAX_REASON: usize = 200;

/// The separator in ads' labels.
const SEPARATOR: &str = ",";

pub fn judge(ad: &Candidate, content: &Content, config: &Config) -> Verdict {
    match score(ad, content, config).map(|score| score - fatigue(ad, config)) {
        Ok(0.0) => Verdict::Keep,
        Ok(score) => Verdict::Score(score),
        Err(reason) => Verdict::Drop(reason.chars().take(MAX_REASON).collect()),
    }
}

/// What an ad loses because it was shown today. It says nothing of whether the ad belongs here, so the floor is above it.
fn fatigue(ad: &Candidate, config: &Config) -> f64 {
    if config.fatigue == 0.0 {
        return 0.0;
    }
    let shown = counters::read(&format!("impressions.today.ad.{}", ad.id)).unwrap_or(0);
    shown as f64 * config.fatigue
}

/// The score, or why the ad is out.
fn score(ad: &Candidate, content: &Content, config: &Config) -> Result<f64, String> {
    if let Some(rating) = &config.rating {
        rated(ad, content, rating)?;
    }
    excluded(ad, content, config)?;
    let (mut score, mut targeted, mut parts) = (0.0, false, String::new());
    for (field, known) in config.fields.iter().zip(&content.fields) {
        avoided(ad, field, known)?;
        let Some(points) = wanted(ad, field, known)? else { continue };
        // Where nothing is known, `unknown` has decided: that is no reason to score less than others.
        targeted |= !known.is_empty();
        score += points;
        if points != 0.0 {
            // Writing to a String cannot fail.
            let _ = write!(parts, "{}{} {points:+}", if parts.is_empty() { "" } else { ", " }, field.name);
        }
    }
    match config.floor {
        Some(floor) if score < floor && (targeted || config.floor_for == FloorFor::All) => {
            let parts = if parts.is_empty() { "nothing matched" } else { &parts };
            Err(format!("context score {score} is below {floor}: {parts}"))
        }
        _ => Ok(score),
    }
}

/// What an ad gains or loses by what it wants; `None` if it wants nothing of this kind.
fn wanted(ad: &Candidate, field: &Field, known: &[String]) -> Result<Option<f64>, String> {
    let wanted = words_of(ad, &field.want);
    if wanted.is_empty() {
        return Ok(None);
    }
    if known.is_empty() {
        return match field.unknown {
            Unknown::Keep => Ok(Some(0.0)),
            Unknown::Drop => Err(format!("wants {} {}, and the content's is unknown", field.name, wanted.join(", "))),
        };
    }
    let matching = wanted.iter().filter(|word| known.contains(word)).count();
    match (matching, field.count) {
        (0, _) if field.required => {
            Err(format!("wants {} {}; the content has {}", field.name, wanted.join(", "), known.join(", ")))
        }
        (0, _) => Ok(Some(field.miss)),
        (_, Count::Any) => Ok(Some(field.weight)),
        (matching, Count::Each) => Ok(Some(field.weight * matching as f64)),
    }
}

fn avoided(ad: &Candidate, field: &Field, known: &[String]) -> Result<(), String> {
    match words_of(ad, &field.avoid).iter().find(|word| known.contains(word)) {
        Some(word) => Err(format!("avoids {} {word}", field.name)),
        None => Ok(()),
    }
}

fn excluded(ad: &Candidate, content: &Content, config: &Config) -> Result<(), String> {
    for exclusion in &config.exclusions {
        let fields = config.fields.iter().zip(&content.fields);
        let known = fields.into_iter().find(|(field, _)| field.name == exclusion.field).map(|(_, known)| known);
        let listed = |word: &&String| exclusion.content.iter().any(|entry| words::plain(entry) == **word);
        let place = known.and_then(|known| known.iter().find(listed));
        if place.is_none() && !exclusion.content.is_empty() {
            continue;
        }
        let own = words_of(ad, &exclusion.label);
        if let Some(word) = own.iter().find(|word| exclusion.values.iter().any(|entry| words::plain(entry) == **word)) {
            return Err(match place {
                Some(place) => format!("{} {word} is excluded from {} {place}", exclusion.label, exclusion.field),
                None => format!("{} {word} is excluded", exclusion.label),
            });
        }
    }
    Ok(())
}

fn rated(ad: &Candidate, content: &Content, rating: &Rating) -> Result<(), String> {
    let of_ad = |name: &str| match label(&ad.labels, name) {
        None => Ok(None),
        Some(text) => level(text, &rating.scale)
            .map(Some)
            .ok_or_else(|| format!("label {name}: `{text}` is not one of {}", rating.scale.join(", "))),
    };
    let (limit, own) = (of_ad(&rating.limit)?, of_ad(&rating.own)?);
    if limit.is_none() && own.is_none() {
        return Ok(());
    }
    let name = |level: usize| rating.scale.get(level).map_or("", String::as_str);
    let Some(known) = content.rating else {
        return match rating.unknown {
            Unknown::Keep => Ok(()),
            Unknown::Drop => Err("the content's rating is unknown".to_owned()),
        };
    };
    if let Some(limit) = limit.filter(|limit| known > *limit) {
        return Err(format!("the content is rated {}, the ad goes up to {}", name(known), name(limit)));
    }
    if let Some(own) = own.filter(|own| *own > known) {
        return Err(format!("rated {}, the content is {}", name(own), name(known)));
    }
    Ok(())
}

fn words_of(ad: &Candidate, name: &str) -> Vec<String> {
    label(&ad.labels, name).map(|text| words::list(text, SEPARATOR)).unwrap_or_default()
}
