//! The definition file for editors (`sdk/rhai/cuetone.d.rhai`), written from the engine's own vocabulary.
