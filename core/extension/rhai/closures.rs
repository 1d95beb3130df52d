//! Where a script may write a function without a name: only as the first argument of a list function, as in
//! `ads.filter(|ad| ad.duration < 30)`.
//!
//! A closure shares the variables around it. Kept inside of one of them (`let a = []; a.push(|| a)`) it would hold
//! itself for ever: memory that no limit counts and no call gives back. Written where a list function takes it and
//! lets it go, it cannot. Native functions refuse to store functions too (`value::storable`), and the words that make
//! functions into values are disabled, so no way round remains.
//!
//! Works on the text, by way of [`super::scan`], and refuses what would make that slow: nobody meters it.

use std::collections::HashSet;

use super::scan::{code_of, is_word, line_and_column, long_name};
use crate::extension::limits::{MAX_FUNCTIONS, MAX_NAME_BYTES};

/// A closure where none may be, or another reason not to read on.
#[derive(Debug, PartialEq, Eq)]
pub struct Misplaced {
    pub line: usize,
    pub column: usize,
    pub fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It could be kept.
    Stands,
    /// It would wait for a lock that its own call holds.
    TouchesItsList,
    /// A list function is defined anew.
    Redefines,
    /// A carriage return outside of a line's end.
    BareReturn,
    /// A name that is longer than any.
    LongName,
    /// More than a script may have functions. Each is looked for in all that stands around it.
    TooMany,
}

impl Fault {
    pub fn message(self) -> String {
        let message = match self {
            Self::LongName => return format!("a name of more than {MAX_NAME_BYTES} bytes"),
            Self::TooMany => return format!("more than {MAX_FUNCTIONS} functions without a name"),
            Self::Stands => "a function without a name may only stand where a list function takes it",
            Self::TouchesItsList => "the function uses the list that it is called on",
            Self::Redefines => "this name belongs to a list function",
            Self::BareReturn => "a carriage return without a line feed",
        };
        message.to_owned()
    }

    pub fn hint(self) -> &'static str {
        match self {
            Self::Stands => "write it in the call, as in `ads.filter(|ad| ad.duration < 30)`, or define it with `fn`",
            Self::TouchesItsList => "copy the list first: `let all = list; list.filter(|item| all.len() > 1)`",
            Self::Redefines => "choose another name",
            Self::LongName => "choose a shorter one",
            Self::TooMany => "define one with `fn` and use it in several places",
            Self::BareReturn => "save the file with Unix or Windows line ends",
        }
    }
}

/// The functions that call what they are given and do not keep it.
const TAKERS: [&str; 11] =
    ["map", "filter", "find", "index_of", "some", "all", "for_each", "reduce", "retain", "sort", "sort_by"];

/// Words after which an expression starts, so that a `|` there opens a closure.
const BEFORE_EXPRESSIONS: [&str; 12] =
    ["return", "throw", "in", "if", "while", "until", "loop", "do", "else", "switch", "case", "const"];

/// Finds the first closure that stands elsewhere, or a definition that would make a list function mean another. If
/// there is none: how many closures there are.
pub fn check(text: &str) -> Result<usize, Misplaced> {
    if let Some(at) = bare_return(text) {
        return Err(misplaced(text, at, Fault::BareReturn));
    }
    let code = code_of(text);
    if let Some(at) = long_name(&code) {
        return Err(misplaced(text, at, Fault::LongName));
    }
    if let Some(at) = redefinition(&code) {
        return Err(misplaced(text, at, Fault::Redefines));
    }
    let (mut at, mut closures) = (0, 0);
    while let Some(byte) = code.get(at) {
        if *byte != b'|' {
            at += 1;
            continue;
        }
        let double = code.get(at + 1) == Some(&b'|');
        let after = at + if double { 2 } else { 1 };
        if !opens_closure(&code, at) {
            at = after;
            continue;
        }
        let Some(dot) = taker(&code, at) else {
            return Err(misplaced(text, at, Fault::Stands));
        };
        if closures == MAX_FUNCTIONS {
            return Err(misplaced(text, at, Fault::TooMany));
        }
        // The parameters end with the next bar; what follows is ordinary code again.
        let body = if double { after } else { find(&code, after, b'|').map_or(code.len(), |end| end + 1) };
        match receiver(&code, dot) {
            Receiver::Temporary => {}
            Receiver::Unclear => return Err(misplaced(text, at, Fault::Stands)),
            Receiver::Named(from, to) => {
                let parameters: HashSet<&[u8]> = words(&code, after, body).collect();
                let names: HashSet<&[u8]> = words(&code, from, to).filter(|name| !parameters.contains(name)).collect();
                if words(&code, body, end_of_argument(&code, body)).any(|word| names.contains(word)) {
                    return Err(misplaced(text, at, Fault::TouchesItsList));
                }
            }
        }
        closures += 1;
        at = body;
    }
    Ok(closures)
}

/// A carriage return alone ends a line for Rhai and for few editors; it has no use but to hide code in a comment.
fn bare_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| bytes.get(*at) == Some(&b'\r') && bytes.get(at + 1) != Some(&b'\n'))
}

fn misplaced(text: &str, at: usize, fault: Fault) -> Misplaced {
    let (line, column) = line_and_column(text, at);
    Misplaced { line, column, fault }
}

fn find(code: &[u8], from: usize, byte: u8) -> Option<usize> {
    code.iter().skip(from).position(|candidate| *candidate == byte).map(|offset| from + offset)
}

/// The last byte of code before `at`, and where it stands.
fn previous(code: &[u8], at: usize) -> Option<(usize, u8)> {
    code.iter().take(at).enumerate().rev().find(|(_, byte)| !byte.is_ascii_whitespace()).map(|(at, byte)| (at, *byte))
}

/// The word that ends at `last`, and where it starts.
fn word_before(code: &[u8], last: usize) -> (usize, &[u8]) {
    let length = code.iter().take(last + 1).rev().take_while(|byte| is_word(**byte)).count();
    let start = last + 1 - length;
    (start, code.get(start..=last).unwrap_or_default())
}

/// A bar after a value combines it with the next; anywhere else it opens a closure. After `}` it could be either, and
/// counts as the latter: nobody needs the former.
fn opens_closure(code: &[u8], at: usize) -> bool {
    match previous(code, at) {
        Some((_, b')' | b']' | b'"' | b'`' | b'\'')) => false,
        Some((last, byte)) if is_word(byte) => {
            let (_, word) = word_before(code, last);
            BEFORE_EXPRESSIONS.iter().any(|known| known.as_bytes() == word)
        }
        _ => true,
    }
}

/// Where the dot of `.filter(` is that stands right before it.
fn taker(code: &[u8], at: usize) -> Option<usize> {
    let (open, b'(') = previous(code, at)? else { return None };
    let (last, _) = previous(code, open)?;
    let (start, word) = word_before(code, last);
    let (dot, b'.') = previous(code, start)? else { return None };
    TAKERS.iter().any(|known| known.as_bytes() == word).then_some(dot)
}

/// What a list function is called on, at the start of its chain: in `ads.list[0].filter(…)`, `ads`.
enum Receiver {
    /// The variable, or the parenthesis with it, stands between these places.
    Named(usize, usize),
    /// A value of its own that no variable holds.
    Temporary,
    Unclear,
}

fn receiver(code: &[u8], dot: usize) -> Receiver {
    let mut at = dot;
    loop {
        match previous(code, at) {
            Some((question, b'?')) => at = question,
            Some((_, b'"' | b'`' | b'\'')) => return Receiver::Temporary,
            Some((close, b']')) => {
                let Some(open) = opening(code, close) else { return Receiver::Unclear };
                match previous(code, open) {
                    Some((_, b')' | b']')) => at = open,
                    Some((_, byte)) if is_word(byte) => at = open,
                    // Items of a list written out are copies.
                    _ => return Receiver::Temporary,
                }
            }
            Some((close, b')')) => {
                let Some(open) = opening(code, close) else { return Receiver::Unclear };
                let Some((last, byte)) = previous(code, open) else { return Receiver::Named(open, close) };
                let (start, word) = word_before(code, last);
                if !is_word(byte) || BEFORE_EXPRESSIONS.iter().any(|known| known.as_bytes() == word) {
                    return Receiver::Named(open, close);
                }
                match previous(code, start) {
                    Some((dot, b'.')) => at = dot,
                    // What a function answers is its own.
                    _ => return Receiver::Temporary,
                }
            }
            Some((last, byte)) if is_word(byte) => {
                let (start, _) = word_before(code, last);
                match previous(code, start) {
                    Some((dot, b'.')) => at = dot,
                    _ => return Receiver::Named(start, last + 1),
                }
            }
            _ => return Receiver::Unclear,
        }
    }
}

/// Where the bracket opens that closes at `close`.
fn opening(code: &[u8], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.iter().enumerate().take(close + 1).rev() {
        match byte {
            b')' | b']' | b'}' => depth += 1,
            b'(' | b'[' | b'{' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the argument ends that starts at `from`.
fn end_of_argument(code: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

/// The names between two places that are not names of properties.
fn words(code: &[u8], from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
    let stretch = code.get(from..to.max(from)).unwrap_or_default();
    let mut start = 0;
    let words = stretch.split(|byte| !is_word(*byte)).map(move |word| {
        let place = from + start;
        start += word.len() + 1;
        (place, word)
    });
    words
        .filter(|(place, word)| !word.is_empty() && !matches!(previous(code, *place), Some((_, b'.'))))
        .map(|(_, word)| word)
}

/// `fn filter(…)`, also as `fn array.filter(…)`: would be called in place of the list function.
fn redefinition(code: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(open) = find(code, from, b'(') {
        from = open + 1;
        let Some((last, byte)) = previous(code, open) else { continue };
        if !is_word(byte) {
            continue;
        }
        let (start, word) = word_before(code, last);
        if !TAKERS.iter().any(|known| known.as_bytes() == word) {
            continue;
        }
        // What stands between the last `fn` and the name is the name of a type, or this is a call.
        let before = code.get(..start).unwrap_or_default();
        let kept = before
            .iter()
            .rposition(|byte| !is_word(*byte) && !matches!(byte, b'.' | b'"' | b' ' | b'\t' | b'\n' | b'\r'));
        let segment = before.get(kept.map_or(0, |at| at + 1)..).unwrap_or_default();
        if segment.split(|byte| !is_word(*byte)).any(|word| word == b"fn") {
            return Some(start);
        }
    }
    None
}
