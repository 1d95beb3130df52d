//! Node.js and the npm packages that tests run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The folder with `node_modules` of `tests/{name}`, installed once per lock file, under `target/`.
pub fn modules(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let lock = fs::read_to_string(source.join("package-lock.json")).expect("lock file");
    // Written last: an install that was cut short is done again.
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return folder;
    }
    fs::create_dir_all(&folder).expect("folder");
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file)).expect(file);
    }
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let output = run(Command::new("npm").args(arguments).current_dir(&folder), "npm");
    assert!(output.status.success(), "npm could not install the packages of tests/{name}:\n{}", both(&output));
    fs::write(stamp, lock).expect("stamp");
    folder
}

pub fn run(command: &mut Command, tool: &str) -> Output {
    command.output().unwrap_or_else(|error| panic!("{tool} is needed for this test and could not be started: {error}"))
}

pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
