//! Rust plugins: cargo compiles them for wasm32-unknown-unknown, with the active toolchain if it has that target's
//! standard library, else with the compiler that scripts/wasm-toolchain.sh prepared. It fetches neither.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde::Deserialize;

use crate::{BuildError, Core, Manifest};

const TARGET: &str = "wasm32-unknown-unknown";
/// Names the folder of the prepared compiler, as in scripts/wasm-toolchain.sh.
const PREPARED: &str = "CUETONE_WASM_RUST";
/// Where that is if the variable is not set, in the home.
const PREPARED_AT_HOME: &str = ".cache/cuetone/rust-wasm";

pub fn build(project: &Path, _manifest: &Manifest, say: &mut dyn FnMut(&str)) -> Result<Core, BuildError> {
    let compiler = find_compiler(project)?;
    say(&format!("Compiling with {}", compiler.version));
    let messages = cargo(project, &compiler, say)?;
    let module = module(&messages, &project.join("Cargo.toml")).ok_or_else(|| BuildError::Failed {
        tool: "cargo".into(),
        output: "It made no module. Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`: a plugin is a library"
            .into(),
    })?;
    Ok(Core { module: fs::read(&module).map_err(BuildError::io(&module))?, toolchain: compiler.version })
}

struct Compiler {
    rustc: PathBuf,
    /// For people.
    version: String,
}

fn find_compiler(project: &Path) -> Result<Compiler, BuildError> {
    let active = PathBuf::from(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let Some(version) = answer(&active, &["--version"], project) else {
        return Err(BuildError::MissingTool {
            tool: "Rust".into(),
            install: format!("Install it from https://rustup.rs, then run `rustup target add {TARGET}`"),
        });
    };
    if has_target(&active, project) {
        return Ok(Compiler { rustc: active, version });
    }
    let prepared = env::var_os(PREPARED).map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(PREPARED_AT_HOME)));
    let rustc = prepared.map(|folder| folder.join("bin/rustc")).filter(|rustc| has_target(rustc, project));
    match rustc.and_then(|rustc| Some((answer(&rustc, &["--version"], project)?, rustc))) {
        Some((version, rustc)) => Ok(Compiler { version: format!("{version} at {}", rustc.display()), rustc }),
        None => Err(BuildError::MissingTool {
            tool: format!("The standard library of {version} for {TARGET}"),
            install: format!(
                "Run `rustup target add {TARGET}`. Where rustup cannot fetch it, on Debian, run \
                 scripts/wasm-toolchain.sh of Cuetone's repository"
            ),
        }),
    }
}

/// rustc knows every target; what may be missing is the standard library compiled for it.
fn has_target(rustc: &Path, project: &Path) -> bool {
    let libraries = answer(rustc, &["--print", "target-libdir", "--target", TARGET], project);
    let files = libraries.and_then(|folder| fs::read_dir(folder).ok());
    files.is_some_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
    })
}

/// What rustc writes when asked in the project, which may have a toolchain of its own.
fn answer(rustc: &Path, arguments: &[&str], project: &Path) -> Option<String> {
    let output = Command::new(rustc).args(arguments).current_dir(project).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Builds and answers cargo's messages. Its progress is said as it comes, warnings at the end; errors are the error.
fn cargo(project: &Path, compiler: &Compiler, say: &mut dyn FnMut(&str)) -> Result<Vec<Message>, BuildError> {
    let failed = BuildError::io("cargo");
    let mut child = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET, "--message-format", "json"])
        .args(without_home().into_iter().flatten())
        .env("RUSTC", &compiler.rustc)
        .current_dir(project)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(BuildError::io("cargo"))?;
    // Both at once: cargo would wait for the reader of the one while we wait for the other.
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (messages, progress) = thread::scope(|scope| {
        let messages = scope.spawn(|| stdout.map(read).transpose());
        let mut progress = Vec::new();
        let mut is_error = false;
        for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).lines()).map_while(Result::ok) {
            is_error |= line.starts_with("error");
            if !is_error {
                say(line.trim());
            }
            progress.push(line);
        }
        (messages.join(), progress.join("\n"))
    });
    let succeeded = child.wait().map_err(failed)?.success();
    let messages = messages.unwrap_or_else(|_| Err(io::Error::other("its output could not be read")));
    let messages = parse(&messages.map_err(BuildError::io("cargo"))?.unwrap_or_default());
    let diagnostics = messages.iter().filter_map(|message| message.message.as_ref()?.rendered.as_deref());
    if succeeded {
        diagnostics.for_each(say);
        return Ok(messages);
    }
    let diagnostics: String = diagnostics.collect();
    // A manifest that is wrong or a crate that cannot be fetched has no diagnostics.
    let output = if diagnostics.is_empty() { progress } else { diagnostics };
    Err(BuildError::Failed { tool: "cargo".into(), output })
}

/// Panics name the sources of crates. Where their author keeps them is nobody's business, and without it others can build
/// the same module.
fn without_home() -> Option<[String; 2]> {
    let home = env::home_dir().filter(|home| home.parent().is_some())?;
    let flag = format!("--remap-path-prefix={}=~", home.display());
    Some(["--config".into(), format!("target.{TARGET}.rustflags=[{flag:?}]")])
}

fn read(mut from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.read_to_string(&mut text).map(|_| text)
}

/// A line of cargo's output: something that was compiled, or something that the compiler has to say.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    rendered: Option<String>,
}

/// Lines that are not ours to understand are left out.
fn parse(output: &str) -> Vec<Message> {
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The module that was made of the project itself.
fn module(messages: &[Message], manifest: &Path) -> Option<PathBuf> {
    let mut made = messages
        .iter()
        .filter(|message| message.reason == "compiler-artifact" && message.manifest_path.as_deref() == Some(manifest))
        .flat_map(|message| &message.filenames);
    made.find(|file| file.extension().is_some_and(|extension| extension == "wasm")).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_projects_own() {
        let output = r#"
            {"reason":"compiler-artifact","manifest_path":"/p/sdk/Cargo.toml","filenames":["/p/target/sdk.wasm"]}
            {"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/p/target/x.rlib","/p/target/x.wasm"]}
            {"reason":"build-finished","success":true}
            not JSON"#;
        let messages = parse(output);
        assert_eq!(module(&messages, "/p/Cargo.toml".as_ref()), Some("/p/target/x.wasm".into()));
        assert_eq!(module(&messages, "/q/Cargo.toml".as_ref()), None);
    }

    #[test]
    fn what_the_compiler_says_is_kept() {
        let output = r#"{"reason":"compiler-message","message":{"rendered":"error: no\n","level":"error"}}"#;
        let said = parse(output).pop().and_then(|message| message.message?.rendered);
        assert_eq!(said.as_deref(), Some("error: no\n"));
    }
}
