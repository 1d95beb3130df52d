//! Finds and runs the programs that compile, and keeps pinned ones in a cache. It does not know what they are for.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::BuildError;

/// What to install where there is none.
pub const PYTHON: &str = "Python 3.9 or newer with its venv module: `apt install python3-venv` on Debian and Ubuntu, \
    `brew install python` on macOS";

/// Runs the command and answers what it wrote to stdout. `tool` names it in errors.
pub fn run(tool: &str, command: &mut Command) -> Result<String, BuildError> {
    finished(tool, command).map(|output| text(&output.stdout))
}

/// Runs a compiler, whose warnings are said.
pub fn compile(tool: &str, command: &mut Command, say: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let warnings = text(&finished(tool, command)?.stderr);
    if !warnings.is_empty() {
        say(&warnings);
    }
    Ok(())
}

fn finished(tool: &str, command: &mut Command) -> Result<Output, BuildError> {
    // A stack of the tool's says nothing of the plugin.
    command.env("RUST_BACKTRACE", "0");
    let output = command.output().map_err(BuildError::io(command.get_program()))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(BuildError::Failed {
            tool: tool.into(),
            output: format!("{}\n{}", text(&output.stdout), text(&output.stderr)).trim().into(),
        }),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// What `program arguments` writes, such as a version; `None` if there is no such program or it fails.
pub fn answer(program: impl AsRef<Path>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program.as_ref()).args(arguments).output().ok()?;
    output.status.success().then(|| text(&output.stdout))
}

/// The folder `<tool>-<version>` of the cache. The first time `install` fills it, beside its place, so that it is there
/// whole or not at all.
pub fn cached(
    tool: &str,
    version: &str,
    install: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<PathBuf, BuildError> {
    let cache = cache_dir()?;
    let named = |end| cache.join(format!("{tool}-{version}{end}"));
    let (place, beside, lock) = (named(""), named(".new"), named(".lock"));
    if place.exists() {
        return Ok(place);
    }
    fs::create_dir_all(&cache).map_err(BuildError::io(&cache))?;
    // Held until it goes out of scope: a second build waits, and finds the tool.
    let held = File::create(&lock).map_err(BuildError::io(&lock))?;
    held.lock().map_err(BuildError::io(&lock))?;
    if place.exists() {
        return Ok(place);
    }
    if beside.exists() {
        // Of an installation that was broken off.
        fs::remove_dir_all(&beside).map_err(BuildError::io(&beside))?;
    }
    fs::create_dir(&beside).map_err(BuildError::io(&beside))?;
    install(&beside)?;
    fs::rename(&beside, &place).map_err(BuildError::io(&place))?;
    Ok(place)
}

/// `$XDG_CACHE_HOME/cuetone/tools`, or in `~/.cache`.
fn cache_dir() -> Result<PathBuf, BuildError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    match base {
        Some(base) => Ok(base.join("cuetone").join("tools")),
        None => Err(BuildError::Io {
            path: "~/.cache".into(),
            error: io::Error::new(io::ErrorKind::NotFound, "no place for tools: set HOME or XDG_CACHE_HOME"),
        }),
    }
}

/// The Python of a virtual environment, in the cache, that holds this version of a package. `size` is what has to be
/// fetched the first time.
pub fn python_package(
    package: &str,
    version: &str,
    size: &str,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let folder = cached(package, version, |folder| {
        // Debian's Python is there without `ensurepip`, which `venv` needs.
        if answer("python3", &["-c", "import ensurepip, venv"]).is_none() {
            return Err(BuildError::MissingTool {
                tool: "Python 3 with venv".into(),
                install: format!("Install {PYTHON}"),
            });
        }
        say(&format!("Fetching {package} {version} ({size}, once)"));
        run("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pinned = format!("{package}=={version}");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &pinned];
        run("pip", Command::new(folder.join("bin/python")).args(pip)).map(drop)
    })?;
    // The environment may outlive the Python that it was made from.
    let python = folder.join("bin/python");
    match answer(&python, &["--version"]) {
        Some(_) => Ok(python),
        None => Err(BuildError::Failed {
            tool: python.display().to_string(),
            output: format!("It does not start. Delete {} and build again", folder.display()),
        }),
    }
}
