//! Where a script may write a function without a name: only as the first argument of a list function, as in
//! `ads.filter(|ad| ad.duration < 30)`.
//!
//! A closure shares the variables around it. Kept inside of one of them (`let a = []; a.push(|| a)`) it would hold
//! itself for ever: memory that no limit counts and no call gives back. Written where a list function takes it and
//! lets it go, it cannot. Native functions refuse to store functions too (`value::storable`), and the words that make
//! functions into values are disabled, so no way round remains.
//!
//! Works on the text, and so follows Rhai's lexical rules exactly: comments nest, quotes double, templates hold code.

/// A closure where none may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Misplaced {
    pub line: usize,
    pub column: usize,
}

pub const MESSAGE: &str = "a function without a name may only stand where a list function takes it";
pub const HINT: &str = "write it in the call, as in `ads.filter(|ad| ad.duration < 30)`, or define it with `fn`";

/// The functions that call what they are given and do not keep it.
const TAKERS: [&str; 11] =
    ["map", "filter", "find", "index_of", "some", "all", "for_each", "reduce", "retain", "sort", "sort_by"];

/// Words after which an expression starts, so that a `|` there opens a closure.
const BEFORE_EXPRESSIONS: [&str; 12] =
    ["return", "throw", "in", "if", "while", "until", "loop", "do", "else", "switch", "case", "const"];

/// Finds the first closure that stands elsewhere, or a definition that would make a list function mean another.
pub fn check(text: &str) -> Result<(), Misplaced> {
    if let Some(at) = bare_return(text) {
        return Err(misplaced(text, at));
    }
    let code = code_of(text);
    if let Some(at) = redefinition(&code) {
        return Err(misplaced(text, at));
    }
    let mut at = 0;
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
        if !is_taken(&code, at) {
            return Err(misplaced(text, at));
        }
        // The parameters end with the next bar; what follows is ordinary code again.
        at = if double { after } else { find(&code, after, b'|').map_or(code.len(), |end| end + 1) };
    }
    Ok(())
}

/// The script with its comments and the contents of its texts blanked.
pub fn without_comments(text: &str) -> String {
    String::from_utf8_lossy(&code_of(text)).into_owned()
}

/// A carriage return alone ends a line for Rhai and for few editors; it has no use but to hide code in a comment.
fn bare_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| bytes.get(*at) == Some(&b'\r') && bytes.get(at + 1) != Some(&b'\n'))
}

fn misplaced(text: &str, at: usize) -> Misplaced {
    let before = text.get(..text.floor_char_boundary(at)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Misplaced {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
    }
}

fn find(code: &[u8], from: usize, byte: u8) -> Option<usize> {
    code.iter().skip(from).position(|candidate| *candidate == byte).map(|offset| from + offset)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
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

/// `.filter(` stands right before it.
fn is_taken(code: &[u8], at: usize) -> bool {
    let Some((open, b'(')) = previous(code, at) else { return false };
    let Some((last, _)) = previous(code, open) else { return false };
    let (start, word) = word_before(code, last);
    TAKERS.iter().any(|known| known.as_bytes() == word) && matches!(previous(code, start), Some((_, b'.')))
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
        let kept = before.iter().rposition(|byte| !is_word(*byte) && !matches!(byte, b'.' | b'"' | b' ' | b'\t' | b'\n' | b'\r'));
        let segment = before.get(kept.map_or(0, |at| at + 1)..).unwrap_or_default();
        if segment.split(|byte| !is_word(*byte)).any(|word| word == b"fn") {
            return Some(start);
        }
    }
    None
}

/// The script's bytes with everything blanked that is not code; quotes stay, to mark where a value stood.
fn code_of(text: &str) -> Vec<u8> {
    let mut scan = Scan { text: text.as_bytes(), at: 0, code: Vec::with_capacity(text.len()) };
    scan.all();
    scan.code
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    code: Vec<u8>,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.code.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self) {
        self.code.push(match self.peek(0) {
            Some(b'\n') => b'\n',
            _ => b' ',
        });
        self.at += 1;
    }

    fn all(&mut self) {
        // One entry for each template that code is inside of: how many of the code's own braces are open.
        let mut braces: Vec<usize> = Vec::new();
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'/')) => self.line_comment(),
                (b'/', Some(b'*')) => self.block_comment(),
                (b'"' | b'\'', _) => self.quoted(byte),
                (b'#', Some(b'"' | b'#')) => self.raw(),
                (b'`', _) => {
                    self.keep();
                    if self.template() {
                        braces.push(0);
                    }
                }
                (b'{', _) => {
                    if let Some(depth) = braces.last_mut() {
                        *depth += 1;
                    }
                    self.keep();
                }
                (b'}', _) => {
                    self.keep();
                    match braces.last_mut() {
                        Some(0) => {
                            braces.pop();
                            if self.template() {
                                braces.push(0);
                            }
                        }
                        Some(depth) => *depth -= 1,
                        None => {}
                    }
                }
                _ => self.keep(),
            }
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.blank();
        }
    }

    fn block_comment(&mut self) {
        let mut level = 0_usize;
        while let Some(byte) = self.peek(0) {
            let step = match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => 1,
                (b'*', Some(b'/')) => -1,
                _ => 0,
            };
            self.blank();
            if step != 0 {
                self.blank();
                level = level.saturating_add_signed(step);
                if level == 0 {
                    return;
                }
            }
        }
    }

    /// `"…"` and `'…'`: a backslash hides the next character, a doubled quote is part of the text.
    fn quoted(&mut self, quote: u8) {
        self.keep();
        while let Some(byte) = self.peek(0) {
            if byte == b'\\' {
                self.blank();
                if self.peek(0).is_some() {
                    self.blank();
                }
            } else if byte == quote && self.peek(1) == Some(quote) {
                self.blank();
                self.blank();
            } else if byte == quote {
                return self.keep();
            } else {
                self.blank();
            }
        }
    }

    /// `#"…"#` with any number of signs.
    fn raw(&mut self) {
        let signs = self.text.iter().skip(self.at).take_while(|byte| **byte == b'#').count();
        if self.peek(signs) != Some(b'"') {
            return self.keep();
        }
        for _ in 0..signs {
            self.blank();
        }
        self.keep();
        let mut closing = vec![b'"'];
        closing.resize(signs + 1, b'#');
        while self.peek(0).is_some() {
            if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(&closing)) {
                self.keep();
                for _ in 0..signs {
                    self.blank();
                }
                return;
            }
            self.blank();
        }
    }

    /// The text of a template, from after its backtick or after the code in it. True if it stops at more code.
    fn template(&mut self) -> bool {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1), self.peek(2)) {
                (b'\\', Some(b'$'), Some(b'{')) => {
                    self.blank();
                    self.blank();
                    self.blank();
                }
                (b'$', Some(b'{'), _) => {
                    self.blank();
                    self.keep();
                    return true;
                }
                (b'`', Some(b'`'), _) => {
                    self.blank();
                    self.blank();
                }
                (b'`', ..) => {
                    self.keep();
                    return false;
                }
                _ => self.blank(),
            }
        }
        false
    }
}
