//! Query parameters: one table per operation describes them and reads them.

use std::{collections::BTreeMap, str::FromStr};

use utoipa::openapi::{
    ObjectBuilder, Required, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use crate::{domain::Slug, http::error::Problem};

/// What a parameter's value looks like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Slug,
    /// Some text to search for, so many characters at most.
    Text(usize),
    /// A whole number between two.
    Integer {
        low: u64,
        high: u64,
    },
    /// One of these.
    Choice(&'static [&'static str]),
    /// As a page before gave it.
    Cursor,
}

#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub about: &'static str,
}

/// Characters of a cursor: the longest name in base64.
const MAX_CURSOR: usize = 400;

/// Values that were given and are well-formed.
#[derive(Debug, Default)]
pub struct Query(BTreeMap<&'static str, String>);

impl Query {
    /// Reads a query string. Names that are not in the table are mistakes: a mistyped filter must not list everything.
    pub fn read(query: Option<&str>, params: &[Param]) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        let mut problem = None;
        let mut note = |name: &str, reason: String| {
            let so_far = problem.take().unwrap_or_else(|| Problem::bad_request("the query has mistakes"));
            problem = Some(so_far.field(name.chars().take(64).collect::<String>(), reason));
        };
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some(param) = params.iter().find(|param| param.name == name) else {
                let known = params.iter().map(|param| param.name).collect::<Vec<_>>().join(", ");
                let known =
                    if known.is_empty() { "none is known here".to_owned() } else { format!("known are {known}") };
                note(&name, format!("unknown parameter; {known}"));
                continue;
            };
            if let Err(reason) = param.kind.check(&value) {
                note(&name, reason);
            }
            if values.insert(param.name, value.into_owned()).is_some() {
                note(&name, "given more than once".to_owned());
            }
        }
        problem.map_or(Ok(Self(values)), Err)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A value of a type that its kind guarantees.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| value.parse().ok())
    }
}

impl Kind {
    fn check(self, value: &str) -> Result<(), String> {
        let fine = match self {
            Self::Slug => value.parse::<Slug>().is_ok(),
            Self::Text(max) => (1..=max).contains(&value.chars().count()),
            Self::Integer { low, high } => {
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                digits && value.parse().is_ok_and(|number| (low..=high).contains(&number))
            }
            Self::Choice(choices) => choices.contains(&value),
            Self::Cursor => {
                let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                plain && (1..=MAX_CURSOR).contains(&value.len())
            }
        };
        if fine { Ok(()) } else { Err(format!("expected {}", self.expected())) }
    }

    fn expected(self) -> String {
        match self {
            Self::Slug => "a slug: a-z, 0-9, - and _".to_owned(),
            Self::Text(max) => format!("1 to {max} characters"),
            Self::Integer { low, high } => format!("a whole number from {low} to {high}"),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::Cursor => "a cursor that a page before gave as `next_cursor`".to_owned(),
        }
    }
}

impl Param {
    pub(super) fn described(&self) -> Parameter {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let schema = match self.kind {
            Kind::Slug => text().pattern(Some(super::SLUG_PATTERN)),
            Kind::Text(max) => text().min_length(Some(1)).max_length(Some(max)),
            Kind::Integer { low, high } => {
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(low as f64)).maximum(Some(high as f64))
            }
            Kind::Choice(choices) => text().enum_values(Some(choices.iter().copied())),
            Kind::Cursor => text().pattern(Some(format!("^[A-Za-z0-9_-]{{1,{MAX_CURSOR}}}$"))),
        };
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(self.about))
            .schema(Some(schema.build()))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: [Param; 4] = [
        Param { name: "limit", kind: Kind::Integer { low: 1, high: 200 }, about: "" },
        Param { name: "status", kind: Kind::Choice(&["active", "inactive"]), about: "" },
        Param { name: "q", kind: Kind::Text(5), about: "" },
        Param { name: "cursor", kind: Kind::Cursor, about: "" },
    ];

    #[test]
    fn what_is_declared_is_read_and_everything_else_refused_by_name() {
        let query = Query::read(Some("limit=7&status=active&q=%C3%A9"), &PARAMS).expect("fine");
        assert_eq!((query.parsed("limit"), query.get("q"), query.get("cursor")), (Some(7), Some("é"), None));
        for bad in
            ["limit=0", "limit=201", "limit=+5", "limit=", "statsu=active", "status=x", "q=", "q=123456", "cursor=%20"]
        {
            let problem = Query::read(Some(bad), &PARAMS).expect_err(bad);
            assert_eq!(problem.status().as_u16(), 400, "{bad}");
        }
        assert!(Query::read(Some("limit=1&limit=1"), &PARAMS).is_err(), "twice");
        assert!(Query::read(None, &PARAMS).is_ok());
    }
}
