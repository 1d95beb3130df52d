//! Text into a tree of elements.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_PIECES, MAX_PREFIXES, MAX_TEXT,
    error::{Fault, Position, XmlError},
    is_allowed,
    raw::RawXml,
};

/// An element without its prefix, and all in it.
#[derive(Debug, Default)]
pub(in crate::media) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// The text directly in it, CDATA included, without white space around it.
    pub text: String,
    pub children: Vec<Element>,
    /// What is in it, if it was to be kept as it is and could be. It then has no children.
    pub raw: Option<RawXml>,
    pub at: Position,
}

impl Element {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.is(name))
    }
    pub fn first(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(name))
    }
    /// Children of a list: `all_in("Creatives", "Creative")`, however many lists there are.
    pub fn all_in<'a>(&'a self, list: &'a str, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.all(list).flat_map(move |list| list.all(name))
    }
    /// The text of the first child of that name that has some.
    pub fn text_of(&self, name: &str) -> Option<String> {
        self.all(name).find(|child| !child.text.is_empty()).map(|child| child.text.clone())
    }
    /// The texts of all children of that name that have some.
    pub fn texts_of(&self, name: &str) -> Vec<String> {
        self.all(name).filter(|child| !child.text.is_empty()).map(|child| child.text.clone()).collect()
    }
    /// An attribute's value, without white space around it; an empty one is none.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
    pub fn owned(&self, attribute: &str) -> Option<String> {
        self.attribute(attribute).map(str::to_owned)
    }
}

/// The root element of a document. Elements named in `keep` hold their contents as [`RawXml`].
pub(in crate::media) fn parse(bytes: &[u8], keep: &[&str]) -> Result<Element, XmlError> {
    let fault = |fault| XmlError { fault, at: Position { byte: 0, line: 1 } };
    if bytes.len() > MAX_BYTES {
        return Err(fault(Fault::TooLarge));
    }
    let text = decode(bytes).ok_or_else(|| fault(Fault::Encoding))?;
    Source::new(&text).tree(keep)
}

/// The name of the root element, if the document gets as far as that.
pub(in crate::media) fn root_name(bytes: &[u8]) -> Option<String> {
    let text = decode(bytes.get(..MAX_BYTES).unwrap_or(bytes))?;
    let mut source = Source::new(&text);
    loop {
        match source.next().ok()? {
            Part::Start { tag, .. } => return Some(tag.local_name().into_inner().to_owned()),
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(_) | Part::CData(_) | Part::End | Part::Eof => return None,
        }
    }
}

/// UTF-8, whatever a declaration says (many servers declare what they do not send), or else ISO-8859-1 if declared.
fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    let declaration = bytes.get(..bytes.iter().position(|byte| *byte == b'>')?)?.to_ascii_lowercase();
    let declares = |name: &[u8]| declaration.windows(name.len()).any(|part| part == name);
    let is_latin = declaration.starts_with(b"<?xml") && (declares(b"iso-8859-1") || declares(b"windows-1252"));
    is_latin.then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// Events of a text, counted against the limits.
pub(super) struct Source<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where the event that was read last begins.
    start: Position,
    depth: usize,
    elements: usize,
    pieces: usize,
    /// Prefixes and what they stand for, with the depth of the element that says so.
    pub spaces: Vec<(usize, String, String)>,
    /// Bytes of [`RawXml`] made so far. Declarations are copied into it, so it could outgrow the document.
    pub raw_bytes: usize,
}

/// What [`Source`] tells apart.
pub(super) enum Part<'a> {
    Start { tag: BytesStart<'a>, empty: bool },
    End,
    Text(Cow<'a, str>),
    CData(Cow<'a, str>),
    Eof,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().allow_dangling_amp = true;
        Self {
            text,
            reader,
            start: Position { byte: 0, line: 1 },
            depth: 0,
            elements: 0,
            pieces: 0,
            spaces: Vec::new(),
            raw_bytes: 0,
        }
    }

    pub fn fault(&self, fault: Fault) -> XmlError {
        XmlError { fault, at: self.start }
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The next part. An empty element counts as one level while its tag is looked at, and needs no end.
    pub fn next(&mut self) -> Result<Part<'a>, XmlError> {
        loop {
            self.start = self.start.further(self.text, usize::try_from(self.reader.buffer_position()).unwrap_or(0));
            self.pieces += 1;
            if self.pieces > MAX_PIECES {
                return Err(self.fault(Fault::TooManyPieces));
            }
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.fault(Fault::Syntax(error.to_string()))),
            };
            let part = match event {
                Event::Start(tag) => {
                    self.count()?;
                    self.depth += 1;
                    Part::Start { tag, empty: false }
                }
                Event::Empty(tag) => {
                    self.count()?;
                    Part::Start { tag, empty: true }
                }
                Event::End(_) => {
                    self.forget(self.depth);
                    self.depth = self.depth.saturating_sub(1);
                    Part::End
                }
                Event::Text(text) => Part::Text(allowed(text.xml10_content())),
                Event::CData(text) => Part::CData(allowed(text.xml10_content())),
                Event::GeneralRef(name) => Part::Text(reference(&name).into()),
                Event::DocType(_) => return Err(self.fault(Fault::DocType)),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof => Part::Eof,
            };
            return Ok(part);
        }
    }

    fn count(&mut self) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.fault(Fault::TooManyElements));
        }
        if self.depth >= MAX_DEPTH {
            return Err(self.fault(Fault::TooDeep));
        }
        Ok(())
    }

    /// Attributes in order, their values resolved; of several with one name the first.
    pub fn attributes(&self, tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, XmlError> {
        let mut found: Vec<(String, String)> = Vec::new();
        for attribute in tag.html_attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.fault(Fault::Syntax(error.to_string())))?;
            if found.len() >= MAX_ATTRIBUTES {
                return Err(self.fault(Fault::TooManyAttributes));
            }
            if attribute.value.len() > MAX_TEXT {
                return Err(self.fault(Fault::TextTooLong));
            }
            let key = attribute.key.into_inner();
            if !found.iter().any(|(name, _)| name == key) {
                found.push((key.to_owned(), value(&attribute.value)));
            }
        }
        Ok(found)
    }

    /// Remembers the prefixes that an element declares, until it ends. Those beyond the limit stand for nothing.
    pub fn declare(&mut self, depth: usize, attributes: &[(String, String)]) {
        let declared = attributes.iter().filter_map(|(key, value)| Some((key.strip_prefix("xmlns:")?, value)));
        let room = MAX_PREFIXES.saturating_sub(self.spaces.len());
        let declared = declared.filter(|(_, uri)| !uri.is_empty()).take(room);
        self.spaces.extend(declared.map(|(prefix, uri)| (depth, prefix.to_owned(), uri.clone())));
    }

    /// Forgets the prefixes of an element at this depth.
    pub fn forget(&mut self, depth: usize) {
        while self.spaces.pop_if(|(declared, ..)| *declared >= depth).is_some() {}
    }

    fn tree(&mut self, keep: &[&str]) -> Result<Element, XmlError> {
        let mut open: Vec<Element> = Vec::new();
        loop {
            let mut done = match self.next()? {
                Part::Start { tag, empty } => {
                    let attributes = self.attributes(&tag)?;
                    let name = tag.local_name().into_inner().to_owned();
                    let kept = keep.iter().any(|kept| name.eq_ignore_ascii_case(kept));
                    let mut element = Element { name, attributes, at: self.start, ..Element::default() };
                    match (empty, kept) {
                        (true, _) => element.raw = kept.then(RawXml::default),
                        (false, true) => {
                            self.declare(self.depth, &element.attributes);
                            element.raw = self.raw()?.ok();
                        }
                        (false, false) => {
                            self.declare(self.depth, &element.attributes);
                            open.push(element);
                            continue;
                        }
                    }
                    element
                }
                Part::End => match open.pop() {
                    Some(element) => element,
                    None => continue,
                },
                Part::Text(text) | Part::CData(text) => {
                    match open.last_mut() {
                        None if text.trim().is_empty() => {}
                        None => return Err(self.fault(Fault::Outside)),
                        Some(element) if element.text.len() + text.len() > MAX_TEXT => {
                            return Err(self.fault(Fault::TextTooLong));
                        }
                        Some(element) => element.text.push_str(&text),
                    }
                    continue;
                }
                Part::Eof if open.is_empty() => return Err(self.fault(Fault::Empty)),
                Part::Eof => return Err(self.fault(Fault::Unclosed)),
            };
            let trimmed = done.text.trim();
            if trimmed.len() < done.text.len() {
                done.text = trimmed.to_owned();
            }
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Ok(done),
            }
        }
    }
}

/// Without the characters that no document may have.
fn allowed(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.chars().all(is_allowed) { text } else { text.chars().filter(|c| is_allowed(*c)).collect() }
}

/// What `&name;` stands for. A name that means nothing stays as it is: in URLs that nobody escaped, it is text.
fn reference(name: &str) -> String {
    let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    let c = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => name.strip_prefix('#').and_then(|digits| char::from_u32(number(digits).ok()?)),
    };
    match c {
        Some(c) if is_allowed(c) => c.to_string(),
        Some(_) => String::new(),
        None => format!("&{};", allowed(name.into())),
    }
}

/// An attribute's value: references resolved, and white space made plain spaces (XML 1.0, 3.3.3).
fn value(raw: &str) -> String {
    let plain = |text: &str| {
        let text = text.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ");
        allowed(text.into()).into_owned()
    };
    let mut parts = raw.split('&');
    let mut value = plain(parts.next().unwrap_or_default());
    for part in parts {
        // References are short; a `;` far away ends no reference.
        match part.split_once(';').filter(|(name, _)| is_reference(name)) {
            Some((name, rest)) => {
                value.push_str(&reference(name));
                value.push_str(&plain(rest));
            }
            None => {
                value.push('&');
                value.push_str(&plain(part));
            }
        }
    }
    value
}

fn is_reference(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
}
