//! Finds slips in the names of properties without running a script: the trial call sees only the branches that it takes.
//!
//! Looks at the function that the host calls and at names whose type is certain there: its parameters, and what `for`
//! takes out of them. A name that is declared twice is left alone. What this does not see, the run will.

use std::collections::BTreeMap;

use super::{diagnose, registrar::Vocabulary, scan::is_word};

/// Where and what.
#[derive(Debug, PartialEq, Eq)]
pub struct Slip {
    /// Byte position in the text.
    pub at: usize,
    pub message: String,
    pub hint: Option<String>,
}

/// Types whose properties are whatever a tenant wrote.
const OPEN: [&str; 2] = ["Labels", "Config"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'c> {
    Word(&'c str),
    Sign(u8),
}

/// Checks the body of `function`, whose parameters have the types `types`. `code` is the script without comments and
/// the contents of texts.
pub fn check(vocabulary: &Vocabulary, code: &str, function: &str, types: &[&'static str]) -> Option<Slip> {
    let tokens = tokens(code);
    let (parameters, body) = entry(&tokens, function)?;
    let mut names: BTreeMap<&str, Vec<Option<&'static str>>> = BTreeMap::new();
    for (name, kind) in parameters.iter().zip(types) {
        names.entry(name).or_default().push(Some(*kind));
    }
    declarations(vocabulary, body, &mut names);
    let certain = |name: &str| match names.get(name)?.as_slice() {
        [Some(kind)] => Some(*kind),
        _ => None,
    };
    for (index, (_, token)) in body.iter().enumerate() {
        let Token::Word(name) = token else { continue };
        let before = index.checked_sub(1).and_then(|index| body.get(index)).map(|(_, token)| *token);
        if matches!(before, Some(Token::Sign(b'.' | b':'))) {
            continue;
        }
        if let Some(slip) = certain(name).and_then(|kind| follow(vocabulary, body, index + 1, kind)) {
            return Some(slip);
        }
    }
    None
}

/// Follows `.a.b.c` after a value of a type.
fn follow(vocabulary: &Vocabulary, body: &[(usize, Token<'_>)], from: usize, kind: &'static str) -> Option<Slip> {
    let (mut at, mut kind) = (from, kind);
    loop {
        let token = |index: usize| body.get(index).map(|(_, token)| *token);
        if token(at) == Some(Token::Sign(b'?')) && token(at + 1) == Some(Token::Sign(b'.')) {
            at += 1;
        }
        let (Some(Token::Sign(b'.')), Some((place, Token::Word(property)))) = (token(at), body.get(at + 1)) else {
            return None;
        };
        // A function's answer has no certain type. `a..b` is a range.
        if token(at + 2) == Some(Token::Sign(b'(')) || OPEN.contains(&kind) {
            return None;
        }
        let known = vocabulary.types.get(kind)?;
        match known.properties.iter().find(|known| known.name == *property) {
            Some(found) => kind = found.type_name,
            None if known.properties.is_empty() => return None,
            None => {
                let (message, hint) = diagnose::property_error(vocabulary, property, kind, false);
                return Some(Slip { at: *place, message, hint });
            }
        }
        at += 2;
    }
}

/// Everything that a body gives a name to, with its type where that is certain.
fn declarations<'c>(
    vocabulary: &Vocabulary,
    body: &[(usize, Token<'c>)],
    names: &mut BTreeMap<&'c str, Vec<Option<&'static str>>>,
) {
    let tokens: Vec<Token<'c>> = body.iter().map(|(_, token)| *token).collect();
    for index in 0..tokens.len() {
        match tokens.get(index..).unwrap_or_default() {
            [Token::Word("let" | "const"), Token::Word(name), ..] => names.entry(name).or_default().push(None),
            [Token::Word("catch"), Token::Sign(b'('), Token::Word(name), ..] => {
                names.entry(name).or_default().push(None)
            }
            [Token::Word("for"), Token::Sign(b'('), Token::Word(a), Token::Sign(b','), Token::Word(b), ..] => {
                names.entry(a).or_default().push(None);
                names.entry(b).or_default().push(None);
            }
            [Token::Word("for"), Token::Word(name), Token::Word("in"), source @ ..] => {
                let kind = item_of(vocabulary, source, names);
                names.entry(name).or_default().push(kind);
            }
            [Token::Sign(b'('), Token::Sign(b'|'), rest @ ..] => {
                for token in rest.iter().take_while(|token| **token != Token::Sign(b'|')) {
                    if let Token::Word(name) = token {
                        names.entry(name).or_default().push(None);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What `for` takes out of `name {` or `name.property {`.
fn item_of(
    vocabulary: &Vocabulary,
    source: &[Token<'_>],
    names: &BTreeMap<&str, Vec<Option<&'static str>>>,
) -> Option<&'static str> {
    let certain = |name: &str| match names.get(name)?.as_slice() {
        [Some(kind)] => Some(*kind),
        _ => None,
    };
    let kind = match source {
        [Token::Word(name), Token::Sign(b'{'), ..] => certain(name)?,
        [Token::Word(name), Token::Sign(b'.'), Token::Word(property), Token::Sign(b'{'), ..] => {
            let owner = vocabulary.types.get(certain(name)?)?;
            owner.properties.iter().find(|known| known.name == *property)?.type_name
        }
        _ => return None,
    };
    match kind {
        "Ads" => Some("Ad"),
        "Events" => Some("Event"),
        kind => kind.strip_prefix("array of "),
    }
}

type Place<'c> = (usize, Token<'c>);

/// The parameters and the body of a function.
fn entry<'t, 'c>(tokens: &'t [Place<'c>], function: &str) -> Option<(Vec<&'c str>, &'t [Place<'c>])> {
    let starts = |window: &[Place<'c>]| matches!(window, [(_, Token::Word("fn")), (_, Token::Word(name)), (_, Token::Sign(b'('))] if *name == function);
    let start = tokens.windows(3).position(starts)? + 3;
    let rest = tokens.get(start..)?;
    let end = rest.iter().position(|(_, token)| *token == Token::Sign(b')'))?;
    let words = rest.get(..end)?.iter().filter_map(|(_, token)| match token {
        Token::Word(name) => Some(*name),
        Token::Sign(_) => None,
    });
    let body = rest.get(end + 1..)?;
    let mut depth = 0_usize;
    for (index, (_, token)) in body.iter().enumerate() {
        match token {
            Token::Sign(b'{') => depth += 1,
            Token::Sign(b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some((words.collect(), body.get(..=index)?));
        }
    }
    None
}

fn tokens(code: &str) -> Vec<Place<'_>> {
    let bytes = code.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if is_word(*byte) {
            let length = bytes.iter().skip(at).take_while(|byte| is_word(**byte)).count();
            tokens.push((at, Token::Word(code.get(at..at + length).unwrap_or_default())));
            at += length;
        } else {
            tokens.push((at, Token::Sign(*byte)));
            at += 1;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use crate::extension::rhai::{Host, scan::code_of};

    fn check(text: &str, types: &[&'static str], slip: Option<(&str, &str)>) {
        let vocabulary = Host::new().unwrap().vocabulary().clone();
        let code = String::from_utf8(code_of(text)).unwrap();
        let found = super::check(&vocabulary, &code, "target", types);
        let shown = found.as_ref().map(|slip| (text[slip.at..].split(' ').next().unwrap(), slip.message.as_str()));
        assert_eq!(shown, slip, "{text}");
    }

    #[test]
    fn slips_are_found_in_branches_that_a_trial_may_not_take() {
        let types = ["Ad", "Request", "Config"];
        let no_property = Some(("lables", "Ad has no property `lables`"));
        check("fn target(ad, request) { if false { ad.lables } }", &types, no_property);
        check("fn target(x, request) { if false { x .\n lables } }", &types, no_property);
        check("fn target(ad, request) { request.now.hours }", &types, Some(("hours", "Now has no property `hours`")));
        check(
            "fn target(ads, request) { for ad in ads { if ad.sene } }",
            &["Ads", "Request"],
            Some(("sene", "Ad has no property `sene`")),
        );
        check(
            "fn target(window, known) { for cue in window.cues { cue.kinds } }",
            &["Window", "array of Avail"],
            Some(("kinds", "Cue has no property `kinds`")),
        );
    }

    #[test]
    fn what_is_right_or_not_certain_is_left_alone() {
        for text in [
            "fn target(ad, request, config) { ad.labels.anything + config.anything + request.params.x }",
            "fn target(ad, request) { ad.id.len() + request.avail.metadata.x + request.now.hour }",
            "fn target(ad, request) { let ad = #{ x: 1 }; ad.x }",
            "fn target(ad, request) { [#{ x: 1 }].map(|ad| ad.x) }",
            "fn target(ad, request) { let m = #{ ad: 1 }; m.ad.x }",
            "fn target(ad, request) { `ad.x ${ad.id} ad.y`; /* ad.z */ 1 } fn help(ad) { ad.x }",
            "fn target(ad, request) { request.tenant.x }",
            "fn other(ad) { ad.x }",
        ] {
            check(text, &["Ad", "Request", "Config"], None);
        }
    }
}
