//! The server's own settings: `cuetone.yaml` and the environment.
//!
//! Every field has a default, so an empty file (or none) is a working server on this machine. Unknown keys are errors
//! with line and column. A variable overrides the file: `CUETONE_` + the path in capitals with `__` between levels, so
//! `outbound.allow_hosts` is `CUETONE_OUTBOUND__ALLOW_HOSTS` (lists are separated by commas). What the settings are for
//! is not known here.

mod env;
#[cfg(test)]
mod tests;
mod values;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use values::DatabaseUrl;
use values::{hosts, http_base, networks, within};

/// Bytes of `cuetone.yaml`; the full example has 4 KB.
pub const MAX_CONFIG_BYTES: u64 = 256 * 1024;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Where the database, keys and caches live; made if missing.
    pub data_dir: PathBuf,
    /// `sqlite:path`, or `postgres://user:password@host:5432/database?sslmode=verify-full` (PostgreSQL 13 or newer, for
    /// several nodes); `cuetone.db` in `data_dir` when absent.
    pub database_url: Option<DatabaseUrl>,
    /// A folder to watch: each folder in it with a `tenant.yaml` is a tenant.
    pub tenants_dir: Option<PathBuf>,
    /// How players reach this server, when it is not how they say (the Host header): `https://ads.example.com`.
    #[serde(deserialize_with = "http_base")]
    pub public_url: Option<String>,
    pub log: LogConfig,
    pub outbound: OutboundLimits,
    pub trusted: TrustedConfig,
    pub session: SessionConfig,
    pub origin: OriginConfig,
    pub tracking: TrackingConfig,
    pub extensions: ExtensionsConfig,
    /// How long open requests may take after the signal to stop.
    #[serde(deserialize_with = "within::<0, 3_600, _>")]
    pub shutdown_grace_seconds: u64,
    /// Serves the page at `/`. It shows decisions of all tenants: not for the open internet.
    pub dashboard: bool,
    /// How long a signed ad-segment URL is good. A VOD viewer may pause for hours.
    #[serde(deserialize_with = "within::<10, 604_800, _>")]
    pub segment_url_ttl_seconds: u64,
    /// `CUETONE_…` variables that name no setting (orchestrators add such): to be logged once.
    #[serde(skip)]
    pub ignored_env: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: LogLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What requests to other servers may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundLimits {
    /// Private and loopback addresses are refused unless listed: `host`, `host:port`, `*.host` or `10.0.0.0/8`.
    #[serde(deserialize_with = "hosts")]
    pub allow_hosts: Vec<String>,
    #[serde(deserialize_with = "within::<50, 120_000, _>")]
    pub timeout_ms: u64,
    #[serde(deserialize_with = "within::<50, 120_000, _>")]
    pub connect_timeout_ms: u64,
    #[serde(deserialize_with = "within::<1_024, 1_073_741_824, _>")]
    pub max_body_bytes: u64,
}

/// Whose word is taken for what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustedConfig {
    /// The header with the viewer's country, set by the CDN in front. `null`: no header is believed.
    pub geo_header: Option<String>,
    /// A MaxMind database file (`.mmdb`, Country or City), asked where the header names no country. Read at start, and
    /// again when it changes.
    pub geo_database: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For is believed: addresses or blocks.
    #[serde(deserialize_with = "networks")]
    pub proxies: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// A session ends when nobody asked for that long.
    #[serde(deserialize_with = "within::<10, 86_400, _>")]
    pub idle_ttl_seconds: u64,
    /// Sessions at a time; the least used goes first.
    #[serde(deserialize_with = "within::<1, 100_000_000, _>")]
    pub max: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OriginConfig {
    /// How long the last good playlist is served while the origin fails.
    #[serde(deserialize_with = "within::<0, 3_600, _>")]
    pub stale_seconds: u64,
}

/// Lists of who is no viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct TrackingConfig {
    /// A file of parts of User-Agents of robots, one a line, in place of the list that is built in; a line `@shipped`
    /// takes that one as well. Read at start.
    pub bots_file: Option<PathBuf>,
    /// A file of networks of data centres, one a line, such as 192.0.2.0/24. Read at start.
    pub data_centres_file: Option<PathBuf>,
}

/// What the extensions of one tenant may use together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtensionsConfig {
    /// Of one processor, on average; twenty seconds' worth is saved up for the rush when a break begins.
    #[serde(deserialize_with = "within::<1, 10_000, _>")]
    pub cpu_percent_per_tenant: u64,
    /// On average, likewise.
    #[serde(deserialize_with = "within::<1, 1_000_000, _>")]
    pub calls_per_second_per_tenant: u64,
    /// Memory of all plugins of a tenant's own that run at the same time, in MiB. Less than 16 is less than one call may
    /// have in a compiled language.
    #[serde(deserialize_with = "within::<16, 1_048_576, _>")]
    pub memory_mib_per_tenant: u64,
}

impl Default for ExtensionsConfig {
    fn default() -> Self {
        Self { cpu_percent_per_tenant: 50, calls_per_second_per_tenant: 5_000, memory_mib_per_tenant: 512 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data_dir: "./data".into(),
            database_url: None,
            tenants_dir: None,
            public_url: None,
            log: LogConfig::default(),
            outbound: OutboundLimits::default(),
            trusted: TrustedConfig::default(),
            session: SessionConfig::default(),
            origin: OriginConfig::default(),
            tracking: TrackingConfig::default(),
            extensions: ExtensionsConfig::default(),
            shutdown_grace_seconds: 10,
            dashboard: false,
            segment_url_ttl_seconds: 6 * 60 * 60,
            ignored_env: Vec::new(),
        }
    }
}

impl Default for OutboundLimits {
    fn default() -> Self {
        Self { allow_hosts: Vec::new(), timeout_ms: 3_000, connect_timeout_ms: 1_000, max_body_bytes: 8 * 1024 * 1024 }
    }
}

impl Default for TrustedConfig {
    fn default() -> Self {
        Self { geo_header: Some("X-Geo-Country".into()), geo_database: None, proxies: Vec::new() }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { idle_ttl_seconds: 900, max: 1_000_000 }
    }
}

impl Default for OriginConfig {
    fn default() -> Self {
        Self { stale_seconds: 30 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {error}")]
    Read { path: String, error: std::io::Error },
    #[error("{path}: the file is larger than {MAX_CONFIG_BYTES} bytes")]
    TooLarge { path: String },
    /// Line and column count from 1; 0 where YAML names none.
    #[error("{path}:{line}:{column}: {message}")]
    File { path: String, line: usize, column: usize, message: String },
    #[error("{variable}: {message}")]
    Env { variable: String, message: String },
}

impl Config {
    /// The file, if one is given, overridden by the variables that start with `CUETONE_`.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let config = match path {
            None => Self::default(),
            Some(path) => {
                let shown = path.display().to_string();
                let read = |error| ConfigError::Read { path: shown.clone(), error };
                if std::fs::metadata(path).map_err(read)?.len() > MAX_CONFIG_BYTES {
                    return Err(ConfigError::TooLarge { path: shown });
                }
                let text = std::fs::read_to_string(path).map_err(read)?;
                Self::parse(&shown, &text)?
            }
        };
        env::apply(config, env)
    }

    /// `name` stands in front of errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        // A file with nothing but comments is null in YAML, and as good as an empty one.
        let config: Option<Self> = serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
            ConfigError::File { path: name.into(), line, column, message: values::plain(&error) }
        })?;
        Ok(config.unwrap_or_default())
    }

    /// Where the data is: `database_url`, or `cuetone.db` in the data folder.
    pub fn database_url(&self) -> String {
        let in_data_dir = || format!("sqlite:{}", self.data_dir.join("cuetone.db").display());
        self.database_url.as_ref().map_or_else(in_data_dir, |url| url.as_str().to_owned())
    }
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_seconds)
    }
    pub fn segment_url_ttl(&self) -> Duration {
        Duration::from_secs(self.segment_url_ttl_seconds)
    }
}

impl OutboundLimits {
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}

impl SessionConfig {
    pub fn idle_ttl(&self) -> Duration {
        Duration::from_secs(self.idle_ttl_seconds)
    }
}

impl OriginConfig {
    pub fn stale(&self) -> Duration {
        Duration::from_secs(self.stale_seconds)
    }
}
