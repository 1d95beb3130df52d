//! Channels, campaigns and ads: one implementation for the three lists of a tenant.
//!
//! An item's JSON is the bundle's item, so what is valid is decided by the bundle's readers and nowhere else.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::{Subject, no_item},
    page::{CURSOR, LIMIT, Wanted},
    patch, payload,
    reply::{self, Conditions},
    schema,
};
use crate::{
    bundle::Section,
    domain::Slug,
    http::{
        auth::Caller,
        error::{FieldError, Problem},
        openapi::{
            endpoint::{Endpoint, JSON, MERGE_PATCH},
            query::{Kind, Param, Query},
        },
    },
};

const SEARCH: Param = Param { name: "q", kind: Kind::Text(100), about: "Only items with this in their slug or name." };
const STATUS: Param =
    Param { name: "status", kind: Kind::Choice(&["active", "inactive"]), about: "Only items with this status." };
const CAMPAIGN_STATUS: Param = Param {
    name: "status",
    kind: Kind::Choice(&["draft", "active", "paused", "completed"]),
    about: "Only campaigns with this status.",
};

const CHANNEL_FILTERS: &[Param] = &[LIMIT, CURSOR, SEARCH, STATUS];
const CAMPAIGN_FILTERS: &[Param] = &[LIMIT, CURSOR, SEARCH, CAMPAIGN_STATUS];
const AD_FILTERS: &[Param] = &[
    LIMIT,
    CURSOR,
    SEARCH,
    STATUS,
    Param { name: "campaign", kind: Kind::Slug, about: "Only ads of this campaign." },
    Param {
        name: "ad_type",
        kind: Kind::Choice(&["linear", "non-linear", "companion"]),
        about: "Only ads of this type.",
    },
];

fn filters(section: Section) -> &'static [Param] {
    match section {
        Section::Channels => CHANNEL_FILTERS,
        Section::Campaigns => CAMPAIGN_FILTERS,
        Section::Ads => AD_FILTERS,
    }
}

/// `Channel`: the name of its schema, and of operations.
fn noun(section: Section) -> &'static str {
    match section {
        Section::Channels => "Channel",
        Section::Campaigns => "Campaign",
        Section::Ads => "Ad",
    }
}

type Segment = Segments<(Slug, Slug)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    Section::ALL.into_iter().fold(OpenApiRouter::new(), |router, section| router.merge(routes_of(section)))
}

fn routes_of(section: Section) -> OpenApiRouter<Arc<Admin>> {
    let (many, one, noun) = (section.as_str(), section.singular(), noun(section));
    let all = format!("{BASE}/tenants/{{tenant}}/{many}");
    let single = format!("{all}/{{{one}}}");
    let plural = format!("{noun}s");
    let article = if section == Section::Ads { "an" } else { "a" };
    let listing = Endpoint::get(&all, format!("list{plural}"))
        .about(many, format!("List {many}"), "In the order of their slugs.")
        .query(filters(section))
        .answers(200, format!("{noun}Page"), "A page.")
        .by(move |state, caller, path: Segments<(Slug,)>, uri: Uri| list(section, state, caller, path, uri));
    let creation = Endpoint::post(&all, format!("create{noun}"))
        .about(
            many,
            format!("Add {article} {one}"),
            "Answers it with its defaults filled in. 409 if the slug is taken.",
        )
        .takes(noun)
        .answers(201, noun, "Added; `Location` is its address.")
        .by(move |state, caller, path: Segments<(Slug,)>, headers: HeaderMap, body: Body| {
            create(section, state, caller, path, headers, body)
        });
    let reading = Endpoint::get(&single, format!("get{noun}"))
        .about(many, format!("Read {article} {one}"), "")
        .answers(200, noun, "As it serves now.")
        .by(move |state, path: Segment, conditions: Conditions| get(section, state, path, conditions));
    let replacing = Endpoint::put(&single, format!("put{noun}"))
        .about(many, format!("Replace or add {article} {one}"), "What is left out gets its default.")
        .takes(format!("{noun}Replacement"))
        .answers(200, noun, "Replaced.")
        .answers(201, noun, "Added.")
        .by(move |state, caller, path: Segment, conditions: Conditions, headers: HeaderMap, body: Body| {
            put(section, state, caller, path, conditions, headers, body)
        });
    let patching = Endpoint::patch(&single, format!("patch{noun}"))
        .about(
            many,
            format!("Change parts of {article} {one}"),
            "A JSON Merge Patch (RFC 7396): null takes a member away.",
        )
        .takes_any(&[(MERGE_PATCH, &format!("{noun}Patch")), (JSON, &format!("{noun}Patch"))])
        .answers(200, noun, "Changed.")
        .by(move |state, caller, path: Segment, conditions: Conditions, headers: HeaderMap, body: Body| {
            modify(section, state, caller, path, conditions, headers, body)
        });
    let removing = Endpoint::delete(&single, format!("delete{noun}"))
        .about(many, format!("Remove {article} {one}"), "409 while something else names it.")
        .answers_nothing(204, "Removed.")
        .by(move |state, caller, path: Segment, conditions: Conditions| {
            remove(section, state, caller, path, conditions)
        });
    OpenApiRouter::new()
        .routes(listing)
        .routes(creation)
        .routes(reading)
        .routes(replacing)
        .routes(patching)
        .routes(removing)
}

async fn list(
    section: Section,
    State(admin): State<Arc<Admin>>,
    _caller: Caller,
    Segments((tenant,)): Segments<(Slug,)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), filters(section))?;
    let document = admin.document(&tenant)?;
    let wanted = Wanted::of(&query);
    let page =
        wanted.page(document.slugs(section), |slug| document.item(section, slug).filter(|item| passes(item, &query)));
    Ok(page.into_response())
}

/// Whether an item is what a list's filters want.
pub(super) fn passes(item: &Value, query: &Query) -> bool {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let exact = ["status", "campaign", "ad_type"];
    let equal = exact.iter().all(|name| query.get(name).is_none_or(|wanted| text(name) == wanted));
    equal
        && query.get("q").is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            ["slug", "name"].iter().any(|name| text(name).to_lowercase().contains(&wanted))
        })
}

async fn create(
    section: Section,
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant,)): Segments<(Slug,)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let item = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    let slug = named(&item)?;
    let summary = format!("add {} {slug}", section.singular());
    admin
        .edit(&caller, &tenant, &Subject::item(section, slug.as_str()), &summary, |document| {
            if document.item(section, slug.as_str()).is_some() {
                return Err(taken(section.singular(), &slug));
            }
            document.put(section, slug.as_str(), item.clone());
            Ok(())
        })
        .await?;
    let item = admin.item(&tenant, section, slug.as_str())?;
    Ok(reply::created(&format!("{BASE}/tenants/{tenant}/{}/{slug}", section.as_str()), &item))
}

async fn get(
    section: Section,
    State(admin): State<Arc<Admin>>,
    Segments((tenant, slug)): Segment,
    conditions: Conditions,
) -> Result<Response, Problem> {
    Ok(conditions.read(&admin.item(&tenant, section, slug.as_str())?))
}

async fn put(
    section: Section,
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, slug)): Segment,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let item = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    same_slug(&item, &slug)?;
    let summary = format!("set {} {slug}", section.singular());
    let existed = admin
        .edit(&caller, &tenant, &Subject::item(section, slug.as_str()), &summary, |document| {
            let current = document.item(section, slug.as_str());
            conditions.check(current.as_ref())?;
            document.put(section, slug.as_str(), item.clone());
            Ok(current.is_some())
        })
        .await?;
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    Ok(reply::item(status, &admin.item(&tenant, section, slug.as_str())?))
}

async fn modify(
    section: Section,
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, slug)): Segment,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let change = payload::patch(&headers, body).await?;
    check_patch(&change, &format!("{}Patch", noun(section)))?;
    same_slug(&change, &slug)?;
    let summary = format!("change {} {slug}", section.singular());
    admin
        .edit(&caller, &tenant, &Subject::item(section, slug.as_str()), &summary, |document| {
            let mut item = document.item(section, slug.as_str()).ok_or_else(|| no_item(section))?;
            conditions.check(Some(&item))?;
            patch::merge(&mut item, &change);
            document.put(section, slug.as_str(), item);
            Ok(())
        })
        .await?;
    Ok(reply::item(StatusCode::OK, &admin.item(&tenant, section, slug.as_str())?))
}

async fn remove(
    section: Section,
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, slug)): Segment,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let summary = format!("remove {} {slug}", section.singular());
    admin
        .edit(&caller, &tenant, &Subject::item(section, slug.as_str()).removed(), &summary, |document| {
            let item = document.item(section, slug.as_str()).ok_or_else(|| no_item(section))?;
            conditions.check(Some(&item))?;
            document.remove(section, slug.as_str());
            Ok(())
        })
        .await?;
    Ok(reply::nothing())
}

/// The slug that a new item gives itself.
pub(super) fn named(item: &Value) -> Result<Slug, Problem> {
    if !item.is_object() {
        return Err(Problem::invalid("the body must be a JSON object"));
    }
    let wrong = |reason: String| payload::invalid(vec![FieldError { field: "slug".to_owned(), reason }]);
    match item.get("slug") {
        None | Some(Value::Null) => Err(wrong("missing".to_owned())),
        Some(Value::String(text)) => text.parse().map_err(wrong),
        Some(_) => Err(wrong("expected text".to_owned())),
    }
}

/// A slug in the body, if any, is that of the address.
pub(super) fn same_slug(item: &Value, slug: &Slug) -> Result<(), Problem> {
    if !item.is_object() {
        return Err(Problem::invalid("the body must be a JSON object"));
    }
    match item.get("slug") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) if text == slug.as_str() => Ok(()),
        Some(_) => {
            let reason = format!("the address says `{slug}`; a slug cannot be changed");
            Err(payload::invalid(vec![FieldError { field: "slug".to_owned(), reason }]))
        }
    }
}

/// A patch is an object, and every member that it names exists.
pub(super) fn check_patch(change: &Value, shape: &str) -> Result<(), Problem> {
    if !change.is_object() {
        return Err(Problem::invalid("the body must be a JSON object"));
    }
    let unknown = patch::unknown(change, schema::component(shape));
    if unknown.is_empty() { Ok(()) } else { Err(payload::invalid(unknown)) }
}

pub(super) fn taken(what: &str, slug: &Slug) -> Problem {
    Problem::new(StatusCode::CONFLICT, "exists", format!("there is {what} `{slug}` already"))
        .field("slug", "it is taken; change it with PUT or PATCH")
}
