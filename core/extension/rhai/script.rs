//! A compiled script and the one function through which it runs.

use std::sync::Arc;

use rhai::{AST, CallFnOptions, Dynamic, FuncArgs, Scope};
use serde_json::Value;

use super::{
    api::config::ConfigCache,
    closures,
    detector::RhaiDetector,
    diagnose,
    engine::Host,
    fill::RhaiFill,
    guard::{self, Budget, LogTarget, Stop, Usage},
    lint, scan,
    sink::RhaiSink,
    targeting::RhaiTargeting,
};
use crate::extension::{
    ExtensionError,
    limits::MAX_SCRIPT_BYTES,
    load::{Point, ScriptSource},
    logs::TenantLog,
    said, sample,
};

/// The functions that a point asks for, and the arguments they may take.
pub struct Entry {
    pub function: &'static str,
    /// The configuration comes last and may be left out.
    pub arguments: &'static [&'static str],
    /// As the vocabulary names them.
    types: &'static [&'static str],
}

impl Entry {
    fn shown(&self) -> String {
        format!("fn {}({})", self.function, self.arguments.join(", "))
    }
}

/// What a script of this point may define; one of them is enough.
pub fn entries(point: Point) -> &'static [Entry] {
    match point {
        Point::Detect => &[Entry {
            function: "detect",
            arguments: &["window", "known", "config"],
            types: &["Window", "array of Avail", "Config"],
        }],
        Point::Targeting => &[
            Entry { function: "target", arguments: &["ad", "request", "config"], types: &["Ad", "Request", "Config"] },
            Entry {
                function: "target_all",
                arguments: &["ads", "request", "config"],
                types: &["Ads", "Request", "Config"],
            },
        ],
        Point::Fill => &[Entry {
            function: "fill",
            arguments: &["avail", "ads", "config"],
            types: &["RequestAvail", "Ads", "Config"],
        }],
        Point::Sink => &[Entry { function: "deliver", arguments: &["events", "config"], types: &["Events", "Config"] }],
    }
}

/// A compiled script that has the function its point needs.
#[derive(Clone)]
pub struct Script {
    inner: Arc<Inner>,
    log: Option<Arc<TenantLog>>,
    budget: Budget,
    keep_log: bool,
}

struct Inner {
    host: Arc<Host>,
    ast: AST,
    path: Arc<str>,
    text: String,
    point: Point,
    function: &'static str,
    takes_config: bool,
    reads_labels: bool,
    config: ConfigCache,
}

/// What came of a call, and what it cost.
#[derive(Debug)]
pub struct Ran<T> {
    pub answer: T,
    pub usage: Usage,
    /// Kept only where the caller asked for it.
    pub log: Vec<String>,
}

/// How the engine names closures.
const ANONYMOUS: &str = "anon$";

/// Text → syntax tree, with everything checked that can be checked without running it.
pub fn compile(host: &Host, source: ScriptSource<'_>) -> Result<AST, ExtensionError> {
    let fault = |line, column, message: String, hint: Option<String>| ExtensionError::Compile {
        path: source.name.to_owned(),
        line,
        column,
        message,
        hint,
    };
    if source.text.len() > MAX_SCRIPT_BYTES {
        let message = format!("the script has {} bytes; at most {MAX_SCRIPT_BYTES} are allowed", source.text.len());
        return Err(fault(1, 1, message, None));
    }
    let misplaced = |found: closures::Misplaced| {
        fault(found.line, found.column, found.fault.message(), Some(found.fault.hint().to_owned()))
    };
    let closures = closures::check(source.text).map_err(misplaced)?;
    let diagnosed = |error| diagnose::parse(source.name, source.text, &error);
    // Functions do not see a script's constants by themselves; the compiler writes them in where it is told of them.
    // It does so for numbers, texts and truth values only; others stay unknown, and `diagnose` says what to write.
    let constants = host.reader.compile(source.text).map_err(diagnosed)?;
    let mut scope = Scope::new();
    for (name, _, value) in constants.iter_literal_variables(true, false) {
        if !value.is_array() && !value.is_map() {
            scope.push_constant_dynamic(name, value);
        }
    }
    let mut ast = host.engine.compile_with_scope(&scope, source.text).map_err(diagnosed)?;
    if ast.iter_functions().filter(|function| function.name.starts_with(ANONYMOUS)).count() > closures {
        // Cannot happen while our reading of the text agrees with the engine's; if it ever does not, this stops it.
        return Err(misplaced(closures::Misplaced { line: 1, column: 1, fault: closures::Fault::Stands }));
    }
    ast.set_source(source.name);
    Ok(ast)
}

impl Script {
    /// Compiles, and checks that the script has what `point` needs. Does not run it: see [`Script::trial`].
    pub fn load(host: &Arc<Host>, source: ScriptSource<'_>, point: Point) -> Result<Self, ExtensionError> {
        let ast = compile(host, source)?;
        let fault = |(line, column), message, hint| ExtensionError::Compile {
            path: source.name.to_owned(),
            line,
            column,
            message,
            hint,
        };
        let (entry, takes_config) =
            find_entry(&ast, point).map_err(|(message, hint)| fault((1, 1), message, Some(hint)))?;
        let code = String::from_utf8_lossy(&scan::code_of(source.text)).into_owned();
        if let Some(slip) = lint::check(&host.vocabulary, &code, entry.function, entry.types) {
            return Err(fault(scan::line_and_column(source.text, slip.at), slip.message, slip.hint));
        }
        // Labels cost more to hand over than all else of an ad; they are reached by name only, except where a whole
        // ad is written out.
        let reaches_labels = ["labels", "json", "log", "print", "debug", "string", "`", "+", "shipped_"];
        let inner = Inner {
            reads_labels: reaches_labels.iter().any(|word| code.contains(word)),
            host: Arc::clone(host),
            ast,
            path: source.name.into(),
            text: source.text.to_owned(),
            point,
            function: entry.function,
            takes_config,
            config: ConfigCache::default(),
        };
        Ok(Self { inner: Arc::new(inner), log: None, budget: Budget::of(point), keep_log: false })
    }

    /// The point that a script is for, by the functions that it defines.
    pub fn guess_point(host: &Arc<Host>, source: ScriptSource<'_>) -> Result<Option<Point>, ExtensionError> {
        let ast = compile(host, source)?;
        Ok(Point::ALL.into_iter().find(|point| {
            entries(*point).iter().any(|entry| ast.iter_functions().any(|function| function.name == entry.function))
        }))
    }

    /// What it logs goes there. Without it, and without [`Script::keep_log`], nobody hears it.
    pub fn logging_to(mut self, log: Arc<TenantLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// With other limits than the usual.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Hands log lines to the caller instead of to the server's log.
    pub fn keep_log(mut self) -> Self {
        self.keep_log = true;
        self
    }

    pub fn path(&self) -> &str {
        &self.inner.path
    }
    pub fn text(&self) -> &str {
        &self.inner.text
    }
    pub fn point(&self) -> Point {
        self.inner.point
    }
    /// The function that answers.
    pub fn function(&self) -> &'static str {
        self.inner.function
    }
    pub(super) fn reads_labels(&self) -> bool {
        self.inner.reads_labels
    }
    pub(super) fn takes_config(&self) -> bool {
        self.inner.takes_config
    }
    pub(super) fn config(&self) -> &ConfigCache {
        &self.inner.config
    }
    /// Names and parameters of the functions that the script defines.
    pub fn functions(&self) -> Vec<String> {
        let functions = self.inner.ast.iter_functions().filter(|function| !function.name.starts_with(ANONYMOUS));
        functions.map(|function| format!("{}({})", function.name, function.params.join(", "))).collect()
    }

    pub fn detector(self) -> RhaiDetector {
        RhaiDetector(self)
    }
    pub fn targeting(self) -> RhaiTargeting {
        RhaiTargeting(self)
    }
    pub fn fill(self) -> RhaiFill {
        RhaiFill(self)
    }
    pub fn sink(self) -> RhaiSink {
        RhaiSink(self)
    }

    /// Asks it once with a made-up but typical input, so that a slip shows when a script is activated and not when a
    /// viewer waits.
    pub fn trial(&self) -> Result<Usage, ExtensionError> {
        self.trial_with(&Value::Null)
    }

    /// As [`Script::trial`], with the configuration that it will have.
    pub fn trial_with(&self, config: &Value) -> Result<Usage, ExtensionError> {
        let script = self.clone().keep_log();
        sample::tried(|| script.once(config))
    }

    /// Asks it once with the typical input of its point.
    pub(super) fn once(&self, config: &Value) -> Result<Usage, ExtensionError> {
        let script = self.clone();
        match self.point() {
            Point::Detect => sample::detect(config, |input| script.detector().run(input).map(|ran| ran.usage)),
            Point::Targeting => sample::targeting(config, |input| script.targeting().run(input).map(|ran| ran.usage)),
            Point::Fill => sample::fill(config, |input| script.fill().run(input).map(|ran| ran.usage)),
            Point::Sink => sample::sink(config, |input| script.sink().run(input).map(|ran| ran.usage)),
        }
    }

    /// Runs `body` within the script's limits; `body` calls [`Script::ask`] as often as it needs.
    pub(super) fn run<T>(&self, body: impl FnOnce() -> Result<T, ExtensionError>) -> Result<Ran<T>, ExtensionError> {
        let log = match &self.log {
            Some(log) if !self.keep_log => {
                LogTarget::Tenant { log: Arc::clone(log), extension: Arc::clone(&self.inner.path) }
            }
            _ => LogTarget::Keep(Vec::new()),
        };
        let (answer, usage, log) = guard::metered(self.budget, log, body);
        let path = || self.inner.path.to_string();
        match usage.stop {
            Some(Stop::Deadline) => return Err(ExtensionError::Deadline { path: path(), limit: self.budget.deadline }),
            Some(Stop::Operations) => {
                let what = format!("{} operations", self.budget.operations);
                return Err(ExtensionError::Limit { path: path(), what });
            }
            None => {}
        }
        let log = if let LogTarget::Keep(lines) = log { lines } else { Vec::new() };
        answer.map(|answer| Ran { answer, usage, log }).map_err(said::error)
    }

    /// Calls the script's function. Only inside of [`Script::run`].
    pub(super) fn ask(&self, arguments: impl FuncArgs) -> Result<Dynamic, ExtensionError> {
        let Inner { host, ast, path, text, function, .. } = &*self.inner;
        // The script's own statements were folded into its functions when it was compiled.
        let options = CallFnOptions::new().eval_ast(false).rewind_scope(false);
        host.engine
            .call_fn_with_options::<Dynamic>(options, &mut Scope::new(), ast, function, arguments)
            .map_err(|error| diagnose::runtime(&host.vocabulary, path, text, &error))
    }

    /// An answer that makes no sense, in words for the script's author.
    pub(super) fn bad_answer(&self, message: impl Into<String>) -> ExtensionError {
        ExtensionError::Answer { path: self.inner.path.to_string(), message: message.into() }
    }
}

/// The function to call and whether it takes the configuration; or what is wrong and what to write.
fn find_entry(ast: &AST, point: Point) -> Result<(&'static Entry, bool), (String, String)> {
    let write = || entries(point).iter().map(Entry::shown).collect::<Vec<_>>().join(" or ");
    let mut wrong = None;
    for entry in entries(point) {
        let full = entry.arguments.len();
        for function in ast.iter_functions().filter(|function| function.name == entry.function) {
            let count = function.params.len();
            if count == full || count + 1 == full {
                return Ok((entry, count == full));
            }
            let arguments = if count == 1 { "argument" } else { "arguments" };
            wrong = Some(format!("`{}` takes {count} {arguments} here", entry.function));
        }
    }
    let message = wrong.unwrap_or_else(|| format!("a {point} script needs a function that this one does not define"));
    Err((message, format!("write {} {{ … }}; the last argument may be left out", write())))
}
