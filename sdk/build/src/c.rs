//! C and Zig plugins: bindings are written for the contract, then zig compiles both languages to a core module.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use wit_bindgen_core::{Files, wit_parser::Resolve};

use crate::{
    BuildError, Core, Language, Manifest, Point, build_dir,
    tools::{PYTHON, answer, compile, python_package, run},
};

const ZIG: &str = "0.17.1";
/// A zig of the user's own is taken if it is of this series: the language still changes between them.
const ZIG_SERIES: &str = "0.17.";

/// A library for the host to call.
const FLAGS: [&str; 8] =
    ["-target", "wasm32-wasi", "-mexec-model=reactor", "-O2", "-s", "-std=c17", "-Wall", "-Wextra"];
/// Bytes. Enough for plain code, little beside the 16 MiB that a plugin may use: zig's own default is all of them.
const STACK_SIZE: u32 = 128 * 1024;

/// What the bindings call the imported interfaces, in place of `cuetone_extension_…`.
const IMPORTS: [(&str, &str); 4] =
    [("types", "types"), ("log", "host_log"), ("config", "host_config"), ("counters", "host_counters")];

pub fn build(project: &Path, manifest: &Manifest, say: &mut dyn FnMut(&str)) -> Result<Core, BuildError> {
    let zig = Zig::find(say)?;
    let bindings = write_bindings(project, manifest)?;
    let module = build_dir(project)?.join("core.wasm");
    let sources = match manifest.language {
        Language::Zig => vec![compile_zig(&zig, project, &bindings, say)?],
        _ => c_sources(&project.join("src"))?,
    };
    compile(
        "zig cc",
        zig.command()
            .arg("cc")
            .args(FLAGS)
            .arg(format!("-Wl,-z,stack-size={STACK_SIZE}"))
            .arg("-I")
            .arg(&bindings)
            .args(sources)
            .arg(bindings.join("wit.c"))
            .arg(bindings.join("wit_component_type.o"))
            .arg("-o")
            .arg(&module)
            .current_dir(project),
        say,
    )?;
    Ok(Core {
        module: fs::read(&module).map_err(BuildError::io(&module))?,
        toolchain: format!("zig {}, wit-bindgen 0.63", zig.version),
    })
}

/// A zig that fits.
struct Zig {
    program: PathBuf,
    arguments: &'static [&'static str],
    version: String,
}

impl Zig {
    fn find(say: &mut dyn FnMut(&str)) -> Result<Self, BuildError> {
        if let Some(version) = answer("zig", &["version"]).filter(|version| version.starts_with(ZIG_SERIES)) {
            return Ok(Self { program: "zig".into(), arguments: &[], version });
        }
        let program = python_package("ziglang", ZIG, "100 MB", say).map_err(|error| match error {
            BuildError::MissingTool { .. } => BuildError::MissingTool {
                tool: format!("zig {ZIG_SERIES}x"),
                install: format!("Install it, or what it can be fetched with: {PYTHON}"),
            },
            other => other,
        })?;
        Ok(Self { program, arguments: &["-m", "ziglang"], version: ZIG.into() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments);
        command
    }
}

/// Compiles `src/plugin.zig` to an object file. It sees the C bindings as a module named `wit`.
fn compile_zig(zig: &Zig, project: &Path, bindings: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    say("Compiling with zig (the first time takes a minute)");
    let target = ["-target", "wasm32-wasi", "-lc"];
    let translated = run("zig translate-c", zig.command().arg("translate-c").args(target).arg(bindings.join("wit.h")))?;
    let wit = bindings.join("wit.zig");
    fs::write(&wit, translated).map_err(BuildError::io(&wit))?;

    let object = build_dir(project)?.join("plugin.o");
    run(
        "zig build-obj",
        zig.command()
            .arg("build-obj")
            .args(target)
            .args(["-O", "ReleaseSmall", "--dep", "wit", "-Mroot=src/plugin.zig"])
            .arg(format!("-Mwit={}", wit.display()))
            .arg(format!("-femit-bin={}", object.display()))
            .current_dir(project),
    )?;
    Ok(object)
}

/// All `.c` files of the folder, in order.
fn c_sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = entries.map_err(BuildError::io(folder))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    Ok(files)
}

/// Writes the C bindings of the plugin's world into `build/bindings` and answers that folder.
fn write_bindings(project: &Path, manifest: &Manifest) -> Result<PathBuf, BuildError> {
    let wit = project.join("wit");
    let folder = build_dir(project)?.join("bindings");
    let files = bindings(&wit, manifest.point)
        .map_err(|problem| BuildError::Failed { tool: "wit-bindgen".into(), output: problem })?;
    fs::create_dir_all(&folder).map_err(BuildError::io(&folder))?;
    for (name, content) in files.iter() {
        let path = folder.join(name);
        let content = match str::from_utf8(content) {
            Ok(text) => end_comments(text).into_bytes(),
            Err(_) => content.to_vec(),
        };
        fs::write(&path, content).map_err(BuildError::io(&path))?;
    }
    Ok(folder)
}

/// To C, a comment that ends in a backslash goes on in the next line, which the contract's comments do not mean.
fn end_comments(text: &str) -> String {
    let mut ended = String::with_capacity(text.len());
    for line in text.lines() {
        ended.push_str(match line.trim_start().starts_with("//") {
            true => line.trim_end_matches('\\'),
            false => line,
        });
        ended.push('\n');
    }
    ended
}

fn bindings(wit: &Path, point: Point) -> Result<Files, String> {
    let mut resolve = Resolve::default();
    let mut files = Files::default();
    let options = wit_bindgen_c::Opts {
        rename_world: Some("wit".into()),
        rename: IMPORTS
            .into_iter()
            .chain([(point.name(), point.name())])
            .map(|(interface, name)| (format!("cuetone:extension/{interface}@1.0.0"), name.into()))
            .collect(),
        ..Default::default()
    };
    resolve
        .push_path(wit)
        .and_then(|(package, _)| resolve.select_world(&[package], Some(point.world())))
        .and_then(|world| options.build().generate(&mut resolve, world, &mut files))
        .map_err(|error| format!("{error:#}"))?;
    Ok(files)
}
