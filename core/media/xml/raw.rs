//! Somebody else's XML, carried as text.

use super::{
    Fault, MAX_BYTES, MAX_TEXT, XmlError,
    read::{Part, Source},
    write::{cdata, escape_attribute, escape_text},
};

/// What may stand inside an element: well-formed, with all prefixes declared in it. It is written anew from what was read,
/// so that it never breaks the document around it; comments and processing instructions are gone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawXml(String);

impl RawXml {
    pub fn new(xml: &str) -> Result<Self, XmlError> {
        let mut source = Source::new(xml);
        let raw = source.raw()?.map_err(|fault| source.fault(fault))?;
        Ok(raw)
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The outermost element that is being copied.
struct Top {
    /// Where declarations go: behind its name.
    after_name: usize,
    /// Prefixes that are declared outside and used in it.
    needs: Vec<String>,
}

impl Source<'_> {
    /// Copies all up to the end of the element that is open, or of the text if none is. The inner error is that of
    /// something that cannot be copied, and was passed over.
    pub(super) fn raw(&mut self) -> Result<Result<RawXml, Fault>, XmlError> {
        let ground = self.depth();
        let outside = self.spaces.len();
        let (mut out, mut top, mut wrong) = (String::new(), Top { after_name: 0, needs: Vec::new() }, None);
        let mut names: Vec<String> = Vec::new();
        loop {
            match self.next()? {
                Part::Eof if self.depth() == 0 => break,
                Part::Eof => return Err(self.fault(Fault::Unclosed)),
                Part::Start { tag, empty } => {
                    let name = tag.name().into_inner().to_owned();
                    out.push('<');
                    out.push_str(&name);
                    if names.is_empty() {
                        top = Top { after_name: out.len(), needs: Vec::new() };
                    }
                    let attributes = self.attributes(&tag)?;
                    let depth = if empty { self.depth() + 1 } else { self.depth() };
                    self.declare(depth, &attributes);
                    for (key, value) in &attributes {
                        if key.starts_with("xmlns:") && value.is_empty() {
                            wrong = Some(Fault::Name);
                        }
                        out.push_str(&format!(" {key}=\"{}\"", escape_attribute(value)));
                    }
                    let keys = attributes.iter().map(|(key, _)| key.as_str());
                    for name in keys.chain([name.as_str()]) {
                        match self.prefix(name, outside) {
                            Prefix::Known => {}
                            Prefix::Outside if top.needs.iter().any(|need| name.starts_with(need)) => {}
                            Prefix::Outside => top.needs.extend(name.split_inclusive(':').next().map(str::to_owned)),
                            Prefix::Wrong => wrong = Some(Fault::Name),
                        }
                    }
                    out.push_str(if empty { "/>" } else { ">" });
                    if empty {
                        self.forget(depth);
                        if names.is_empty() {
                            self.insert_declarations(&mut out, &top, outside)?;
                        }
                    } else {
                        names.push(name);
                    }
                }
                // The end of the element around: its own declarations are gone already.
                Part::End if self.depth() < ground => break,
                Part::End => {
                    if let Some(name) = names.pop() {
                        out.push_str(&format!("</{name}>"));
                    }
                    if names.is_empty() {
                        self.insert_declarations(&mut out, &top, outside)?;
                    }
                }
                Part::Text(text) => out.push_str(&escape_text(&text)),
                Part::CData(text) => out.push_str(&cdata(&text)),
            }
            if out.len() > MAX_TEXT {
                return Err(self.fault(Fault::TextTooLong));
            }
        }
        self.raw_bytes += out.len();
        if self.raw_bytes > MAX_BYTES {
            return Err(self.fault(Fault::TooLarge));
        }
        Ok(wrong.map_or_else(|| Ok(RawXml(out.trim().to_owned())), Err))
    }

    fn prefix(&self, name: &str, outside: usize) -> Prefix {
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let declared = |prefix: &str| self.spaces.iter().rposition(|(_, known, _)| known == prefix);
        match name.split_once(':') {
            None if is_name(name) => Prefix::Known,
            // `xml` needs no declaration, and `xmlns` declares; neither may be declared.
            Some(("xmlns", prefix)) if is_name(prefix) && !matches!(prefix, "xml" | "xmlns") => Prefix::Known,
            Some(("xml", local)) if is_name(local) => Prefix::Known,
            Some((prefix, local)) if is_name(prefix) && is_name(local) => match declared(prefix) {
                Some(at) if at >= outside => Prefix::Known,
                Some(_) => Prefix::Outside,
                None => Prefix::Wrong,
            },
            _ => Prefix::Wrong,
        }
    }

    /// Puts what the outermost element needs from outside behind its name.
    fn insert_declarations(&self, out: &mut String, top: &Top, outside: usize) -> Result<(), XmlError> {
        for need in &top.needs {
            let prefix = need.trim_end_matches(':');
            let known = self.spaces.iter().take(outside).rev().find(|(_, known, _)| known == prefix);
            let Some((_, _, uri)) = known else { continue };
            let declaration = format!(" xmlns:{prefix}=\"{}\"", escape_attribute(uri));
            if out.len() + declaration.len() > MAX_TEXT {
                return Err(self.fault(Fault::TextTooLong));
            }
            out.insert_str(top.after_name, &declaration);
        }
        Ok(())
    }
}

enum Prefix {
    /// None, or declared within what is copied.
    Known,
    /// Declared around it.
    Outside,
    Wrong,
}
