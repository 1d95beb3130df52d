//! Which lines are ad markers. Reads tag names, and of EXT-X-DATERANGE only what tells ad breaks from other ranges.

use crate::media::attributes;

/// The tags that carry cues, by what their values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CueTag {
    Out,
    Continue,
    In,
    /// `#EXT-X-CUE:TYPE=SpliceOut,…`: Adobe, AWS "Adobe" style, Unified Streaming.
    Legacy,
    /// A bare base64 section.
    Section,
    Scte35,
    Scte35Out,
    Scte35In,
    DateRange,
    Asset,
}

/// The marker's tag and what stands after its colon; `None` for every other line.
pub(super) fn recognise(line: &str) -> Option<(CueTag, &str)> {
    let rest = line.strip_prefix("#EXT-")?;
    if !matches!(rest.as_bytes(), [b'X', b'-', b'C' | b'S' | b'D' | b'A', ..] | [b'O', ..]) {
        return None;
    }
    let end = rest.bytes().position(|byte| matches!(byte, b':' | b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(rest.len());
    let (name, value) = rest.split_at_checked(end)?;
    let value = value.trim_start_matches([':', ' ', '\t']).trim_end();
    let tag = match name {
        "X-CUE-OUT" => CueTag::Out,
        "X-CUE-OUT-CONT" | "X-CUE-CONT" | "X-CUE-SPAN" => CueTag::Continue,
        "X-CUE-IN" => CueTag::In,
        "X-CUE" => CueTag::Legacy,
        "OATCLS-SCTE35" | "X-SPLICEPOINT-SCTE35" => CueTag::Section,
        "X-SCTE35" => CueTag::Scte35,
        "X-SCTE35-OUT" => CueTag::Scte35Out,
        "X-SCTE35-IN" => CueTag::Scte35In,
        "X-ASSET" => CueTag::Asset,
        "X-DATERANGE" if is_break(value) => CueTag::DateRange,
        _ => return None,
    };
    Some((tag, value))
}

/// What the CLASS of a date range says about ad breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakClass {
    /// The range itself is an ad break.
    AdBreak,
    /// It belongs to the subject (Apple's interstitials, SCTE-35 in private attributes), but opens no break for us.
    Related,
}

/// Reads a class name by its words: `com.example.ad-break`, `AdBreak`, `com.apple.hls.interstitial`,
/// `urn:scte:scte35:2013:bin`. One word `ad` is not enough: `vendor-ad-quartile` is no break.
pub(super) fn break_class(class: &str) -> Option<BreakClass> {
    let has = |words: &[&str]| {
        class
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
    };
    let ad = has(&["ad", "ads", "advert", "adverts", "advertisement", "advertising", "commercial"]);
    if has(&["adbreak", "adbreaks", "commercialbreak"]) || (ad && has(&["break", "breaks"])) {
        Some(BreakClass::AdBreak)
    } else if has(&["interstitial", "interstitials", "scte35"]) {
        Some(BreakClass::Related)
    } else {
        None
    }
}

fn is_break(list: &str) -> bool {
    // Most date ranges are no breaks; one search each is cheaper than taking the list apart.
    (list.contains("SCTE35-") || list.contains("CLASS"))
        && attributes::attributes(list).any(|item| match item.name {
            "SCTE35-OUT" | "SCTE35-IN" | "SCTE35-CMD" => true,
            "CLASS" => break_class(item.value).is_some(),
            _ => false,
        })
}
