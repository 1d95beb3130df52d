//! Ads' creatives: what an ad has, and whether it can be played.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};
use url::Url;
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::{Subject, no_item},
    page::{CURSOR, LIMIT, Wanted},
    payload,
    reply::{self, Conditions},
};
use crate::{
    bundle::Section,
    creatives::Readiness,
    domain::Slug,
    http::{
        auth::Caller,
        error::Problem,
        openapi::{
            endpoint::Endpoint,
            query::{Kind, Param, Query},
        },
    },
};

const FILTERS: &[Param] = &[
    LIMIT,
    CURSOR,
    Param {
        name: "state",
        kind: Kind::Choice(&["loading", "ready", "failed", "none"]),
        about: "Only creatives that stand there.",
    },
];

type OfAd = Segments<(Slug, Slug)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let single = format!("{BASE}/tenants/{{tenant}}/ads/{{ad}}/creative");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(format!("{BASE}/tenants/{{tenant}}/creatives"), "listCreatives")
                .about("creatives", "List creatives with their state", "Of all ads, in the order of their slugs.")
                .query(FILTERS)
                .answers(200, "CreativeStatePage", "A page.")
                .by(list),
        )
        .routes(
            Endpoint::get(&single, "getCreative")
                .about(
                    "creatives",
                    "Read an ad's creative and its state",
                    "A playlist is fetched and measured ahead of any break.",
                )
                .answers(200, "CreativeState", "As it stands now.")
                .by(get),
        )
        .routes(
            Endpoint::put(&single, "putCreative")
                .about(
                    "creatives",
                    "Set an ad's creative",
                    "Answers before the new one has been fetched: ask again for its state.",
                )
                .takes("Creative")
                .answers(200, "CreativeState", "Set.")
                .by(put),
        )
        .routes(
            Endpoint::delete(&single, "deleteCreative")
                .about(
                    "creatives",
                    "Take an ad's creative away",
                    "Only where the ad has a `vast_url` as well; else 409.",
                )
                .answers_nothing(204, "Taken away.")
                .by(remove),
        )
}

/// The creative as the ad has it: what its tag is of.
fn declared(ad: &Value) -> Value {
    ad.get("creative").cloned().unwrap_or_default()
}

impl Admin {
    /// Never 304: the state changes while the creative stays what it is.
    fn answer_creative(&self, ad: &Value) -> Response {
        reply::item_of(StatusCode::OK, &self.creative_state(ad), &declared(ad))
    }

    /// What an ad has to show, and where that stands.
    fn creative_state(&self, ad: &Value) -> Value {
        let creative = declared(ad);
        let url = creative.get("hls").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        let readiness = url.map(|url| self.creatives.readiness(&url));
        let (state, seconds, reason) = match &readiness {
            None => ("none", None, None),
            Some(Readiness::Loading) => ("loading", None, None),
            Some(Readiness::Ready(ready)) => ("ready", Some(ready.duration().as_secs_f64()), None),
            Some(Readiness::Failed(reason)) => ("failed", None, Some(reason.clone())),
        };
        json!({
            "ad": ad.get("slug"),
            "creative": creative,
            "state": state,
            "measured_duration_seconds": seconds,
            "reason": reason,
        })
    }
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Segments((tenant,)): Segments<(Slug,)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), FILTERS)?;
    let document = admin.document(&tenant)?;
    let page = Wanted::of(&query).page(document.slugs(Section::Ads), |slug| {
        let state = admin.creative_state(&document.item(Section::Ads, slug)?);
        query.get("state").is_none_or(|wanted| state.get("state").is_some_and(|state| state == wanted)).then_some(state)
    });
    Ok(page.into_response())
}

async fn get(State(admin): State<Arc<Admin>>, Segments((tenant, ad)): OfAd) -> Result<Response, Problem> {
    let ad = admin.item(&tenant, Section::Ads, ad.as_str())?;
    Ok(admin.answer_creative(&ad))
}

async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, ad)): OfAd,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creative = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    if !creative.is_object() {
        return Err(Problem::invalid("the body must be a JSON object"));
    }
    let subject = Subject::item(Section::Ads, ad.as_str()).part("creative");
    set(&admin, &caller, (&tenant, &ad), &subject, &conditions, creative).await?;
    Ok(admin.answer_creative(&admin.item(&tenant, Section::Ads, ad.as_str())?))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, ad)): OfAd,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let subject = Subject::item(Section::Ads, ad.as_str()).part("creative").removed();
    set(&admin, &caller, (&tenant, &ad), &subject, &conditions, Value::Null).await?;
    Ok(reply::nothing())
}

async fn set(
    admin: &Admin,
    caller: &Caller,
    (tenant, ad): (&Slug, &Slug),
    subject: &Subject,
    conditions: &Conditions,
    creative: Value,
) -> Result<(), Problem> {
    let summary = format!("change the creative of ad {ad}");
    admin
        .edit(caller, tenant, subject, &summary, |document| {
            let mut item = document.item(Section::Ads, ad.as_str()).ok_or_else(|| no_item(Section::Ads))?;
            conditions.check(Some(&declared(&item)))?;
            if creative.is_null() && item.get("vast_url").is_none() {
                let detail = "the ad has nothing else to show: remove the ad, or give it a `vast_url` first";
                return Err(Problem::new(StatusCode::CONFLICT, "in-use", detail));
            }
            let Some(fields) = item.as_object_mut() else { return Err(no_item(Section::Ads)) };
            if creative.is_null() && fields.shift_remove("creative").is_none() {
                return Err(Problem::not_found("creative on this ad"));
            }
            if !creative.is_null() {
                fields.insert("creative".to_owned(), creative.clone());
            }
            document.put(Section::Ads, ad.as_str(), item);
            Ok(())
        })
        .await
}
