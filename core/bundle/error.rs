//! What is wrong with a bundle, where, and what would be right.

use std::fmt;

use serde::Serialize;

use super::limits::MAX_ERRORS;

/// One mistake. `line` and `column` count from 1; 0 means the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BundleError {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// `channels[0].ad_break_strategy`; empty for the file as a whole.
    pub field: String,
    pub message: String,
    /// Empty when the message says it all.
    pub expected: String,
}

impl BundleError {
    pub fn of_file(file: &str, message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            field: String::new(),
            message: message.into(),
            expected: expected.into(),
        }
    }
}

/// `tenant.yaml:12:5: channels[0].slug: …; expected …`
impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

/// All that is wrong with a bundle, in reading order; never empty.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct BundleErrors(Vec<BundleError>);

impl BundleErrors {
    /// Sorts, and cuts off after the first hundred.
    pub fn new(mut errors: Vec<BundleError>) -> Self {
        errors.sort();
        errors.dedup();
        let beyond = errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        if beyond > 0 {
            let file = errors.first().map_or_else(String::new, |first| first.file.clone());
            errors.push(BundleError::of_file(&file, format!("and {beyond} more errors"), ""));
        }
        if errors.is_empty() {
            errors.push(BundleError::of_file(super::MANIFEST_FILE, "the bundle cannot be read", ""));
        }
        Self(errors)
    }
    pub fn as_slice(&self) -> &[BundleError] {
        &self.0
    }
    pub fn iter(&self) -> std::slice::Iter<'_, BundleError> {
        self.0.iter()
    }
}

impl From<BundleError> for BundleErrors {
    fn from(error: BundleError) -> Self {
        Self(vec![error])
    }
}

/// One error a line.
impl fmt::Display for BundleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
