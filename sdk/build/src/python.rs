//! Python plugins: componentize-py puts the sources and a CPython into a component.

use std::{fs, path::Path, process::Command};

use crate::{
    BuildError, Core, Manifest, build_dir,
    tools::{python_package, run},
};

const COMPONENTIZE_PY: &str = "0.25.1";
/// Its command's entry point; `-m` would need a `__main__`, which the package does not have.
const ENTRY: &str = "import sys; from componentize_py import script; sys.exit(script())";
/// The module in `src/` with the class that the host calls.
const APP: &str = "plugin";

pub fn build(project: &Path, manifest: &Manifest, say: &mut dyn FnMut(&str)) -> Result<Core, BuildError> {
    let python = python_package("componentize-py", COMPONENTIZE_PY, "20 MB", say)?;
    let component = build_dir(project)?.join("cpython.wasm");
    say("Putting Python and the plugin into one component (about 15 seconds)");
    run(
        "componentize-py",
        Command::new(&python)
            .args(["-c", ENTRY, "--quiet", "--world", manifest.point.world()])
            .arg("--wit-path")
            .arg(project.join("wit"))
            .args(["componentize", "--stub-wasi", "--python-path"])
            .arg(project.join("src"))
            .arg("--output")
            .arg(&component)
            .arg(APP)
            .current_dir(project),
    )?;
    Ok(Core {
        module: fs::read(&component).map_err(BuildError::io(&component))?,
        toolchain: format!("componentize-py {COMPONENTIZE_PY}"),
    })
}
