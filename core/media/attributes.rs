//! HLS attribute lists (RFC 8216bis 4.2): `NAME=value,NAME="quoted, value"`.
//!
//! A zero-copy scanner, tolerant of what packagers really write: spaces around names and values, text after a closing
//! quote, a quote that never closes, items without a name. Deliberately knows no tag and no attribute: what a name
//! means is the caller's business.

use std::ops::Range;

/// One item of an attribute list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Left of `=`; empty for an item that has none (the `30` of `#EXT-X-CUE-OUT:30,ID=7`).
    pub name: &'a str,
    /// Right of `=` without the quotes.
    pub value: &'a str,
    /// Whether the value stood in quotes: `CUE-OUT="YES"` and `CUE-OUT=YES` differ in grammar.
    pub quoted: bool,
}

/// Iterator over the items of a list. See [`attributes`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a str,
}

/// The items of `list` (what stands after a tag's colon), in order. Empty items are skipped. Never fails: bytes that
/// fit no rule become part of the item that they stand in.
pub fn attributes(list: &str) -> Attributes<'_> {
    Attributes { rest: list }
}

/// The value of the first attribute called exactly `name`, without quotes.
pub fn get<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    attributes(list).find(|item| item.name == name).map(|item| item.value)
}

/// As [`get`], for vendor tags whose names come in several capitalisations (`ElapsedTime`, `elapsedtime`).
pub fn get_ignore_case<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    attributes(list).find(|item| item.name.eq_ignore_ascii_case(name)).map(|item| item.value)
}

/// Where in `list` the value of the first attribute called `name` stands, without its quotes: for rewriting a URI in
/// place and leaving every other byte as it was.
pub fn value_range(list: &str, name: &str) -> Option<Range<usize>> {
    let value = get(list, name)?;
    // `value` is always a part of `list`, so the distance of the two addresses is its offset.
    let start = (value.as_ptr() as usize).checked_sub(list.as_ptr() as usize)?;
    Some(start..start + value.len())
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            self.rest = self.rest.trim_start_matches([',', ' ', '\t', '\r', '\n']);
            if self.rest.is_empty() {
                return None;
            }
            let item = self.take_item();
            if !item.name.is_empty() || !item.value.is_empty() {
                return Some(item);
            }
        }
    }
}

impl<'a> Attributes<'a> {
    fn take_item(&mut self) -> Attribute<'a> {
        let name = match self.rest.bytes().position(|byte| matches!(byte, b'=' | b',' | b'"')) {
            Some(end) if self.rest.as_bytes().get(end) == Some(&b'=') => {
                let (name, rest) = self.rest.split_at(end);
                self.rest = rest.get(1..).unwrap_or_default().trim_start();
                name.trim_end()
            }
            _ => "",
        };
        let quoted = self.rest.starts_with('"');
        let value = if quoted {
            let inside = self.rest.get(1..).unwrap_or_default();
            let (value, after) = inside.split_once('"').unwrap_or((inside.trim_end_matches(['\r', '\n']), ""));
            self.rest = after.split_once(',').map_or("", |(_, next)| next);
            value
        } else {
            let (value, next) = self.rest.split_once(',').unwrap_or((self.rest, ""));
            self.rest = next;
            value.trim_end()
        };
        Attribute { name, value, quoted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, expect: &[(&str, &str)]) {
        let got: Vec<_> = attributes(list).map(|item| (item.name, item.value)).collect();
        assert_eq!(got, expect, "{list}");
    }

    #[test]
    fn commas_inside_quotes_do_not_split() {
        check(r#"CODECS="avc1,mp4a",BANDWIDTH=1"#, &[("CODECS", "avc1,mp4a"), ("BANDWIDTH", "1")]);
    }

    #[test]
    fn spaces_around_names_and_values_are_not_part_of_them() {
        check("A=1, B = 2 ,\tC=\"x\" , D=4\r", &[("A", "1"), ("B", "2"), ("C", "x"), ("D", "4")]);
    }

    #[test]
    fn spaces_inside_quotes_are_kept() {
        check(r#"A=" x ",B=1"#, &[("A", " x "), ("B", "1")]);
    }

    #[test]
    fn an_equals_sign_in_a_value_belongs_to_the_value() {
        check(r#"SCTE35=/DA==,URI="a?b=c&d=e,f""#, &[("SCTE35", "/DA=="), ("URI", "a?b=c&d=e,f")]);
    }

    #[test]
    fn items_without_a_name_keep_their_value() {
        check(r#"8.0/30,"x,y",ID=7"#, &[("", "8.0/30"), ("", "x,y"), ("ID", "7")]);
    }

    #[test]
    fn empty_items_vanish_and_empty_values_stay() {
        check(r#",,A=,B="",C"#, &[("A", ""), ("B", ""), ("", "C")]);
    }

    #[test]
    fn a_quote_that_never_closes_runs_to_the_end() {
        check("A=1,B=\"x,y\r\n", &[("A", "1"), ("B", "x,y")]);
    }

    #[test]
    fn text_after_a_closing_quote_is_ignored() {
        check(r#"A="x"junk=1,B=2"#, &[("A", "x"), ("B", "2")]);
    }

    #[test]
    fn get_matches_whole_names_only_and_the_first_wins() {
        assert_eq!(get(r#"GROUP-ID="g",ID="a",ID="b""#, "ID"), Some("a"));
        assert_eq!(get("IDX=1", "ID"), None);
        assert_eq!(get(r#"X="ID=9",ID=3"#, "ID"), Some("3"));
        assert_eq!(get("elapsedtime=1", "ElapsedTime"), None);
        assert_eq!(get_ignore_case("elapsedtime=1", "ElapsedTime"), Some("1"));
    }

    #[test]
    fn whether_a_value_was_quoted_is_known() {
        let flags: Vec<_> = attributes(r#"A="YES",B=YES"#).map(|item| item.quoted).collect();
        assert_eq!(flags, [true, false]);
    }

    #[test]
    fn value_range_points_between_the_quotes() {
        let list = r#"METHOD=AES-128, URI="key.bin",IV=0x1"#;
        assert_eq!(value_range(list, "URI").and_then(|range| list.get(range)), Some("key.bin"));
        assert_eq!(value_range(list, "IV").and_then(|range| list.get(range)), Some("0x1"));
        assert_eq!(value_range(list, "KEYFORMAT"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned_without_panic_and_ends(list in ".{0,200}") {
            proptest::prop_assert!(attributes(&list).count() <= list.len());
        }

        #[test]
        fn what_is_written_is_read_back(
            pairs in proptest::collection::vec(("[A-Z0-9-]{1,8}", "[^\"\r\n]{0,12}"), 0..6),
        ) {
            let list = pairs.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(",");
            let got: Vec<_> = attributes(&list).map(|item| (item.name.to_owned(), item.value.to_owned())).collect();
            proptest::prop_assert_eq!(got, pairs);
        }
    }
}
