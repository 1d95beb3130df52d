//! What can be read off a component before it is compiled: whether it is one, how large it is, what it says of itself.
//!
//! Does not know the contract: what a component imports and exports is looked at when it is linked.

use wasmparser::{Encoding, Parser, Payload};

use super::metadata::{MAX_METADATA_BYTES, Metadata, SECTION};

/// Bytes of one component. Python brings its whole interpreter: 18 MB.
pub const MAX_COMPONENT_BYTES: usize = 24 * 1024 * 1024;

/// Functions of one component, over all its modules; Python has 12,000. Each costs the compiler some time.
const MAX_FUNCTIONS: usize = 50_000;

/// Bytes of one function's body. What the compiler does grows faster than the body; interpreters' main loops have some
/// 100 KB.
const MAX_FUNCTION_BYTES: usize = 512 * 1024;

/// Modules and components inside of one component, however deep.
const MAX_MODULES: usize = 200;

/// Reads a component's outline.
///
/// # Errors
/// In words for the plugin's author.
pub fn inspect(bytes: &[u8]) -> Result<Metadata, String> {
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(format!("it has {} bytes; at most {MAX_COMPONENT_BYTES} are allowed", bytes.len()));
    }
    let (mut functions, mut modules, mut depth, mut metadata) = (0, 0, 0, None);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| format!("it is no WebAssembly: {error}"))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err("it is a module, not a component: `cuetone plugin build` makes components".to_owned());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                modules += 1;
                depth += 1;
                if modules > MAX_MODULES {
                    return Err(format!("it holds more than {MAX_MODULES} modules"));
                }
            }
            Payload::End(_) => depth -= 1,
            Payload::CodeSectionStart { count, .. } => {
                functions += count as usize;
                if functions > MAX_FUNCTIONS {
                    return Err(format!("it has more than {MAX_FUNCTIONS} functions"));
                }
            }
            Payload::CodeSectionEntry(body) if body.range().len() > MAX_FUNCTION_BYTES => {
                return Err(format!(
                    "one of its functions has {} bytes; at most {MAX_FUNCTION_BYTES} are allowed",
                    body.range().len()
                ));
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                if metadata.is_some() {
                    return Err(format!("it has two sections {SECTION}"));
                }
                if section.data().len() > MAX_METADATA_BYTES {
                    return Err(format!("its metadata has more than {MAX_METADATA_BYTES} bytes"));
                }
                metadata = Some(Metadata::read(section.data())?);
            }
            _ => {}
        }
    }
    metadata.ok_or_else(|| {
        format!("it has no metadata (custom section {SECTION}): `cuetone plugin build` writes it from plugin.yaml")
    })
}
