//! What an extension may answer. Every answer passes here before anybody uses it, whatever made it.

use std::collections::BTreeSet;

use super::{
    DetectInput, FillInput, FoundAvail, RuleInput, SinkInput, SinkRequest, Verdict,
    limits::{MAX_AVAIL, MAX_AVAIL_METADATA, MAX_AVAILS, MAX_ID_BYTES, MAX_METADATA_BYTES, MAX_SINK_REQUESTS},
};
use crate::domain::AvailKind;

/// What is wrong with an answer, in words for its author.
pub type Verified = Result<(), String>;

/// Ids are unique and fit into URLs as they are: nobody downstream changes one, so a detector finds its own among what is
/// known. Lengths are lengths; insertion happens only where there is time for it.
pub fn avails(input: &DetectInput<'_>, found: &[FoundAvail]) -> Verified {
    if found.len() > MAX_AVAILS {
        return Err(format!("{} avails; at most {MAX_AVAILS} are allowed in one answer", found.len()));
    }
    let mut ids = BTreeSet::new();
    for avail in found {
        let id = &avail.id;
        if !is_plain(id) {
            let shown: String = id.chars().take(MAX_ID_BYTES).collect();
            return Err(format!(
                "`{shown}` cannot be an avail's id: it becomes part of URLs, so write 1 to {MAX_ID_BYTES} letters, digits, - _ or ., and one of these for any other sign that a cue's id has"
            ));
        }
        if !ids.insert(id) {
            return Err(format!("two avails have the id `{id}`; ids must be unique and stay the same on every call"));
        }
        if avail.duration.0 < 0 || avail.duration > MAX_AVAIL {
            return Err(format!("avail `{id}` lasts {}, which is not between 0 s and {MAX_AVAIL} s", avail.duration));
        }
        if avail.kind == AvailKind::Replace && !avail.duration.is_positive() {
            return Err(format!("avail `{id}` replaces nothing: its duration is 0; use kind insert, or leave it out"));
        }
        if avail.kind == AvailKind::Insert && input.window.live {
            return Err(format!("avail `{id}` inserts into a live channel, which would fall behind; use kind replace"));
        }
        if avail.start < input.window.start - MAX_AVAIL || avail.start > input.window.end + MAX_AVAIL {
            return Err(format!(
                "avail `{id}` starts more than a day away from the window; times are in seconds, on the window's clock"
            ));
        }
        let entries = avail.metadata.len();
        if entries > MAX_AVAIL_METADATA {
            return Err(format!(
                "avail `{id}` has {entries} entries of metadata; at most {MAX_AVAIL_METADATA} are allowed"
            ));
        }
        if let Some((key, _)) =
            avail.metadata.iter().find(|(key, value)| key.len().max(value.len()) > MAX_METADATA_BYTES)
        {
            let shown: String = key.chars().take(MAX_METADATA_BYTES).collect();
            return Err(format!("avail `{id}`: metadata `{shown}` is longer than {MAX_METADATA_BYTES} bytes"));
        }
    }
    Ok(())
}

/// Letters, digits and the signs that stand in a path as they are; dots alone would be a folder.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    id.len() <= MAX_ID_BYTES && id.bytes().all(plain) && id.bytes().any(|byte| byte != b'.')
}

/// One verdict per candidate; scores are numbers.
pub fn verdicts(input: &RuleInput<'_>, verdicts: &[Verdict]) -> Verified {
    let (asked, answered) = (input.candidates.len(), verdicts.len());
    if asked != answered {
        return Err(format!("{answered} verdicts for {asked} ads; answer one for each, in the order given"));
    }
    match verdicts.iter().position(|verdict| matches!(verdict, Verdict::Score(score) if !score.is_finite())) {
        Some(index) => Err(format!("the score of ad {index} is not a finite number")),
        None => Ok(()),
    }
}

/// Only ads that were offered, none twice, no two of one competitive category, and together no longer than the avail.
pub fn pod(input: &FillInput<'_>, chosen: &[usize]) -> Verified {
    let (mut seen, mut categories) = (BTreeSet::new(), BTreeSet::new());
    let mut left = input.request.avail.duration;
    for index in chosen {
        let Some(ad) = input.candidates.get(*index) else {
            return Err(format!("there is no ad {index}: {} were offered", input.candidates.len()));
        };
        if !seen.insert(index) {
            return Err(format!("ad {index} (`{}`) was chosen twice", ad.id));
        }
        if let Some(category) = ad.category.filter(|category| !categories.insert(*category)) {
            return Err(format!("`{}` is the second ad of the category `{category}`; a pod takes one of each", ad.id));
        }
        left -= ad.duration;
    }
    let total = input.request.avail.duration - left;
    if left.0 < 0 {
        return Err(format!("the pod lasts {total} s, longer than the avail's {} s", input.request.avail.duration));
    }
    Ok(())
}

/// How a sink's requests can be sent.
const SCHEMES: [&str; 4] = ["https://", "http://", "nats://", "file:"];

/// Few enough, with a method and an address that make sense. Whether the host may be reached is the sender's check.
pub fn requests(_input: &SinkInput<'_>, requests: &[SinkRequest]) -> Verified {
    if requests.len() > MAX_SINK_REQUESTS {
        return Err(format!("{} requests; at most {MAX_SINK_REQUESTS} are allowed in one answer", requests.len()));
    }
    for request in requests {
        if !matches!(request.method.as_str(), "GET" | "POST" | "PUT" | "PATCH") {
            return Err(format!("`{}` is not a method: write GET, POST, PUT or PATCH", request.method));
        }
        if !SCHEMES.iter().any(|scheme| request.url.starts_with(scheme)) {
            return Err(format!("`{}` is not an address: it must start with {}", request.url, SCHEMES.join(" or ")));
        }
        let broken = |text: &str| text.contains(['\r', '\n', '\0']);
        if let Some((name, _)) =
            request.headers.iter().find(|(name, value)| name.is_empty() || broken(name) || broken(value))
        {
            return Err(format!("the header `{}` is empty or has a line break", name.escape_debug()));
        }
    }
    Ok(())
}
