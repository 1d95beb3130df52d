//! From a script's text to something that can be asked: compile, check its functions, try it, wrap it.
//!
//! Everything here blocks for as long as compiling and one call take (well under 5 ms): call it off the async threads.
//! Nothing is kept: activation and rollback are the caller's.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    BreakDetector, ExtensionError, FillStrategy, Guarded, Monotonic, TargetingRule, TrackingSink,
    call::Label,
    rhai::{Host, Script},
    shipped,
};
use crate::domain::ExtensionRef;

/// Which of the four points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    Detect,
    Targeting,
    Fill,
    Sink,
}

impl Point {
    pub const ALL: [Self; 4] = [Self::Detect, Self::Targeting, Self::Fill, Self::Sink];

    /// Also the folder of the shipped rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Targeting => "targeting",
            Self::Fill => "fill",
            Self::Sink => "sink",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Point {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|point| point.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown point `{text}`: expected one of {known}")
        })
    }
}

/// A script before it is compiled.
#[derive(Clone, Copy, Debug)]
pub struct ScriptSource<'a> {
    /// The path shown in errors, as its author knows it.
    pub name: &'a str,
    pub text: &'a str,
}

impl ScriptSource<'_> {
    /// What the script is, not where it lies: the start of its SHA-256.
    pub fn version(&self) -> String {
        let digest = Sha256::digest(self.text.as_bytes());
        digest.iter().take(VERSION_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// 12 hex digits tell a tenant's versions apart and still fit into a log line.
const VERSION_BYTES: usize = 6;

/// An extension that is ready to be asked.
pub struct Loaded<T: ?Sized> {
    /// As written in the bundle: `shipped:detect/scte35`, `rules/kids.rhai`.
    pub name: String,
    /// Changes when the script's text does.
    pub version: String,
    pub extension: Arc<Guarded<T>>,
}

/// A script that passed its trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub point: Point,
    pub version: String,
}

impl<T: ?Sized> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), version: self.version.clone(), extension: Arc::clone(&self.extension) }
    }
}

impl<T: ?Sized> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// Loads extensions. Holds the one script engine that all of them share; cheap to clone.
#[derive(Clone)]
pub struct Extensions {
    host: Arc<Host>,
    clock: Monotonic,
    trial_config: Arc<Value>,
}

impl Extensions {
    /// `clock` times breakers and metrics: [`super::monotonic()`], or a test's own.
    ///
    /// Fails only if a shipped rule does not compile.
    pub fn new(clock: Monotonic) -> Result<Self, ExtensionError> {
        Ok(Self { host: Arc::new(Host::new()?), clock, trial_config: Arc::new(Value::Null) })
    }

    /// The same, but trial calls get this configuration: the one that the extension is mounted with, so that a script
    /// may rely on it.
    pub fn trying_with(&self, config: &Value) -> Self {
        Self { trial_config: Arc::new(config.clone()), ..self.clone() }
    }

    pub fn load_detector(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, String>,
        tenant: &str,
    ) -> Result<Loaded<dyn BreakDetector>, ExtensionError> {
        self.load(wanted, scripts, tenant, Point::Detect, |script| Box::new(script.detector()) as _)
    }

    pub fn load_targeting(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, String>,
        tenant: &str,
    ) -> Result<Loaded<dyn TargetingRule>, ExtensionError> {
        self.load(wanted, scripts, tenant, Point::Targeting, |script| Box::new(script.targeting()) as _)
    }

    pub fn load_fill(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, String>,
        tenant: &str,
    ) -> Result<Loaded<dyn FillStrategy>, ExtensionError> {
        self.load(wanted, scripts, tenant, Point::Fill, |script| Box::new(script.fill()) as _)
    }

    pub fn load_sink(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, String>,
        tenant: &str,
    ) -> Result<Loaded<dyn TrackingSink>, ExtensionError> {
        self.load(wanted, scripts, tenant, Point::Sink, |script| Box::new(script.sink()) as _)
    }

    /// Compiles a script and calls it once, for the point that is named or that its functions tell. Nothing is kept.
    pub fn try_script(
        &self,
        source: ScriptSource<'_>,
        point: Option<Point>,
        tenant: &str,
    ) -> Result<Tried, ExtensionError> {
        let point = match point {
            Some(point) => point,
            None => Script::guess_point(&self.host, source)?.ok_or_else(|| ExtensionError::Compile {
                path: source.name.to_owned(),
                line: 0,
                column: 0,
                message: "the script has no function that any extension point asks for".to_owned(),
                hint: Some("define detect, target, fill or deliver".to_owned()),
            })?,
        };
        Script::load(&self.host, source, point)?.for_tenant(tenant).trial_with(&self.trial_config)?;
        Ok(Tried { point, version: source.version() })
    }

    /// The engine itself, for the tools of rule authors.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    fn load<T: ?Sized>(
        &self,
        wanted: &ExtensionRef,
        scripts: &BTreeMap<String, String>,
        tenant: &str,
        point: Point,
        make: fn(Script) -> Box<T>,
    ) -> Result<Loaded<T>, ExtensionError> {
        let name = wanted.to_string();
        let text = find(wanted, scripts, point)?;
        let source = ScriptSource { name: &name, text };
        let script = Script::load(&self.host, source, point)?.for_tenant(tenant);
        script.trial_with(&self.trial_config)?;
        let version = source.version();
        let label = Label { tenant: tenant.to_owned(), extension: name.clone(), point };
        Ok(Loaded { name, version, extension: Guarded::new(make(script), label, Arc::clone(&self.clock)) })
    }
}

fn find<'s>(
    wanted: &ExtensionRef,
    scripts: &'s BTreeMap<String, String>,
    point: Point,
) -> Result<&'s str, ExtensionError> {
    let (found, hint) = match wanted {
        ExtensionRef::Shipped(name) => {
            let here = shipped::all().map(|(name, _)| name).filter(|name| name.starts_with(point.as_str()));
            (shipped::text(name), format!("shipped {point} rules: {}", here.collect::<Vec<_>>().join(", ")))
        }
        ExtensionRef::File(path) => {
            let known = scripts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let hint =
                if known.is_empty() { "there is no script in it".to_owned() } else { format!("its scripts: {known}") };
            (scripts.get(path).map(String::as_str), hint)
        }
    };
    found.ok_or_else(|| ExtensionError::Compile {
        path: wanted.to_string(),
        line: 0,
        column: 0,
        message: match wanted {
            ExtensionRef::Shipped(name) => format!("no rule named `{name}` is shipped"),
            ExtensionRef::File(_) => "there is no such script in the tenant's folder".to_owned(),
        },
        hint: Some(hint),
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
