//! Pages of a list: `limit`, `cursor`, `next_cursor`.
//!
//! A cursor names the last item that was given, so a list that changes between two pages loses and repeats nothing that
//! was there all the time.

use axum::response::Response;
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Value, json};

use super::reply;
use crate::http::openapi::query::{Kind, Param, Query};

pub const DEFAULT_LIMIT: usize = 50;
pub const MAX_LIMIT: u64 = 200;

pub const LIMIT: Param =
    Param { name: "limit", kind: Kind::Integer { low: 1, high: MAX_LIMIT }, about: "Items on a page; 50 when absent." };
pub const CURSOR: Param =
    Param { name: "cursor", kind: Kind::Cursor, about: "Where to go on: the `next_cursor` of the page before." };

/// Lenient, as nobody else makes cursors: what does not decode names some place in the list all the same.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Which part of a list is asked for.
pub struct Wanted {
    pub limit: usize,
    /// The last name of the page before.
    pub after: Option<String>,
}

impl Wanted {
    pub fn of(query: &Query) -> Self {
        let decode = |cursor: &str| {
            let bytes = BASE64.decode(cursor).unwrap_or_else(|_| cursor.as_bytes().to_vec());
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self { limit: query.parsed("limit").unwrap_or(DEFAULT_LIMIT), after: query.get("cursor").map(decode) }
    }

    /// Takes a page from names in ascending order; those that `make` answers nothing for are passed over.
    pub fn page<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        make: impl Fn(&str) -> Option<Value>,
    ) -> Page {
        let after = self.after.as_deref();
        let names = names.into_iter().filter(|name| after.is_none_or(|after| name.as_ref() > after));
        let mut page = Page::default();
        let mut last = None;
        for name in names {
            let Some(item) = make(name.as_ref()) else { continue };
            if page.items.len() == self.limit {
                page.next = last;
                break;
            }
            page.items.push(item);
            last = Some(name.as_ref().to_owned());
        }
        page
    }
}

#[derive(Debug, Default)]
pub struct Page {
    pub items: Vec<Value>,
    /// The last name on this page, if there are more behind it.
    pub next: Option<String>,
}

impl Page {
    pub fn into_response(self) -> Response {
        let cursor = self.next.map(|name| BASE64.encode(name));
        reply::json(&json!({"items": self.items, "next_cursor": cursor}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(page: &Page) -> Vec<&str> {
        page.items.iter().filter_map(Value::as_str).collect()
    }

    #[test]
    fn pages_follow_each_other_and_the_last_says_so() {
        let all = ["a", "b", "c", "d", "e"];
        let wanted = |after: Option<&str>| Wanted { limit: 2, after: after.map(str::to_owned) };
        let make = |name: &str| (name != "b").then(|| json!(name));
        let first = wanted(None).page(all, make);
        assert_eq!((names(&first), first.next.as_deref()), (vec!["a", "c"], Some("c")));
        let second = wanted(first.next.as_deref()).page(all, make);
        assert_eq!((names(&second), second.next.as_deref()), (vec!["d", "e"], None));
        assert!(wanted(Some("z")).page(all, make).items.is_empty());
    }

    #[test]
    fn a_cursor_survives_its_item_and_nonsense_is_some_place() {
        let cursor = BASE64.encode("bb");
        let query = Query::read(Some(&format!("cursor={cursor}")), &[LIMIT, CURSOR]).expect("fine");
        let page = Wanted::of(&query).page(["aa", "cc"], |name| Some(json!(name)));
        assert_eq!(names(&page), ["cc"]);
        for odd in ["A", "____", "-"] {
            let query = Query::read(Some(&format!("cursor={odd}")), &[LIMIT, CURSOR]).expect("fine");
            assert!(Wanted::of(&query).after.is_some());
        }
    }
}
