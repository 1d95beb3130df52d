//! JavaScript and TypeScript plugins: esbuild makes one module of the sources, componentize-qjs puts it and a QuickJS
//! into a component. It does not check types: that is the editor's and `tsc`'s.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::{
    BuildError, Core, Language, Manifest, build_dir,
    tools::{answer, cached, compile, run},
};

/// Needed by both tools.
const MIN_NODE_MAJOR: u32 = 20;
const ESBUILD: &str = "0.28.2";
const COMPONENTIZE_QJS: &str = "0.4.5";

/// QuickJS reads this much of the language. What is newer is written in older terms.
const JS_TARGET: &str = "es2023";

pub fn build(project: &Path, manifest: &Manifest, say: &mut dyn FnMut(&str)) -> Result<Core, BuildError> {
    let node = node()?;
    let tools = install(say)?;
    let bundle = bundle(project, manifest, &tools, say)?;
    let component = build_dir(project)?.join("quickjs.wasm");
    run(
        "componentize-qjs",
        Command::new("node")
            .arg(tools.join("node_modules/componentize-qjs/bin/componentize-qjs"))
            .args(["--stub-wasi", "--sync", "--world", manifest.point.world()])
            .arg("--wit")
            .arg(project.join("wit"))
            .arg("--js")
            .arg(&bundle)
            .arg("--output")
            .arg(&component)
            .current_dir(project),
    )?;
    Ok(Core {
        module: fs::read(&component).map_err(BuildError::io(&component))?,
        toolchain: format!("componentize-qjs {COMPONENTIZE_QJS}, esbuild {ESBUILD}, node {node}"),
    })
}

/// Puts the sources and the packages that they import into one module.
fn bundle(project: &Path, manifest: &Manifest, tools: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let build = build_dir(project)?;
    let source = match manifest.language {
        Language::TypeScript => "src/plugin.ts",
        _ => "src/plugin.js",
    };
    let (bundle, report) = (build.join("plugin.js"), build.join("plugin.json"));
    compile(
        "esbuild",
        Command::new(esbuild(tools)?)
            .arg(source)
            .args(["--bundle", "--format=esm", "--external:cuetone:*", "--log-level=warning"])
            .arg(format!("--target={JS_TARGET}"))
            .arg(format!("--outfile={}", bundle.display()))
            .arg(format!("--metafile={}", report.display()))
            .current_dir(project),
        say,
    )?;
    // A component has the export even if the module does not, and fails when it is called.
    let text = fs::read_to_string(&report).map_err(BuildError::io(&report))?;
    match exports(&text).iter().any(|name| name == manifest.point.name()) {
        true => Ok(bundle),
        false => Err(BuildError::Export {
            point: manifest.point.name(),
            wanted: format!("`{}` from {source}", manifest.point),
        }),
    }
}

/// The program itself. Its package starts it by a script that would add a stack of its own to each error.
fn esbuild(tools: &Path) -> Result<PathBuf, BuildError> {
    let platforms = tools.join("node_modules/@esbuild");
    // npm has installed the one that is for this machine.
    let platform = fs::read_dir(&platforms).and_then(|mut entries| entries.next().transpose());
    match platform.map_err(BuildError::io(&platforms))? {
        Some(platform) => Ok(platform.path().join("bin/esbuild")),
        None => Err(BuildError::MissingTool {
            tool: "esbuild for this machine".into(),
            install: format!("Delete {} and build again", tools.display()),
        }),
    }
}

/// What the bundle exports, from esbuild's report.
fn exports(report: &str) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Report {
        outputs: HashMap<String, Output>,
    }
    #[derive(Deserialize)]
    struct Output {
        exports: Vec<String>,
    }
    let report: Report = serde_json::from_str(report).unwrap_or_default();
    report.outputs.into_values().flat_map(|output| output.exports).collect()
}

/// Node's version.
fn node() -> Result<String, BuildError> {
    let version = answer("node", &["--version"]).map(|version| version.trim_start_matches('v').to_owned());
    let new_enough = |version: &String| {
        version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major >= MIN_NODE_MAJOR)
    };
    match version.filter(new_enough) {
        Some(version) if answer("npm", &["--version"]).is_some() => Ok(version),
        found => Err(BuildError::MissingTool {
            tool: match found {
                Some(_) => "npm".into(),
                None => format!("Node.js {MIN_NODE_MAJOR} or newer"),
            },
            install: format!(
                "Install Node.js {MIN_NODE_MAJOR} or newer with npm: `apt install nodejs npm` on Debian 13 or newer, \
                 `brew install node` on macOS, else from nodejs.org"
            ),
        }),
    }
}

/// The folder with both tools' packages.
fn install(say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    cached("componentize-qjs", &format!("{COMPONENTIZE_QJS}-esbuild-{ESBUILD}"), |folder| {
        say(&format!("Fetching componentize-qjs {COMPONENTIZE_QJS} and esbuild {ESBUILD} (50 MB, once)"));
        run(
            "npm",
            Command::new("npm")
                .args(["install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"])
                .arg("--prefix")
                .arg(folder)
                .arg(format!("componentize-qjs@{COMPONENTIZE_QJS}"))
                .arg(format!("esbuild@{ESBUILD}")),
        )
        .map(drop)
    })
}
