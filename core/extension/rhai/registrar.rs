//! Registers what scripts may use and remembers it, so that hints, the reference and the editor's definition file are
//! all made from the one list that the engine itself was built from.

use std::collections::BTreeMap;

use rhai::{Engine, FuncRegistration, RhaiNativeFunc};

/// A readable (sometimes writable) property of a value that the host hands to scripts.
#[derive(Clone, Debug)]
pub struct Property {
    pub name: &'static str,
    pub type_name: &'static str,
    pub doc: &'static str,
    pub writable: bool,
}

/// A function that scripts may call.
#[derive(Clone, Debug)]
pub struct Function {
    /// As shown: `filter(array, test) -> array`.
    pub signature: &'static str,
    pub doc: &'static str,
    /// The heading that it is listed under.
    pub group: &'static str,
}

impl Function {
    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }
}

/// A type that scripts meet.
#[derive(Clone, Debug, Default)]
pub struct TypeDoc {
    pub doc: &'static str,
    pub properties: Vec<Property>,
}

/// Everything the engine offers.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    pub types: BTreeMap<&'static str, TypeDoc>,
    pub functions: Vec<Function>,
}

/// Wraps the engine while it is being built.
pub struct Registrar<'e> {
    engine: &'e mut Engine,
    pub vocabulary: Vocabulary,
    group: &'static str,
}

/// Marks a function that changes its first argument, which then must not be a constant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Pure,
    Changes,
}

impl<'e> Registrar<'e> {
    pub fn new(engine: &'e mut Engine) -> Self {
        Self { engine, vocabulary: Vocabulary::default(), group: "" }
    }

    /// The heading of the functions that follow.
    pub fn group(&mut self, group: &'static str) -> &mut Self {
        self.group = group;
        self
    }

    /// Names a host type.
    pub fn value<T: Clone + Send + Sync + 'static>(&mut self, name: &'static str, doc: &'static str) -> &mut Self {
        self.engine.register_type_with_name::<T>(name);
        self.vocabulary.types.entry(name).or_default().doc = doc;
        self
    }

    /// A property of `owner`, which scripts read as `value.name`.
    pub fn property<T, R>(
        &mut self,
        owner: &'static str,
        name: &'static str,
        (type_name, doc): (&'static str, &'static str),
        get: impl Fn(&mut T) -> R + Send + Sync + 'static,
    ) -> &mut Self
    where
        T: Clone + Send + Sync + 'static,
        R: Clone + Send + Sync + 'static,
    {
        self.engine.register_get(name, get);
        let property = Property { name, type_name, doc, writable: false };
        self.vocabulary.types.entry(owner).or_default().properties.push(property);
        self
    }

    /// Lets scripts assign a property that [`Self::property`] has named.
    pub fn writable<T, V>(
        &mut self,
        owner: &'static str,
        name: &'static str,
        set: impl Fn(&mut T, V) + Send + Sync + 'static,
    ) -> &mut Self
    where
        T: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        self.engine.register_set(name, set);
        self.settable(owner, name)
    }

    /// Marks a property as one that can be set, where the engine was told so otherwise.
    pub fn settable(&mut self, owner: &'static str, name: &'static str) -> &mut Self {
        let properties = &mut self.vocabulary.types.entry(owner).or_default().properties;
        if let Some(property) = properties.iter_mut().find(|p| p.name == name) {
            property.writable = true;
        }
        self
    }

    /// The engine, for what has no name of its own (iterators, indexers).
    pub fn engine(&mut self) -> &mut Engine {
        self.engine
    }

    /// A function; `signature` is documentation, the engine goes by the types of `body`.
    pub fn function<A: 'static, const N: usize, const X: bool, R, const F: bool>(
        &mut self,
        effect: Effect,
        signature: &'static str,
        doc: &'static str,
        body: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    ) -> &mut Self
    where
        R: Clone + Send + Sync + 'static,
    {
        let function = Function { signature, doc, group: self.group };
        FuncRegistration::new(function.name())
            .with_purity(effect == Effect::Pure)
            .register_into_engine(self.engine, body);
        if !doc.is_empty() {
            self.vocabulary.functions.push(function);
        }
        self
    }
}
