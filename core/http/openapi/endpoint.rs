//! One operation: its route and its description, made together so that they cannot differ.
//!
//! What all operations share (path parameters, preconditions, error answers, security) is added by
//! [`super::document`]; here stands only what is particular.

use axum::{handler::Handler, routing::on};
use utoipa::openapi::{
    Content, HttpMethod, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
    path::{OperationBuilder, Paths},
    request_body::RequestBodyBuilder,
    response::ResponsesBuilder,
};
use utoipa_axum::{PathItemExt as _, router::UtoipaMethodRouter};

use super::query::Param;

pub const JSON: &str = "application/json";
/// RFC 7396.
pub const MERGE_PATCH: &str = "application/merge-patch+json";

pub struct Endpoint {
    method: HttpMethod,
    path: String,
    operation: OperationBuilder,
    responses: ResponsesBuilder,
    /// The last answer, to which other media types may be added.
    last: Option<(u16, Response)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Endpoint {
    /// `path` as axum writes it: `/api/v1/admin/tenants/{tenant}`. `id` is the operation's name in generated clients.
    fn new(method: HttpMethod, path: impl Into<String>, id: impl Into<String>) -> Self {
        let operation = OperationBuilder::new().operation_id(Some(id));
        Self {
            method,
            path: path.into(),
            operation,
            responses: ResponsesBuilder::new(),
            last: None,
            schemas: Vec::new(),
        }
    }
    pub fn get(path: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(HttpMethod::Get, path, id)
    }
    pub fn post(path: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(HttpMethod::Post, path, id)
    }
    pub fn put(path: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(HttpMethod::Put, path, id)
    }
    pub fn patch(path: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(HttpMethod::Patch, path, id)
    }
    pub fn delete(path: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(HttpMethod::Delete, path, id)
    }

    /// One line on what it does, then anything worth knowing.
    #[must_use]
    pub fn about(mut self, tag: &str, summary: impl Into<String>, description: impl Into<String>) -> Self {
        let (summary, description) = (summary.into(), description.into());
        // Linters want a description; a short operation is described by its summary.
        let description = if description.is_empty() { format!("{summary}.") } else { description };
        self.operation = self.operation.tag(tag).summary(Some(summary)).description(Some(description));
        self
    }

    /// The query parameters, from the table that also reads them.
    #[must_use]
    pub fn query(mut self, params: &[Param]) -> Self {
        for param in params {
            self.operation = self.operation.parameter(param.described());
        }
        self
    }

    /// A JSON body by the name of its schema.
    #[must_use]
    pub fn takes(self, schema: impl AsRef<str>) -> Self {
        self.takes_any(&[(JSON, schema.as_ref())])
    }

    /// A body in one of several media types.
    #[must_use]
    pub fn takes_any(mut self, kinds: &[(&str, &str)]) -> Self {
        let body = RequestBodyBuilder::new().required(Some(Required::True));
        let body = kinds.iter().fold(body, |body, (kind, schema)| body.content(*kind, content(schema)));
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// A JSON answer by the name of its schema.
    #[must_use]
    pub fn answers(mut self, status: u16, schema: impl AsRef<str>, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).content(JSON, content(schema.as_ref())).build();
        self.last = Some((status, response.clone()));
        self.responses = self.responses.response(status.to_string(), response);
        self
    }

    /// The answer described last, in another media type, of which nothing more is said.
    #[must_use]
    pub fn also_as(mut self, media_type: &str) -> Self {
        if let Some((status, response)) = &mut self.last {
            response.content.insert(media_type.to_owned(), RefOr::T(Content::new(None::<RefOr<Schema>>)));
            self.responses = self.responses.response(status.to_string(), response.clone());
        }
        self
    }

    /// A schema that this operation brings along.
    #[must_use]
    pub fn with_schema(mut self, name: &str, schema: serde_json::Value) -> Self {
        // A schema that is none shows in the tests of the document.
        if let Ok(schema) = serde_json::from_value(schema) {
            self.schemas.push((name.to_owned(), schema));
        }
        self
    }

    /// An answer that is no JSON document, by its media type.
    #[must_use]
    pub fn answers_text(mut self, status: u16, media_type: &str, schema: &str, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).content(media_type, content(schema));
        self.responses = self.responses.response(status.to_string(), response.build());
        self
    }

    /// An answer without a body.
    #[must_use]
    pub fn answers_nothing(mut self, status: u16, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description);
        self.responses = self.responses.response(status.to_string(), response.build());
        self
    }

    /// Binds the handler: what a router and the document take.
    pub fn by<S, H, T>(self, handler: H) -> UtoipaMethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
        H: Handler<T, S>,
        T: 'static,
    {
        let routed = on(self.method.to_method_filter(), handler);
        let mut paths = Paths::new();
        let operation = self.operation.responses(self.responses.build()).build();
        paths.add_path_operation(&self.path, vec![self.method], operation);
        (self.schemas, paths, routed)
    }
}

fn content(schema: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(schema)))
}
