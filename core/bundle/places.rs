//! Where each part of `tenant.yaml` stands, by its path such as `channels[0].slug`.

use std::collections::HashMap;

use super::{BundleError, MANIFEST_FILE};

/// Line and column, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: Option<Place>,
    value: Place,
}

#[derive(Clone, Debug, Default)]
pub struct Places {
    entries: HashMap<String, Entry>,
}

impl Places {
    pub(super) fn insert(&mut self, path: String, key: Option<Place>, value: Place) {
        self.entries.insert(path, Entry { key, value });
    }

    /// Of the value; what an alias expands to stands where the alias does.
    pub(super) fn value(&self, path: &str) -> Place {
        self.nearest(path).map_or(Place::default(), |entry| entry.value)
    }

    pub(super) fn key(&self, path: &str) -> Place {
        self.nearest(path).map_or(Place::default(), |entry| entry.key.unwrap_or(entry.value))
    }

    fn nearest(&self, path: &str) -> Option<&Entry> {
        let mut path = path;
        loop {
            if let Some(entry) = self.entries.get(path) {
                return Some(entry);
            }
            path = path.rfind(['.', '[']).map(|at| path.get(..at).unwrap_or_default()).unwrap_or_default();
            if path.is_empty() {
                return self.entries.get("");
            }
        }
    }

    /// A mistake found at `field` of `tenant.yaml`.
    pub fn error(&self, field: &str, message: impl Into<String>, expected: impl Into<String>) -> BundleError {
        let place = self.value(field);
        BundleError {
            file: MANIFEST_FILE.into(),
            line: place.line,
            column: place.column,
            field: field.into(),
            message: message.into(),
            expected: expected.into(),
        }
    }

    /// As [`error`](Self::error), at the key instead of its value.
    pub(super) fn key_error(
        &self,
        field: &str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> BundleError {
        let place = self.key(field);
        BundleError { line: place.line, column: place.column, ..self.error(field, message, expected) }
    }
}
