//! The one place that makes an engine for scripts.
//!
//! It starts from an engine that can do nothing and adds what is allowed: arithmetic, comparison, ranges and iteration
//! from Rhai; everything that handles text, lists and maps from this crate. Not there at all: `sleep`, `eval`, `exit`,
//! `import`, `parse_json`, timestamps, blobs, function pointers by name.

use rhai::{
    Engine, Module, OptimizationLevel, Scope,
    packages::{ArithmeticPackage, BasicIteratorPackage, LogicPackage, Package},
};

use super::{
    api, diagnose, guard, lists, maps, numbers,
    registrar::{Registrar, Vocabulary},
    script, text,
};
use crate::extension::{
    ExtensionError, limits,
    load::{Point, ScriptSource},
    shipped,
};

/// Words of the language that scripts may not use. `Fn`, `call` and `curry` make functions into values that can be
/// kept; `eval` and the module words bring in code that was not checked.
const DISABLED: [&str; 9] = ["eval", "import", "export", "Fn", "call", "curry", "is_shared", "is_def_fn", "is_def_var"];

/// The hardened engine and what it offers. One is enough for all tenants: a call shares nothing with another.
pub struct Host {
    pub(super) engine: Engine,
    /// Parses only, to find a script's constants before the real compilation.
    pub(super) reader: Engine,
    pub(super) vocabulary: Vocabulary,
}

impl Host {
    /// Fails only if a shipped rule does not compile.
    pub fn new() -> Result<Self, ExtensionError> {
        let mut engine = hardened();
        let mut api = Registrar::new(&mut engine);
        register(&mut api);
        let vocabulary = api.vocabulary;
        engine.set_strict_variables(true);
        let mut host = Self { engine, reader: hardened(), vocabulary };
        for (name, text) in shipped::all() {
            let path = format!("shipped:{name}");
            let ast = script::compile(&host, ScriptSource { name: &path, text })?;
            let module = guard::metered(guard::Budget::of(Point::Detect), guard::LogTarget::default(), || {
                Module::eval_ast_as_new(Scope::new(), &ast, &host.engine)
            });
            let module = module.0.map_err(|error| diagnose::runtime(&host.vocabulary, &path, text, &error))?;
            host.engine.register_static_module(shipped::module_name(name), module.into());
        }
        Ok(host)
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

fn register(api: &mut Registrar<'_>) {
    api::register(api);
    lists::register(api);
    maps::register(api);
    text::register(api);
    numbers::register(api);
}

/// An engine with every limit set and nothing registered that could get round one.
fn hardened() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    engine
        .set_max_call_levels(limits::MAX_CALL_DEPTH)
        .set_max_variables(limits::MAX_VARIABLES)
        .set_max_functions(limits::MAX_FUNCTIONS)
        .set_max_modules(0)
        .set_max_expr_depths(limits::MAX_EXPRESSION_DEPTH, limits::MAX_EXPRESSION_DEPTH)
        .set_max_string_size(limits::MAX_STRING_BYTES)
        .set_max_array_size(limits::MAX_ARRAY_ITEMS)
        .set_max_map_size(limits::MAX_MAP_ENTRIES)
        // Folds constants only; never calls a function at compile time.
        .set_optimization_level(OptimizationLevel::Simple);
    for word in DISABLED {
        engine.disable_symbol(word);
    }
    // Rhai's own count starts anew in every callback; ours does not. See `guard`.
    engine.on_progress(|_| guard::step());
    engine
}
