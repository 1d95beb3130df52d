//! `docs/tour.md` and `docs/plugins.md` run as printed: each `console` block's commands, against the demo, with the output
//! that stands there. `…` in an output stands for anything.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

const TOUR: &str = include_str!("../docs/tour.md");
const PLUGINS: &str = include_str!("../docs/plugins.md");
const MARK: &str = "--- end of the output ---";

/// The process, and its output: a server whose output nobody takes ends.
struct Demo(Child, BufReader<ChildStdout>);

impl Drop for Demo {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The demo on a free port; its address comes before the path of the first stream that it prints.
fn demo(folder: &Path) -> (Demo, String) {
    let key = TOUR.lines().find_map(|line| line.strip_prefix("export CUETONE_PLATFORM_KEY=")).expect("a key");
    let child = Command::new(env!("CARGO_BIN_EXE_cuetone"))
        .args(["demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .env("CUETONE_PLATFORM_KEY", key)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.expect("the binary runs");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let mut demo = Demo(child, output);
    let mut stream = String::new();
    demo.1.read_line(&mut stream).expect("a stream");
    (demo, stream.split("/fast/").next().expect("an address").to_owned())
}

/// Commands with the output that is printed below each.
fn steps(text: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.to_owned(), String::new())),
                None => {
                    let (_, output) = steps.last_mut().expect("a command first");
                    output.push_str(line);
                    output.push('\n');
                }
            },
        }
    }
    steps
}

/// Whether the text is what is printed, with anything in place of each `…`.
fn matches(printed: &str, found: &str) -> bool {
    let parts: Vec<&str> = printed.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return printed == found };
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Runs all commands in one shell, in `folder`, against the demo at `base`.
fn runs_as_printed(text: &str, least: usize, folder: &Path, base: &str) {
    let steps = steps(text);
    assert!(steps.len() > least, "the text is not read: {} commands", steps.len());
    let script: String = steps.iter().map(|(command, _)| format!("{command}\necho '{MARK}'\n")).collect();
    let script = script.replace("http://127.0.0.1:8080", base);
    let binary = Path::new(env!("CARGO_BIN_EXE_cuetone")).parent().expect("a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash").arg("-c").arg(&script).env("PATH", path).current_dir(folder).output();
    let output = output.expect("bash runs");
    let said = String::from_utf8(output.stdout).expect("text");
    let found: Vec<&str> = said.split(&format!("{MARK}\n")).collect();
    let mut wrong = String::new();
    for ((command, printed), found) in steps.iter().zip(&found) {
        if !matches(printed, found) {
            wrong.push_str(&format!("$ {command}\n--- printed\n{printed}--- found\n{found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_tour_runs_as_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_demo, base) = demo(folder.path());
    runs_as_printed(TOUR, 15, Path::new("."), &base);
}

#[test]
fn the_guide_to_plugins_runs_as_printed() {
    let (data, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("another"));
    let (_demo, base) = demo(data.path());
    runs_as_printed(PLUGINS, 10, folder.path(), &base);
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    for (printed, found, same) in [
        ("a\n", "a\n", true),
        ("a…c\n", "abbc\n", true),
        ("a…c\n", "abbd\n", false),
        ("…\n", "x\n", true),
        ("a\n", "b\n", false),
    ] {
        assert_eq!(matches(printed, found), same, "{printed:?} {found:?}");
    }
}
