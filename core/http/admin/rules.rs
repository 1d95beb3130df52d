//! The rules declared on an ad, as a list and one by one. They are part of the ad: so is their history.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Admin, BASE, Segments,
    change::{Subject, no_item},
    payload,
    reply::{self, Conditions},
};
use crate::{
    bundle::Section,
    domain::Slug,
    http::{auth::Caller, error::Problem, openapi::endpoint::Endpoint},
};

type OfAd = Segments<(Slug, Slug)>;
type OfRule = Segments<(Slug, Slug, usize)>;

pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    let all = format!("{BASE}/tenants/{{tenant}}/ads/{{ad}}/rules");
    let single = format!("{all}/{{index}}");
    OpenApiRouter::new()
        .routes(
            Endpoint::get(&all, "listRules")
                .about("rules", "Read an ad's rules", "In their order; a rule's place in it is its address.")
                .answers(200, "Rules", "All of them.")
                .by(list),
        )
        .routes(
            Endpoint::put(&all, "putRules")
                .about("rules", "Replace all rules of an ad", "")
                .takes("Rules")
                .answers(200, "Rules", "Replaced.")
                .by(put_all),
        )
        .routes(
            Endpoint::post(&all, "addRule")
                .about("rules", "Add a rule to an ad", "It becomes the last.")
                .takes("Rule")
                .answers(201, "Rule", "Added; `Location` is its address.")
                .by(append),
        )
        .routes(
            Endpoint::get(&single, "getRule")
                .about("rules", "Read one rule", "")
                .answers(200, "Rule", "As it holds now.")
                .by(get),
        )
        .routes(
            Endpoint::put(&single, "putRule")
                .about("rules", "Replace one rule", "")
                .takes("Rule")
                .answers(200, "Rule", "Replaced.")
                .by(put),
        )
        .routes(
            Endpoint::delete(&single, "deleteRule")
                .about("rules", "Remove one rule", "Those behind it move up: use If-Match.")
                .answers_nothing(204, "Removed.")
                .by(remove),
        )
}

fn rules_of(ad: &Value) -> Vec<Value> {
    ad.get("rules").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn set_rules(ad: &mut Value, rules: Value) {
    if let Some(fields) = ad.as_object_mut() {
        fields.insert("rules".to_owned(), rules);
    }
}

fn no_rule() -> Problem {
    Problem::not_found("such rule")
}

fn subject(ad: &Slug) -> Subject {
    Subject::item(Section::Ads, ad.as_str()).part("rules")
}

fn one(ad: &Slug, index: usize) -> Subject {
    Subject::item(Section::Ads, ad.as_str()).part(&format!("rules[{index}]"))
}

impl Admin {
    fn rules(&self, tenant: &Slug, ad: &Slug) -> Result<Vec<Value>, Problem> {
        Ok(rules_of(&self.item(tenant, Section::Ads, ad.as_str())?))
    }

    fn rule(&self, tenant: &Slug, ad: &Slug, index: usize) -> Result<Value, Problem> {
        self.rules(tenant, ad)?.get(index).cloned().ok_or_else(no_rule)
    }

    /// Edits the list of an ad's rules.
    async fn edit_rules<T: Send>(
        &self,
        caller: &Caller,
        (tenant, ad): (&Slug, &Slug),
        subject: &Subject,
        edit: impl Fn(&mut Vec<Value>) -> Result<T, Problem> + Send + Sync,
    ) -> Result<T, Problem> {
        let summary = format!("change the rules of ad {ad}");
        self.edit(caller, tenant, subject, &summary, |document| {
            let mut item = document.item(Section::Ads, ad.as_str()).ok_or_else(|| no_item(Section::Ads))?;
            let mut rules = rules_of(&item);
            let answer = edit(&mut rules)?;
            set_rules(&mut item, Value::Array(rules));
            document.put(Section::Ads, ad.as_str(), item);
            Ok(answer)
        })
        .await
    }
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Segments((tenant, ad)): OfAd,
    conditions: Conditions,
) -> Result<Response, Problem> {
    Ok(conditions.read(&json!(admin.rules(&tenant, &ad)?)))
}

async fn put_all(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, ad)): OfAd,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Value::Array(rules) = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await? else {
        return Err(Problem::invalid("the body must be a JSON array of rules"));
    };
    admin
        .edit_rules(&caller, (&tenant, &ad), &subject(&ad), |current| {
            conditions.check(Some(&json!(current)))?;
            current.clone_from(&rules);
            Ok(())
        })
        .await?;
    Ok(reply::item(StatusCode::OK, &json!(admin.rules(&tenant, &ad)?)))
}

async fn append(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, ad)): OfAd,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let rule = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    let last = admin.rules(&tenant, &ad)?.len();
    let index = admin
        .edit_rules(&caller, (&tenant, &ad), &one(&ad, last), |rules| {
            rules.push(rule.clone());
            Ok(rules.len() - 1)
        })
        .await?;
    let rule = admin.rule(&tenant, &ad, index)?;
    Ok(reply::created(&format!("{BASE}/tenants/{tenant}/ads/{ad}/rules/{index}"), &rule))
}

async fn get(
    State(admin): State<Arc<Admin>>,
    Segments((tenant, ad, index)): OfRule,
    conditions: Conditions,
) -> Result<Response, Problem> {
    Ok(conditions.read(&admin.rule(&tenant, &ad, index)?))
}

async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, ad, index)): OfRule,
    conditions: Conditions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let rule = payload::json(&headers, body, payload::MAX_ITEM_BYTES).await?;
    admin
        .edit_rules(&caller, (&tenant, &ad), &one(&ad, index), |rules| {
            let current = rules.get_mut(index).ok_or_else(no_rule)?;
            conditions.check(Some(current))?;
            current.clone_from(&rule);
            Ok(())
        })
        .await?;
    Ok(reply::item(StatusCode::OK, &admin.rule(&tenant, &ad, index)?))
}

async fn remove(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Segments((tenant, ad, index)): OfRule,
    conditions: Conditions,
) -> Result<Response, Problem> {
    admin
        .edit_rules(&caller, (&tenant, &ad), &one(&ad, index), |rules| {
            conditions.check(Some(rules.get(index).ok_or_else(no_rule)?))?;
            rules.remove(index);
            Ok(())
        })
        .await?;
    Ok(reply::nothing())
}
