//! Where a database is: a checked URL that is never shown with its password.

use std::{fmt, str::FromStr};

use url::Url;

use super::StoreError;

/// What a PostgreSQL URL may say behind its `?`. Whatever else is there is a mistake (and could be a secret: it is named,
/// its value is not shown).
const POSTGRES_PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// The database that a URL names.
#[derive(Clone, PartialEq)]
pub(super) enum Place {
    /// `sqlite:` and a path, with or without parameters.
    Sqlite(String),
    Postgres(Url),
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Url { reason };
        match text.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") if text.contains(":memory:") => {
                Err(wrong("a database in memory would be lost with its connection: name a file".into()))
            }
            Some("sqlite") => Ok(Self::Sqlite(text.to_owned())),
            Some("postgres" | "postgresql") => {
                let url = Url::parse(text).map_err(|error| wrong(format!("it is not well-formed: {error}")))?;
                let unknown = url.query_pairs().map(|(name, _)| name.into_owned());
                match unknown.into_iter().find(|name| !POSTGRES_PARAMETERS.contains(&name.as_str())) {
                    Some(name) => Err(wrong(format!("it has a parameter `{name}`, which is not known"))),
                    None => Ok(Self::Postgres(url)),
                }
            }
            _ => Err(wrong("it begins with neither".into())),
        }
    }
}

/// Without the password and without parameters.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(url) => f.write_str(url),
            Self::Postgres(url) => {
                write!(f, "postgres://")?;
                if !url.username().is_empty() {
                    write!(f, "{}@", url.username())?;
                }
                write!(f, "{}", url.host_str().unwrap_or_default())?;
                if let Some(port) = url.port() {
                    write!(f, ":{port}")?;
                }
                f.write_str(url.path())
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_secrets() {
        let check = |url: &str, expect: &str| {
            let place: Place = url.parse().expect("a URL");
            assert_eq!((place.to_string(), format!("{place:?}")), (expect.to_owned(), expect.to_owned()));
        };
        check("postgres://me:s3cret@db.internal:5433/ads?sslmode=require", "postgres://me@db.internal:5433/ads");
        check("postgresql://db/ads?user=me&password=s3cret", "postgres://db/ads");
        check("postgres://%2Frun%2Fpostgresql/ads", "postgres://%2Frun%2Fpostgresql/ads");
        check("sqlite:data/cuetone.db", "sqlite:data/cuetone.db");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_the_url() {
        let check = |url: &str, expect: &str| {
            let error = url.parse::<Place>().expect_err("refused").to_string();
            assert!(error.contains(expect) && !error.contains("s3cret"), "{error}");
        };
        check("postgres://me:s3cret@db:port/ads", "it is not well-formed: invalid port number");
        check("postgres://me@db/ads?sslpassword=s3cret", "`sslpassword`");
        check("mysql://me:s3cret@db/ads", "it begins with neither");
        check("me:s3cret@db/ads", "it begins with neither");
        check("/tmp/s3cret.db", "it begins with neither");
        check("sqlite::memory:", "name a file");
    }
}
