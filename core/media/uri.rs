//! URIs in playlists: EXT-X-DEFINE variables (RFC 8216bis 4.4.2.3) and resolution against the playlist's own address.

use std::{borrow::Cow, collections::BTreeMap};

use url::Url;

use super::attributes;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Adds what one EXT-X-DEFINE declares. `imported` are the multivariant playlist's variables, `base` the address of
/// this playlist (for QUERYPARAM). Unknown imports define nothing.
pub fn define(variables: &mut Variables, list: &str, imported: &Variables, base: &Url) {
    if let Some(name) = attributes::get(list, "NAME") {
        let value = attributes::get(list, "VALUE").unwrap_or_default();
        variables.insert(name.to_owned(), value.to_owned());
    } else if let Some(name) = attributes::get(list, "IMPORT") {
        if let Some(value) = imported.get(name) {
            variables.insert(name.to_owned(), value.clone());
        }
    } else if let Some(name) = attributes::get(list, "QUERYPARAM")
        && let Some((_, value)) = base.query_pairs().find(|(key, _)| key == name)
    {
        variables.insert(name.to_owned(), value.into_owned());
    }
}

/// `text` with every `{$name}` replaced. Unknown names stay as they are.
pub fn substitute<'a>(text: &'a str, variables: &Variables) -> Cow<'a, str> {
    if variables.is_empty() || !text.contains("{$") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{$") {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) if variables.contains_key(name) => {
                out.push_str(variables.get(name).map_or("", String::as_str));
                rest = tail;
            }
            _ => {
                out.push_str("{$");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The absolute form of `uri`. What cannot be resolved stays as it is: the player then sees what the origin wrote.
pub fn absolute<'a>(uri: &'a str, base: &Url) -> Cow<'a, str> {
    if uri.starts_with("https://") || uri.starts_with("http://") || uri.starts_with("data:") || uri.starts_with("skd:")
    {
        return Cow::Borrowed(uri);
    }
    base.join(uri).map_or(Cow::Borrowed(uri), |url| Cow::Owned(url.into()))
}

/// `line` with the URI attribute of its list made absolute.
pub fn absolute_attribute<'a>(line: &'a str, base: &Url) -> Cow<'a, str> {
    let Some(colon) = line.find(':') else { return Cow::Borrowed(line) };
    let list = &line[colon + 1..];
    let Some(range) = attributes::value_range(list, "URI") else { return Cow::Borrowed(line) };
    let resolved = match absolute(&list[range.clone()], base) {
        Cow::Borrowed(_) => return Cow::Borrowed(line),
        Cow::Owned(resolved) => resolved,
    };
    let (start, end) = (colon + 1 + range.start, colon + 1 + range.end);
    Cow::Owned([&line[..start], &resolved, &line[end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://cdn.example.com/live/v1/index.m3u8?token=a%20b").expect("valid")
    }

    #[test]
    fn relative_uris_resolve_and_keep_their_query() {
        for (uri, expect) in [
            ("seg.ts?x=1&y=2", "https://cdn.example.com/live/v1/seg.ts?x=1&y=2"),
            ("../a/s.ts", "https://cdn.example.com/live/a/s.ts"),
            ("/root.ts", "https://cdn.example.com/root.ts"),
            ("//other.example.com/s.ts", "https://other.example.com/s.ts"),
            ("http://x.example.com/s.ts", "http://x.example.com/s.ts"),
        ] {
            assert_eq!(absolute(uri, &base()), expect);
        }
    }

    #[test]
    fn only_the_uri_attribute_changes() {
        assert_eq!(
            absolute_attribute(r#"#EXT-X-KEY:METHOD=AES-128,URI="k.bin",IV=0x01"#, &base()),
            r#"#EXT-X-KEY:METHOD=AES-128,URI="https://cdn.example.com/live/v1/k.bin",IV=0x01"#
        );
        assert_eq!(absolute_attribute("#EXT-X-KEY:METHOD=NONE", &base()), "#EXT-X-KEY:METHOD=NONE");
    }

    #[test]
    fn variables_come_from_values_imports_and_the_query() {
        let imported = Variables::from([("cdn".to_owned(), "c".to_owned())]);
        let mut variables = Variables::new();
        define(&mut variables, r#"NAME="path",VALUE="p/q""#, &imported, &base());
        define(&mut variables, r#"IMPORT="cdn""#, &imported, &base());
        define(&mut variables, r#"QUERYPARAM="token""#, &imported, &base());
        assert_eq!(substitute("{$path}/{$cdn}/{$token}/{$none}/{$", &variables), "p/q/c/a b/{$none}/{$");
    }
}
