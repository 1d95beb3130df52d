//! Which bytes of a script are code: not comments, not the contents of texts.
//!
//! Follows Rhai's lexical rules exactly: comments nest, quotes double, `#"…"#` is verbatim, templates hold code. Looks at no
//! byte more often than a few times, whatever the text: it is read before anything is metered.

use crate::extension::limits::MAX_NAME_BYTES;

/// The script's bytes with everything blanked that is not code; quotes stay, to mark where a value stood.
pub fn code_of(text: &str) -> Vec<u8> {
    let mut scan = Scan { text: text.as_bytes(), at: 0, code: Vec::with_capacity(text.len()) };
    scan.all();
    scan.code
}

/// Where the first name stands in code that is too long to be one. Numbers count as names.
pub fn long_name(code: &[u8]) -> Option<usize> {
    let mut start = 0;
    let mut words = code.split(|byte| !is_word(*byte)).map(|word| {
        let at = start;
        start += word.len() + 1;
        (at, word)
    });
    words.find(|(_, word)| word.len() > MAX_NAME_BYTES).map(|(at, _)| at)
}

/// Whether a byte of code can be one of a name.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Where a byte of a text is for its author; both count from 1.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(at)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
    (before.matches('\n').count() + 1, column)
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
            // All of them: seen one by one, each would count those behind it.
            (0..signs).for_each(|_| self.keep());
            return;
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
