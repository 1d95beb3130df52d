//! What projects are made of and what is refused. That every template builds and answers as it should is seen where a host
//! is there to load it: `tests/conformance.rs` of the server.

use std::fs;

use cuetone_build::{Language, Manifest, Point, new_project};

#[test]
fn no_placeholder_is_left_in_a_project() {
    for language in Language::ALL {
        for point in Point::ALL {
            let dir = tempfile::tempdir().unwrap();
            for file in new_project(dir.path(), "first-try", point, language).unwrap() {
                let text = fs::read_to_string(&file).unwrap();
                assert!(!text.contains("{{name}}") && !text.contains("{{point}}"), "{}", file.display());
            }
            let manifest = Manifest::read(dir.path()).unwrap();
            assert_eq!((manifest.name.as_str(), manifest.language, manifest.point), ("first-try", language, point));
        }
    }
}

#[test]
fn a_folder_with_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "").unwrap();
    let error = new_project(dir.path(), "first-try", Point::Fill, Language::JavaScript).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
}
