//! From a compiled module to the component that a host loads. It does not know which language the module came from.

use wasm_encoder::Encode;
use wasmparser::{BinaryReader, ComponentExternalKind, Parser, Payload};
use wit_component::ComponentEncoder;

use crate::{BuildError, Manifest, Point};

/// The custom section that holds the manifest as JSON.
pub const SECTION: &str = "cuetone:plugin";
/// All that a plugin may import.
pub const IMPORTS: [&str; 4] = [
    "cuetone:extension/log@1.0.0",
    "cuetone:extension/config@1.0.0",
    "cuetone:extension/counters@1.0.0",
    "cuetone:extension/types@1.0.0",
];

/// Magic and version: the eight bytes before the first section.
const HEADER_LENGTH: usize = 8;
/// A custom section's id, in modules and components alike.
const CUSTOM_SECTION: u8 = 0;

/// Wraps a core module (a component stays as it is), checks imports and export and attaches the manifest.
pub fn finish(compiled: &[u8], manifest: &Manifest) -> Result<Vec<u8>, BuildError> {
    let component = match Parser::is_component(compiled) {
        true => compiled.to_vec(),
        false => encode(compiled)?,
    };
    refuse(imports(&component)?.into_iter().filter(|name| !is_offered(name)).collect())?;
    let wanted = interface(manifest.point);
    if !exports(&component)?.contains(&wanted) {
        return Err(BuildError::Export { point: manifest.point.name(), wanted });
    }
    attach(&component, &manifest.section())
}

fn is_offered(interface: &str) -> bool {
    IMPORTS.contains(&interface)
}

fn refuse(names: Vec<String>) -> Result<(), BuildError> {
    match names.is_empty() {
        true => Ok(()),
        false => Err(BuildError::Imports { names }),
    }
}

/// The interface that a plugin for this point exports.
pub fn interface(point: Point) -> String {
    format!("cuetone:extension/{point}@1.0.0")
}

/// Names of what the component imports.
pub fn imports(component: &[u8]) -> Result<Vec<String>, BuildError> {
    let mut names = Vec::new();
    outermost(component, |payload| {
        if let Payload::ComponentImportSection(section) = payload {
            for import in section {
                names.push(import?.name.name.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// Names of the interfaces that the component exports.
pub fn exports(component: &[u8]) -> Result<Vec<String>, BuildError> {
    let mut names = Vec::new();
    outermost(component, |payload| {
        if let Payload::ComponentExportSection(section) = payload {
            for export in section {
                let export = export?;
                if export.kind == ComponentExternalKind::Instance {
                    names.push(export.name.name.to_owned());
                }
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// The content of the section `cuetone:plugin`, if there is one.
pub fn section(component: &[u8]) -> Result<Option<Vec<u8>>, BuildError> {
    let mut content = None;
    outermost(component, |payload| {
        if let Payload::CustomSection(section) = payload
            && section.name() == SECTION
        {
            content = Some(section.data().to_vec());
        }
        Ok(())
    })?;
    Ok(content)
}

/// Puts `content` into the section `cuetone:plugin`, in place of one that is there.
pub fn attach(component: &[u8], content: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut attached = without_section(component).map_err(malformed)?;
    wasm_encoder::ComponentSection::append_to_component(
        &wasm_encoder::CustomSection { name: SECTION.into(), data: content.into() },
        &mut attached,
    );
    Ok(attached)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut unknown = Vec::new();
    outermost(module, |payload| {
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports() {
                let import = import?;
                if !is_offered(import.module) {
                    unknown.push(format!("{} of {}", import.name, import.module));
                }
            }
        }
        Ok(())
    })?;
    // The encoder would name the first only, and not say what to do.
    refuse(unknown)?;
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| BuildError::Encode { problem: format!("{error:#}") })
}

/// Shows `see` the sections of the component or module itself, not those of what is nested in it.
fn outermost<'a>(
    component: &'a [u8],
    mut see: impl FnMut(Payload<'a>) -> wasmparser::Result<()>,
) -> Result<(), BuildError> {
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(malformed)?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ if depth == 0 => see(payload).map_err(malformed)?,
            _ => {}
        }
    }
    Ok(())
}

fn without_section(component: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut reader = BinaryReader::new(component, 0);
    let mut kept = reader.read_bytes(HEADER_LENGTH)?.to_vec();
    while !reader.eof() {
        let id = reader.read_u8()?;
        let length = reader.read_var_u32()?;
        let content = reader.read_bytes(length as usize)?;
        if id == CUSTOM_SECTION && BinaryReader::new(content, 0).read_string()? == SECTION {
            continue;
        }
        kept.push(id);
        content.encode(&mut kept);
    }
    Ok(kept)
}

fn malformed(error: wasmparser::BinaryReaderError) -> BuildError {
    BuildError::Encode { problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{ComponentImportSection, ComponentTypeRef, ComponentTypeSection, InstanceType};

    use super::*;
    use crate::manifest::tests::GOOD;

    /// A component that imports one interface, without functions.
    fn importing(name: &str) -> Vec<u8> {
        let mut types = ComponentTypeSection::new();
        types.instance(&InstanceType::new());
        let mut imports = ComponentImportSection::new();
        imports.import(name, ComponentTypeRef::Instance(0));
        let mut component = wasm_encoder::Component::new();
        component.section(&types).section(&imports);
        component.finish()
    }

    fn check(component: &[u8], expect: &str) {
        let error = finish(component, &Manifest::parse(GOOD).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }

    #[test]
    fn only_what_the_contract_has_may_be_imported() {
        check(
            &importing("wasi:cli/environment@0.2.0"),
            "the plugin imports wasi:cli/environment@0.2.0, which the host",
        );
        // It is the export that is missing here.
        check(
            &importing(IMPORTS[0]),
            "plugin.yaml says `point: targeting`, but the plugin does not export cuetone:ext",
        );
    }

    #[test]
    fn a_core_module_may_import_no_more() {
        let mut types = wasm_encoder::TypeSection::new();
        types.ty().function([], []);
        let mut imports = wasm_encoder::ImportSection::new();
        imports.import("wasi_snapshot_preview1", "fd_write", wasm_encoder::EntityType::Function(0));
        let mut module = wasm_encoder::Module::new();
        module.section(&types).section(&imports);
        check(&module.finish(), "the plugin imports fd_write of wasi_snapshot_preview1, which the host does not offer");
    }

    #[test]
    fn what_is_not_webassembly_is_refused() {
        check(b"#!/bin/sh", "the compiled module is not a component that a host can load: ");
    }

    fn empty() -> Vec<u8> {
        wasm_encoder::Component::new().finish()
    }

    #[test]
    fn a_section_is_replaced_not_repeated() {
        let once = attach(&empty(), b"one").unwrap();
        let twice = attach(&once, b"two").unwrap();
        assert_eq!(section(&twice).unwrap().unwrap(), b"two");
        assert_eq!(twice.len(), once.len());
        assert_eq!(section(&empty()).unwrap(), None);
    }
}
