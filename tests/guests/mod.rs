//! Plugins built from the templates, for tests: each once for its content, kept in `target/guests`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cuetone::extension::Point;
use cuetone_build::{Language, build, new_project};
use sha2::{Digest, Sha256};

/// The component of a language's template for a point: what `cuetone plugin new` and `build` make.
pub fn template(language: Language, point: Point) -> Vec<u8> {
    component(language, point, |_| {})
}

/// The same with other sources: in each file, `from` stands once and becomes `to`.
#[allow(dead_code, reason = "not every test that builds guests changes one")]
pub fn changed(language: Language, point: Point, changes: &[(&str, &str, &str)]) -> Vec<u8> {
    component(language, point, |project| {
        for (file, from, to) in changes {
            let path = project.join(file);
            let text = fs::read_to_string(&path).expect("a source of the template");
            assert_eq!(text.matches(from).count(), 1, "{from}\n{text}");
            fs::write(&path, text.replace(from, to)).expect("changed");
        }
    })
}

/// The same in Rust, with one of its files replaced.
#[allow(dead_code, reason = "some measurements use it")]
pub fn rust_with(point: Point, file: &str, text: &str) -> Vec<u8> {
    component(Language::Rust, point, |project| fs::write(project.join(file), text).expect("written"))
}

fn component(language: Language, point: Point, change: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path().join("starter");
    let of = match point {
        Point::Detect => cuetone_build::Point::Detect,
        Point::Targeting => cuetone_build::Point::Targeting,
        Point::Fill => cuetone_build::Point::Fill,
        Point::Sink => cuetone_build::Point::Sink,
    };
    let mut files = new_project(&project, "starter", of, language).expect("a project");
    change(&project);
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.strip_prefix(&project).expect("a file of the project").to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(fs::read(file).expect("its content")));
    }
    let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let kept = kept().join(format!("{}-{}-{key}.wasm", language.name(), point.as_str()));
    if let Ok(component) = fs::read(&kept) {
        return component;
    }
    share_rust(folder.path());
    let mut said = Vec::new();
    let built = build(&project, &mut |doing| said.push(doing.to_owned()))
        .unwrap_or_else(|error| panic!("{} for {}: {error}\n{}", language.name(), point.as_str(), said.join("\n")));
    fs::create_dir_all(kept.parent().expect("a folder")).expect("target/guests");
    let beside = kept.with_extension(format!("{}.new", std::process::id()));
    fs::write(&beside, &built.component).and_then(|()| fs::rename(&beside, &kept)).expect("target/guests");
    built.component
}

/// A plugin that we ship, built where it lies, as its users would.
#[allow(dead_code, reason = "not every test that builds guests ships one")]
pub fn shipped(name: &str) -> cuetone_build::Built {
    build(&Path::new("plugins").join(name), &mut |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What Rust's plugins depend on is compiled once for all of them.
fn share_rust(folder: &Path) {
    let settings = format!("[build]\ntarget-dir = {:?}\n", kept().join("rust").display().to_string());
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    fs::write(folder.join(".cargo/config.toml"), settings).expect("cargo's settings");
}

fn kept() -> PathBuf {
    // Tests are run from …/target/debug/deps.
    let test = std::env::current_exe().expect("this test");
    test.ancestors().nth(3).unwrap_or(Path::new("target")).join("guests")
}
