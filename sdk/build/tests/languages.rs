//! Every template of every language builds, and what comes out is a component that a host of the contract can load.
//!
//! The toolchains have to be there: a test without one fails with what to install. The first run fetches the pinned
//! tools into the user's cache.

use std::{fs, path::Path};

use cuetone_build::{Language, Manifest, Point, build, component, new_project};
use wit_bindgen_core::wit_parser::WorldKey;
use wit_component::DecodedWasm;

const PROJECTS: &str = env!("CARGO_TARGET_TMPDIR");

fn check(language: Language) {
    for point in Point::ALL {
        let dir = Path::new(PROJECTS).join(format!("{language}-{point}"));
        let _ = fs::remove_dir_all(&dir);
        for file in new_project(&dir, "first-try", point, language).unwrap() {
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("{{name}}") && !text.contains("{{point}}"), "{}", file.display());
        }

        let built = build(&dir, &mut |line| println!("{line}")).unwrap_or_else(|error| panic!("{error}"));
        println!("{language} {point}: {} bytes, {}", built.component.len(), built.toolchain);
        assert_eq!(built.manifest, Manifest::read(&dir).unwrap());
        assert_eq!(built.written, dir.canonicalize().unwrap().join("build/first-try.wasm"));

        let component = fs::read(&built.written).unwrap();
        assert_eq!(component::section(&component).unwrap().unwrap(), built.manifest.section());
        for import in component::imports(&component).unwrap() {
            assert!(component::IMPORTS.contains(&import.as_str()), "{language} {point} imports {import}");
        }
        assert_eq!(interfaces(&component), [component::interface(point)], "{language} {point}");
    }
}

/// Interfaces that the component exports, decoded by a library that knows nothing of us. Functions outside of interfaces
/// are leftovers of the languages' tools, which no host calls.
fn interfaces(component: &[u8]) -> Vec<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else {
        panic!("not a component");
    };
    let exports = resolve.worlds[world].exports.keys();
    exports.filter(|key| matches!(key, WorldKey::Interface(_))).map(|key| resolve.name_world_key(key)).collect()
}

#[test]
fn rust() {
    // The four share what they depend on.
    let settings = Path::new(PROJECTS).join(".cargo");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("config.toml"), "[build]\ntarget-dir = \"rust\"\n").unwrap();
    check(Language::Rust);
}

#[test]
fn javascript() {
    check(Language::JavaScript);
}

#[test]
fn typescript() {
    check(Language::TypeScript);
}

#[test]
fn python() {
    check(Language::Python);
}

#[test]
fn c() {
    check(Language::C);
}

#[test]
fn zig() {
    check(Language::Zig);
}

#[test]
fn a_folder_with_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "").unwrap();
    let error = new_project(dir.path(), "first-try", Point::Fill, Language::JavaScript).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
}
