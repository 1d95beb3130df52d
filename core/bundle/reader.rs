//! Walks YAML values and collects every mistake instead of stopping at the first.
//!
//! An [`Object`] knows which keys were asked for; [`Object::finish`] reports the others. It does not know what fields
//! mean; the section readers do.

use std::{borrow::Cow, cell::RefCell, collections::BTreeSet};

use serde_yaml::{Mapping, Value};

use super::{BundleError, BundleFiles, MAX_ERRORS, places::Places, suggest::did_you_mean, yaml::join};

pub(super) struct Context<'a> {
    pub files: &'a BundleFiles,
    /// The slugs of each section as they stand in the text: an item with mistakes of its own can still be referred to.
    declared: [(&'static str, BTreeSet<Cow<'a, str>>); 3],
    places: Places,
    errors: RefCell<Vec<BundleError>>,
}

impl<'a> Context<'a> {
    pub fn new(files: &'a BundleFiles, root: &'a Value, places: Places) -> Self {
        let declared = ["channels", "campaigns", "ads"].map(|section| {
            let items = root.get(section).and_then(Value::as_sequence).into_iter().flatten();
            (section, items.filter_map(|item| item.get("slug").and_then(Value::as_str)).map(Cow::Borrowed).collect())
        });
        Self { files, declared, places, errors: RefCell::default() }
    }

    /// For items that stand alone, among others with these slugs.
    pub fn over(files: &'a BundleFiles, declared: [(&'static str, BTreeSet<String>); 3], places: Places) -> Self {
        let declared = declared.map(|(section, slugs)| (section, slugs.into_iter().map(Cow::Owned).collect()));
        Self { files, declared, places, errors: RefCell::default() }
    }

    pub fn has(&self, section: &str, slug: &str) -> bool {
        self.declared.iter().any(|(name, slugs)| *name == section && slugs.contains(slug))
    }

    /// Reports a slug that no item of `section` has.
    pub fn known(&self, field: &str, section: &str, slug: &str) {
        let declared = self.declared.iter().find(|(name, _)| *name == section).map(|(_, slugs)| slugs);
        if !declared.is_some_and(|slugs| slugs.contains(slug)) {
            let one = section.trim_end_matches('s');
            // Beyond the errors that are shown nobody reads a suggestion, and finding it compares with every slug.
            let looked_through = declared.filter(|_| self.errors.borrow().len() <= MAX_ERRORS);
            let meant = did_you_mean(slug, looked_through.into_iter().flatten().map(AsRef::as_ref));
            let message = format!("there is no {one} `{slug}`{meant}");
            self.error(field, message, format!("the slug of one of the {section} in this file"));
        }
    }

    pub fn finish(self) -> (Vec<BundleError>, Places) {
        (self.errors.into_inner(), self.places)
    }
    /// A mistake in the value at `field`.
    pub fn error(&self, field: &str, message: impl Into<String>, expected: impl Into<String>) {
        self.errors.borrow_mut().push(self.places.error(field, message, expected));
    }
    fn key_error(&self, field: &str, message: impl Into<String>, expected: impl Into<String>) {
        self.errors.borrow_mut().push(self.places.key_error(field, message, expected));
    }
}

/// A value and its path.
#[derive(Clone)]
pub(super) struct Node<'a> {
    context: &'a Context<'a>,
    pub path: String,
    pub value: &'a Value,
}

/// An item of a list and the path it stands at.
pub(super) struct Item<T> {
    pub path: String,
    pub value: T,
}

impl<'a> Node<'a> {
    pub fn at(context: &'a Context<'a>, path: String, value: &'a Value) -> Self {
        Self { context, path, value }
    }
    pub fn context(&self) -> &'a Context<'a> {
        self.context
    }
    /// Records a mistake here; returns nothing so that readers can end with it.
    pub fn error<T>(&self, message: impl Into<String>, expected: impl Into<String>) -> Option<T> {
        self.context.error(&self.path, message, expected);
        None
    }
    /// Another value in this one's place.
    pub fn with<'b>(&self, value: &'b Value) -> Node<'b>
    where
        'a: 'b,
    {
        Node { context: self.context, path: self.path.clone(), value }
    }
    pub fn child(&self, key: &str, value: &'a Value) -> Self {
        Self { context: self.context, path: join(&self.path, key), value }
    }

    pub fn object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Mapping(map) => Some(Object { node: self.clone(), map, known: RefCell::default() }),
            other => self.error(format!("this is {}", kind(other)), "a mapping of keys to values"),
        }
    }

    /// The items of a list; what cannot be read is reported and left out.
    pub fn items<T>(&self, max: usize, read: impl Fn(&Node<'a>) -> Option<T>) -> Vec<Item<T>> {
        let Value::Sequence(values) = self.value else {
            let _: Option<()> = self.error(format!("this is {}", kind(self.value)), "a list");
            return Vec::new();
        };
        if values.len() > max {
            let _: Option<()> = self.error(format!("the list has {} items", values.len()), format!("at most {max}"));
            return Vec::new();
        }
        let nodes = values.iter().enumerate().map(|(at, value)| Node {
            context: self.context,
            path: format!("{}[{at}]", self.path),
            value,
        });
        nodes.filter_map(|node| read(&node).map(|value| Item { path: node.path, value })).collect()
    }
}

pub(super) struct Object<'a> {
    node: Node<'a>,
    pub map: &'a Mapping,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Object<'a> {
    pub fn path(&self) -> &str {
        &self.node.path
    }

    /// The value of a key; a key without a value is as good as none.
    pub fn field(&self, key: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().push(key);
        self.map.get(key).filter(|value| !value.is_null()).map(|value| self.node.child(key, value))
    }

    pub fn required<T>(&self, key: &'static str, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<T> {
        match self.field(key) {
            Some(node) => read(&node),
            None => {
                let message = format!("`{key}` is missing");
                // Points at the key when it is there without a value, else at the mapping.
                self.node.context.key_error(&join(self.path(), key), message, "");
                None
            }
        }
    }

    /// Nothing when absent, or when it cannot be read: then the mistake is on record.
    pub fn optional<T>(&self, key: &'static str, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<T> {
        self.field(key).and_then(|node| read(&node))
    }

    pub fn or<T>(&self, key: &'static str, default: T, read: impl Fn(&Node<'a>) -> Option<T>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    pub fn list<T>(&self, key: &'static str, max: usize, read: impl Fn(&Node<'a>) -> Option<T>) -> Vec<Item<T>> {
        self.field(key).map(|node| node.items(max, read)).unwrap_or_default()
    }

    /// A key that is known but may not be used, with the reason.
    pub fn refuse(&self, key: &'static str, message: &str, expected: &str) {
        if self.field(key).is_some() {
            self.node.context.key_error(&join(self.path(), key), message, expected);
        }
    }

    /// Reports keys that nobody asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for key in self.map.keys() {
            let Some(name) = key.as_str() else {
                let _: Option<()> = self.node.error(format!("the key {} is not text", show(key)), "text as keys");
                continue;
            };
            if !known.contains(&name) {
                let message = format!("unknown key `{name}`{}", did_you_mean(name, known.iter().copied()));
                let expected = format!("one of {}", known.join(", "));
                self.node.context.key_error(&join(self.path(), name), message, expected);
            }
        }
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "empty".into(),
        Value::Bool(_) => show(value),
        Value::Number(_) => format!("the number {}", show(value)),
        Value::String(text) => format!("the text `{}`", shortened(text)),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping".into(),
        Value::Tagged(tagged) => format!("a value with the tag {}", tagged.tag),
    }
}

pub(super) fn show(value: &Value) -> String {
    serde_yaml::to_string(value).map_or_else(|_| "…".into(), |text| format!("`{}`", shortened(text.trim_end())))
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
