//! The rules of the house, kept by code: who may use whom, one owner per library, and how files look.
//!
//! Reads source text with a small scanner of its own. It sees paths as they are written (`crate::…`, `use lib::…`,
//! `lib::…`), which is what reviewers see too; a path hidden in a macro's output goes unnoticed.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Longest file in `core/`. What is longer does more than one job.
const MAX_LINES: usize = 600;

/// Files that may be longer, with the reason. Empty, and meant to stay so.
const LONG_FILES: [(&str, &str); 0] = [];

/// Who owns a library: nobody else in `core/` names it. Tests may.
const OWNERS: [(&str, &[&str]); 31] = [
    ("aho_corasick", &["tracking"]),
    ("anyhow", &["app", "cli"]),
    ("axum", &["http", "app", "cli/serve", "demo/origin"]),
    ("chacha20poly1305", &["secret"]),
    ("clap", &["cli"]),
    ("cuetone_build", &["cli/plugin"]),
    ("flate2", &["bundle", "session"]),
    ("governor", &["http"]),
    ("hkdf", &["secret"]),
    ("hmac", &["secret", "tracking"]),
    ("include_dir", &["demo"]),
    ("m3u8_rs", &[]),
    ("maxminddb", &["geo"]),
    ("metrics_exporter_prometheus", &["app", "http"]),
    ("notify", &["app"]),
    ("parquet", &["tracking/report"]),
    ("quick_xml", &["media"]),
    ("rand", &["app", "secret"]),
    ("reqwest", &["outbound"]),
    ("rhai", &["extension/rhai"]),
    ("ring", &["extension/wasm"]),
    ("rustix", &["extension/cpu"]),
    ("rustls", &["outbound"]),
    ("saphyr_parser", &["bundle"]),
    ("serde_yaml", &["bundle", "config", "cli"]),
    ("sqlx", &["store"]),
    ("tower", &["http"]),
    ("tower_http", &["http", "app"]),
    ("tracing_subscriber", &["log"]),
    ("wasmparser", &["extension/wasm"]),
    ("wasmtime", &["extension/wasm"]),
];

/// Text that has no business in the project. Split so that this file does not find itself.
const FORBIDDEN: [(&str, &str); 7] = [
    (concat!("/wo", "rk/"), "a path of the machine that it was written on"),
    (concat!("/ro", "ot/"), "a path of the machine that it was written on"),
    (concat!("TO", "DO("), "a note to a person: open an issue"),
    (concat!("FIX", "ME"), "unfinished work: finish it or open an issue"),
    (concat!("to", "do!("), "unfinished code"),
    (concat!("unimple", "mented!("), "unfinished code"),
    (concat!("db", "g!("), "a print for debugging"),
];

/// Endings of files that people read.
const TEXT: [&str; 14] =
    ["rs", "md", "toml", "yaml", "yml", "rhai", "js", "mjs", "html", "css", "sh", "sql", "m3u8", "txt"];

/// Folders without text of ours.
const NOT_OURS: [&str; 5] = [".git", "target", "node_modules", "data", "corpus"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, as paths relative to the project, in order.
fn files(below: &str) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if !NOT_OURS.contains(&&*name.to_string_lossy()) {
                    walk(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(below), &mut found);
    let relative = |path: PathBuf| path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    let mut names: Vec<String> = found.into_iter().map(relative).collect();
    names.sort();
    names
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn sources() -> Vec<(String, String)> {
    let rust = files("core").into_iter().filter(|file| file.ends_with(".rs"));
    rust.map(|file| (file.clone(), read(&file))).collect()
}

/// Files with nothing but tests.
fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("/tests/")
}

/// The part of a file that ships: unit tests stand at its end.
fn shipped(text: &str) -> &str {
    let inline = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        let rest = &text[at + "#[cfg(test)]".len()..];
        rest.trim_start().starts_with("mod tests {")
    });
    inline.map_or(text, |(at, _)| &text[..at])
}

/// The module of the crate that a file of `core/` belongs to.
fn module(file: &str) -> &str {
    let path = file.strip_prefix("core/").unwrap();
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Identifiers, `::` and single signs; no comments, texts or spaces.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = raw_string(rest) {
            raw
        } else if first == '"' {
            string(rest)
        } else if let Some(character) = character(rest) {
            character
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#` and the like.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let signs = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[signs..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(signs));
    Some(text.len() - body.len() + body.find(&end)? + end.len())
}

/// The length of a character literal; lifetimes are none.
fn character(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    let end = if let Some(escape) = rest.strip_prefix('\\') {
        escape.char_indices().nth(1)?.0 + 1
    } else {
        rest.chars().next()?.len_utf8()
    };
    // `'\u{…}'` is longer; find its end.
    let end = if rest.starts_with("\\u{") { rest.find('}')? + 1 } else { end };
    rest[end..].starts_with('\'').then_some(end + 2)
}

/// First names below `crate::`, in `use` trees too.
fn modules_used(text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    let mut used = BTreeSet::new();
    for at in 0..tokens.len() {
        if tokens[at] != "crate" || tokens.get(at + 1).is_none_or(|next| next != "::") {
            continue;
        }
        match tokens.get(at + 2).map(String::as_str) {
            Some("{") => used.extend(branches(&tokens[at + 3..])),
            Some(name) => drop(used.insert(name.to_owned())),
            None => {}
        }
    }
    used
}

/// The first name of each branch of a `use` tree, up to its closing brace.
fn branches(tokens: &[String]) -> Vec<String> {
    let (mut depth, mut begins, mut found) = (0, true, Vec::new());
    for token in tokens {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            "," if depth == 0 => begins = true,
            name if begins => {
                found.push(name.to_owned());
                begins = false;
            }
            _ => {}
        }
    }
    found
}

/// Names that paths begin with: `use lib::…` and `lib::…` in code. Names inside a `use` tree begin nothing.
fn roots_used(text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    let mut roots = BTreeSet::new();
    let mut imported = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let length = tokens[at..].iter().position(|token| token == ";").unwrap_or(0);
            let tree = &tokens[at + 1..at + length.max(1)];
            let tree = if tree.first().is_some_and(|token| token == "::") { &tree[1..] } else { tree };
            match tree.first().map(String::as_str) {
                Some("{") => roots.extend(branches(&tree[1..])),
                Some("crate" | "super" | "self") => imported.extend(tree.iter().cloned()),
                Some(name) => drop(roots.insert(name.to_owned())),
                None => {}
            }
            at += length.max(1);
            continue;
        }
        let leads = tokens.get(at + 1).is_some_and(|next| next == "::");
        let follows = at > 0 && tokens[at - 1] == "::" && at > 1 && is_name(&tokens[at - 2]);
        if leads && !follows && is_name(&tokens[at]) {
            roots.insert(tokens[at].clone());
        }
        at += 1;
    }
    // A module of ours with a library's name, brought into scope by `use`.
    roots.difference(&imported).cloned().collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Module → floor, as the table in `core/lib.rs` has it.
fn floors() -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in read("core/lib.rs").lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = line.split(" | ");
        let Some(floor) = cells.next().and_then(|cell| cell.parse().ok()) else { continue };
        for name in cells.next().unwrap_or_default().split('`').skip(1).step_by(2) {
            floors.insert(name.to_owned(), floor);
        }
    }
    floors
}

/// Every module with the modules that it uses, and one file that does.
fn arrows() -> BTreeMap<(String, String), String> {
    let mut arrows = BTreeMap::new();
    for (file, text) in sources() {
        let from = module(&file).to_owned();
        if from == "main" || from == "lib" {
            continue;
        }
        for to in modules_used(&text).into_iter().filter(|to| *to != from) {
            arrows.entry((from.clone(), to)).or_insert_with(|| file.clone());
        }
    }
    arrows
}

fn none(mistakes: Vec<String>) {
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn every_module_has_its_floor() {
    let declared = read("core/lib.rs");
    let declared = declared.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let declared: BTreeSet<String> = declared.map(str::to_owned).collect();
    let placed: BTreeSet<String> = floors().into_keys().collect();
    assert_eq!(placed, declared, "the table in core/lib.rs and its `pub mod` lines name the same modules");
}

#[test]
fn no_arrow_runs_up() {
    let floors = floors();
    let mut mistakes = Vec::new();
    for ((from, to), file) in arrows() {
        // Macros and items of the crate's root have no floor.
        let (Some(above), Some(below)) = (floors.get(&from), floors.get(&to)) else { continue };
        if below < above {
            mistakes.push(format!("{file}: {from} (floor {above}) uses {to} (floor {below})"));
        }
    }
    none(mistakes);
}

#[test]
fn there_is_no_circle_of_modules() {
    let arrows = arrows();
    let mut left: BTreeSet<String> = floors().into_keys().collect();
    // Take away what uses nothing that is left, again and again: what remains goes in circles.
    loop {
        let uses_none = |module: &&String| !arrows.keys().any(|(from, to)| from == *module && left.contains(to));
        let Some(leaf) = left.iter().find(uses_none).cloned() else { break };
        left.remove(&leaf);
    }
    let among: Vec<_> = arrows.iter().filter(|((from, to), _)| left.contains(from) && left.contains(to)).collect();
    assert!(left.is_empty(), "these use each other: {among:?}");
}

#[test]
fn every_library_has_one_owner() {
    let mut mistakes = Vec::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| !is_test(file)) {
        let place = file.strip_prefix("core/").unwrap().trim_end_matches(".rs");
        let roots = roots_used(shipped(&text));
        for (library, owners) in OWNERS {
            let owns =
                |owner: &&str| place == *owner || place.strip_prefix(*owner).is_some_and(|rest| rest.starts_with('/'));
            if roots.contains(library) && !owners.iter().any(owns) {
                let whose = if owners.is_empty() {
                    "nobody but tests uses it".to_owned()
                } else {
                    format!("it belongs to {}", owners.join(", "))
                };
                mistakes.push(format!("{file}: uses {library}; {whose}"));
            }
        }
    }
    none(mistakes);
}

#[test]
fn every_module_opens_with_what_it_does() {
    let modules = sources().into_iter().filter(|(file, _)| !is_test(file));
    none(
        modules
            .filter(|(_, text)| !text.starts_with("//!"))
            .map(|(file, _)| format!("{file}: no `//!` at its top"))
            .collect(),
    );
}

#[test]
fn no_file_has_more_than_one_job() {
    let long = sources().into_iter().filter(|(file, text)| {
        text.lines().count() > MAX_LINES && !LONG_FILES.iter().any(|(listed, _)| listed == file)
    });
    none(long.map(|(file, text)| format!("{file}: {} lines, more than {MAX_LINES}", text.lines().count())).collect());
}

#[test]
fn every_rule_has_tests_beside_it() {
    let scripts = ["rules", "examples"].into_iter().flat_map(files).filter(|file| file.ends_with(".rhai"));
    let untested = scripts.filter(|file| !root().join(file).with_extension("test.yaml").is_file());
    none(untested.map(|file| format!("{file}: no {} beside it", file.replace(".rhai", ".test.yaml"))).collect());
}

#[test]
fn every_text_is_fit_to_be_read_by_anybody() {
    let mut mistakes = Vec::new();
    for file in files("") {
        let name = Path::new(&file);
        let text = name.extension().is_none_or(|ending| TEXT.iter().any(|text| ending == *text));
        let Some(content) = Some(text).filter(|text| *text).and_then(|_| fs::read_to_string(root().join(&file)).ok())
        else {
            continue;
        };
        for (number, line) in content.lines().enumerate() {
            for (word, why) in FORBIDDEN {
                if line.contains(word) {
                    mistakes.push(format!("{file}:{}: `{word}`: {why}", number + 1));
                }
            }
        }
    }
    none(mistakes);
}

/// Links of Markdown files to files of the project lead somewhere.
#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    let mut mistakes = Vec::new();
    for file in files("").into_iter().filter(|file| file.ends_with(".md")) {
        let folder = root().join(&file);
        for target in read(&file).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !folder.parent().unwrap().join(path).exists() {
                mistakes.push(format!("{file}: there is no {path}"));
            }
        }
    }
    none(mistakes);
}

/// A series of `/metrics`: its type and its labels.
type Series = (String, BTreeSet<String>);

/// What stands in quotes of this kind.
fn quoted(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// Series as the code names them: in a macro of the recorder's, or in the one file that writes lines by itself.
fn series_made() -> BTreeMap<String, Series> {
    const BY_HAND: &str = "core/extension/exposition.rs";
    /// What its `Labels` write.
    const LABELS: [&str; 4] = ["tenant", "extension", "version", "point"];
    let mut made = BTreeMap::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| !is_test(file)) {
        for (at, _) in shipped(&text).match_indices("\"cuetone_") {
            let (before, rest) = (text[..at].trim_end(), &text[at..]);
            let name = quoted(rest, '"').next().expect("a name").to_owned();
            let kind =
                ["counter", "gauge", "histogram"].into_iter().find(|kind| before.ends_with(&format!("{kind}!(")));
            if file == BY_HAND && kind.is_none() && !before.ends_with("kind(out,") {
                // A line of a series that was begun above.
                continue;
            }
            let series = match kind {
                Some(kind) => {
                    let call = rest.split([';', '}']).next().unwrap_or_default();
                    let labels = call.match_indices("\" =>").map(|(end, _)| call[..end].rsplit('"').next().unwrap());
                    (kind.to_owned(), labels.map(str::to_owned).collect())
                }
                None if file == BY_HAND => {
                    let kind = quoted(rest, '"').nth(1).expect("what it is");
                    let outcome = text.contains(&format!("{name}{{{{{{}},outcome=")).then_some("outcome");
                    (kind.to_owned(), LABELS.into_iter().chain(outcome).map(str::to_owned).collect())
                }
                // The name of a channel in PostgreSQL.
                None => {
                    assert_eq!(
                        name, "cuetone_changes",
                        "{file}: a series that is not made by a macro of the recorder's"
                    );
                    continue;
                }
            };
            let known: &mut Series = made.entry(name.clone()).or_insert_with(|| series.clone());
            assert_eq!(*known, series, "{file}: {name} is made in two ways");
        }
    }
    made
}

/// Series as `docs/metrics.md` lists them.
fn series_described() -> BTreeMap<String, Series> {
    let text = read("docs/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `cuetone_"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let mut labels: BTreeSet<String> = quoted(cells[2], '`').map(str::to_owned).collect();
        if cells[2].starts_with("the four") {
            labels.extend(["tenant", "extension", "version", "point"].map(str::to_owned));
        }
        (format!("cuetone_{}", cells[0].trim_end_matches('`')), (cells[1].to_owned(), labels))
    };
    rows.map(row).collect()
}

#[test]
fn every_series_is_described_as_it_is_and_none_that_is_not_there() {
    let (made, described) = (series_made(), series_described());
    assert!(made.len() > 50, "the scanner sees {} series", made.len());
    let mut mistakes = Vec::new();
    for name in made.keys().chain(described.keys()).collect::<BTreeSet<_>>() {
        if made.get(name) != described.get(name) {
            mistakes.push(format!("{name}: code {:?}, docs/metrics.md {:?}", made.get(name), described.get(name)));
        }
    }
    none(mistakes);
}

#[test]
fn the_scanner_sees_paths_and_no_texts() {
    let text = r##"
        //! crate::comment::here
        use std::fmt;
        use crate::{domain::{Ad, Slug}, http, stitch::track as other};
        use super::rhai::Host;
        fn f<'a>(x: &'a str) -> char { let _ = r#"crate::raw "quoted" text"#; crate::store::open(); let _c = '"'; 'x' }
        const T: &str = "a \" crate::text";
        fn g() { sqlx::query("x"); rhai::Engine::new(); std::fmt::Error; ::axum::serve() }
    "##;
    let expect = ["domain", "http", "stitch", "store"].map(str::to_owned);
    assert_eq!(modules_used(text), BTreeSet::from(expect));
    let roots = roots_used(text);
    assert!(["std", "sqlx", "axum"].iter().all(|root| roots.contains(*root)), "{roots:?}");
    assert!(["rhai", "fmt", "domain", "query"].iter().all(|root| !roots.contains(*root)), "{roots:?}");
    assert_eq!(
        shipped("a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod tests {\n"),
        "a\n#[cfg(test)]\nmod tests;\nb\n"
    );
}
