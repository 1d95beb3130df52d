//! One way to change a tenant: edit its document, and turn whatever the registry says into a problem.

use axum::http::StatusCode;
use serde_json::Value;

use super::{Admin, payload};
use crate::{
    bundle::{BundleErrors, Document, Section},
    domain::Slug,
    http::{
        auth::Caller,
        error::{FieldError, Problem},
    },
    registry::RegistryError,
};

/// Why an edit did not come about.
pub enum Refused {
    /// The edit itself said no.
    Problem(Box<Problem>),
    /// The outcome is not valid, or could not be stored.
    Registry(RegistryError),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<RegistryError> for Refused {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

/// What an edit is about: errors there are told by the field's own path, without the item in front.
#[derive(Clone, Debug)]
pub struct Subject {
    prefix: String,
    /// Nothing is wrong with the item: others need it. For removals.
    removal: bool,
}

impl Subject {
    /// `ads[cola]`.
    pub fn item(section: Section, slug: &str) -> Self {
        Self { prefix: format!("{}[{slug}]", section.as_str()), removal: false }
    }
    /// `tenant`, `extensions`.
    pub fn section(name: &str) -> Self {
        Self { prefix: name.to_owned(), removal: false }
    }
    /// The tenant as a whole.
    pub fn whole() -> Self {
        Self { prefix: String::new(), removal: false }
    }
    /// A part of an item: `ads[cola]` and `rules`.
    #[must_use]
    pub fn part(mut self, part: &str) -> Self {
        self.prefix = format!("{}.{part}", self.prefix);
        self
    }
    #[must_use]
    pub fn removed(mut self) -> Self {
        self.removal = true;
        self
    }

    /// `ads[cola].rules[0].value` → `rules[0].value`.
    fn own_path<'a>(&self, field: &'a str) -> &'a str {
        if self.prefix.is_empty() {
            return field;
        }
        match field.strip_prefix(&self.prefix) {
            Some(rest) if rest.is_empty() || rest.starts_with('[') => rest,
            Some(rest) => rest.strip_prefix('.').unwrap_or(field),
            None => field,
        }
    }

    fn explain(&self, errors: &BundleErrors) -> Problem {
        let fields = errors.iter().map(|error| {
            let reason = match error.expected.as_str() {
                "" => error.message.clone(),
                expected => format!("{}; expected {expected}", error.message),
            };
            FieldError { field: self.own_path(&error.field).to_owned(), reason }
        });
        let fields: Vec<FieldError> = fields.collect();
        if !self.removal {
            return payload::invalid(fields);
        }
        let users = fields.iter().map(|error| error.field.as_str()).collect::<Vec<_>>().join(", ");
        let problem = Problem::new(StatusCode::CONFLICT, "in-use", format!("it is used by {users}"));
        fields.into_iter().fold(problem, |problem, error| problem.field(error.field, error.reason))
    }
}

impl Admin {
    /// Edits a tenant that exists and activates the outcome.
    pub async fn edit<T>(
        &self,
        caller: &Caller,
        tenant: &Slug,
        subject: &Subject,
        summary: &str,
        edit: impl Fn(&mut Document) -> Result<T, Problem> + Send + Sync,
    ) -> Result<T, Problem>
    where
        T: Send,
    {
        let edited = self.edit_any(caller, tenant, subject, summary, |document| {
            if document.is_new() {
                return Err(Problem::not_found("such tenant"));
            }
            edit(document)
        });
        Ok(edited.await?.1)
    }

    /// The same for a tenant that may not exist yet. Answers its version too.
    pub async fn edit_any<T>(
        &self,
        caller: &Caller,
        tenant: &Slug,
        subject: &Subject,
        summary: &str,
        edit: impl Fn(&mut Document) -> Result<T, Problem> + Send + Sync,
    ) -> Result<(i64, T), Problem>
    where
        T: Send,
    {
        let author = caller.author(summary);
        let edited = self.registry.change(tenant, &author, |document| edit(document).map_err(Refused::from));
        match edited.await {
            Ok(edited) => Ok(edited),
            Err(Refused::Problem(problem)) => Err(*problem),
            Err(Refused::Registry(RegistryError::Bundle(errors))) => Err(subject.explain(&errors)),
            Err(Refused::Registry(error)) => Err(error.into()),
        }
    }

    /// The tenant's state that serves now.
    pub fn document(&self, tenant: &Slug) -> Result<Document, Problem> {
        self.registry.document(tenant).map(|(_, document)| document).ok_or_else(|| Problem::not_found("such tenant"))
    }

    /// An item as it is now, in the one spelling that answers have.
    pub fn item(&self, tenant: &Slug, section: Section, slug: &str) -> Result<Value, Problem> {
        self.document(tenant)?.item(section, slug).ok_or_else(|| no_item(section))
    }
}

pub fn no_item(section: Section) -> Problem {
    Problem::not_found(format!("such {}", section.singular()))
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Bundle(errors) => Subject::whole().explain(&errors),
            RegistryError::Extension(error) => Self::invalid(error.to_string()),
            RegistryError::OtherTenant { .. } => {
                Self::invalid(error.to_string()).field("tenant.slug", error.to_string())
            }
            RegistryError::NoTenant(_) => Self::not_found("such tenant"),
            RegistryError::NoVersion { version, .. } => {
                let reason = format!("there is no version {version}");
                Self::invalid(reason.clone()).field("version", reason)
            }
            RegistryError::Store(error) => error.into(),
            RegistryError::Interrupted => Self::unavailable("the server is stopping"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::BundleError;

    #[test]
    fn errors_are_told_by_the_item_s_own_path() {
        let subject = Subject::item(Section::Ads, "cola");
        for (field, expect) in [
            ("ads[cola].duration_seconds", "duration_seconds"),
            ("ads[cola].rules[0].value", "rules[0].value"),
            ("ads[cola]", ""),
            ("ads[cola-2].slug", "ads[cola-2].slug"),
            ("channels[news].slate", "channels[news].slate"),
        ] {
            assert_eq!(subject.own_path(field), expect);
        }
        assert_eq!(subject.part("rules").own_path("ads[cola].rules[0].value"), "[0].value");
        assert_eq!(Subject::section("extensions").own_path("extensions.sinks[0].use"), "sinks[0].use");
    }

    #[test]
    fn what_is_still_needed_is_a_conflict_that_names_who_needs_it() {
        let error =
            BundleError { field: "ads[cola].campaign".into(), ..BundleError::of_file("tenant.yaml", "gone", "") };
        let problem = Subject::item(Section::Campaigns, "summer").removed().explain(&error.into());
        assert_eq!((problem.status().as_u16(), problem.kind()), (409, "in-use"));
        assert_eq!(problem.errors()[0].field, "ads[cola].campaign");
    }
}
