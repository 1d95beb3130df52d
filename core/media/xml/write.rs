//! Elements into text.

use std::{borrow::Cow, fmt::Display};

use super::{RawXml, is_allowed};

/// Writes a document, element by element. Names are constants of ours and need no check.
#[derive(Default)]
pub(in crate::media) struct Writer {
    out: String,
}

impl Writer {
    pub fn document() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }
    }
    pub fn finish(self) -> String {
        self.out
    }

    /// An element and, within it, what `inside` writes; without content it is written as an empty one.
    pub fn element(&mut self, name: &str, attributes: Attributes, inside: impl FnOnce(&mut Self)) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(&attributes.0);
        let opened = self.out.len();
        self.out.push('>');
        inside(self);
        if self.out.len() == opened + 1 {
            self.out.truncate(opened);
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }
    /// The list element `name`, if `inside` writes anything.
    pub fn list(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        let before = self.out.len();
        self.element(name, attributes(), inside);
        if self.out.ends_with("/>") && self.out.len() == before + name.len() + "</>".len() {
            self.out.truncate(before);
        }
    }
    pub fn text(&mut self, name: &str, attributes: Attributes, text: &str) {
        self.element(name, attributes, |w| w.out.push_str(&escape_text(text)));
    }
    /// A URL or a document. CDATA, unless a carriage return would be lost in it.
    pub fn cdata(&mut self, name: &str, attributes: Attributes, text: &str) {
        if text.contains('\r') {
            return self.text(name, attributes, text);
        }
        self.element(name, attributes, |w| w.out.push_str(&cdata(text)));
    }
    pub fn cdatas(&mut self, name: &str, texts: &[String]) {
        for text in texts {
            self.cdata(name, attributes(), text);
        }
    }
    pub fn raw(&mut self, raw: &RawXml) {
        self.out.push_str(raw.as_str());
    }
}

/// Attributes of one element, in the order in which they are written.
pub(in crate::media) struct Attributes(String);

pub(in crate::media) fn attributes() -> Attributes {
    Attributes(String::new())
}

impl Attributes {
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.0.push_str(&format!(" {name}=\"{}\"", escape_attribute(&value.to_string())));
        self
    }
    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
    /// For what only some versions have.
    pub fn when(self, condition: bool, more: impl FnOnce(Self) -> Self) -> Self {
        if condition { more(self) } else { self }
    }
}

/// `]]>` ends CDATA wherever it stands, so it is parted between two of them.
pub(super) fn cdata(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text: String = text.chars().filter(|c| is_allowed(*c)).collect();
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

pub(super) fn escape_text(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '&' | '<' | '>' | '\r'))
}

pub(super) fn escape_attribute(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '&' | '<' | '>' | '"' | '\r' | '\n' | '\t'))
}

fn escape(text: &str, special: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(|c| special(c) || !is_allowed(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars().filter(|c| is_allowed(*c)) {
        match c {
            c if !special(c) => out.push(c),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    Cow::Owned(out)
}
