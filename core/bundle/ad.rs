//! One item of `ads:` with its creative and declared rules.

use serde_yaml::Value;

use super::{
    limits::*,
    reader::{Node, Object, show},
    scalars,
    scripts::ScriptPoint,
    tenant::STATUSES,
};
use crate::domain::{
    Ad, AdRule, AdType, Condition, Creative, ImageCreative, RuleOperator, RulePart, RuleType, RuleValue, Slug, Status,
    rule::weekday,
};

pub(super) fn read(node: &Node<'_>) -> Option<Ad> {
    let object = node.object()?;
    let slug = object.required("slug", scalars::slug);
    let name = object.optional("name", scalars::text);
    let campaign = object.optional("campaign", |node| reference(node, "campaigns"));
    let duration = object.required("duration_seconds", |node| scalars::seconds(node, MAX_AD_DURATION));
    let ad_type =
        object.or("ad_type", AdType::default(), |node| scalars::choice(node, &["linear", "non-linear", "companion"]));
    let creative_node = object.field("creative");
    let creative = creative_node.as_ref().and_then(creative);
    let vast_node = object.field("vast_url");
    let vast_url = vast_node.as_ref().and_then(scalars::url_template);
    let click_through_url = object.optional("click_through_url", scalars::http_url);
    let status = object.or("status", Status::Active, |node| scalars::choice(node, STATUSES));
    let labels = object.or("labels", Default::default(), scalars::labels);
    let rules = object.list("rules", MAX_RULES_PER_AD, rule);
    if creative_node.is_none() && vast_node.is_none() {
        let _: Option<()> = node.error("the ad has nothing to show", "`creative: { hls: … }` or `vast_url`");
    }
    object.finish();
    let slug = slug?;
    Some(Ad {
        name: name.unwrap_or_else(|| slug.to_string()),
        slug,
        campaign,
        duration: duration?,
        ad_type,
        creative,
        vast_url,
        click_through_url,
        status,
        rules: rules.into_iter().map(|item| item.value).collect(),
        labels,
    })
}

/// The slug of something in another section.
fn reference(node: &Node<'_>, section: &str) -> Option<Slug> {
    let slug = scalars::slug(node)?;
    node.context().known(&node.path, section, slug.as_str());
    Some(slug)
}

/// `{ hls: … }` for what is stitched, `{ image: …, width: …, height: … }` for what is shown beside or over the stream.
fn creative(node: &Node<'_>) -> Option<Creative> {
    let object = node.object()?;
    let others = ["mp4", "image"].iter().any(|key| object.map.get(*key).is_some_and(|value| !value.is_null()));
    let hls =
        if others { object.optional("hls", scalars::http_url) } else { object.required("hls", scalars::http_url) };
    object.refuse("mp4", "MP4 creatives are not supported yet", "`hls: …`, a playlist of the ad");
    let creative = match object.optional("image", scalars::http_url) {
        Some(url) => image(&object, url).map(Creative::Image),
        None => hls.map(Creative::Hls),
    };
    object.finish();
    creative
}

fn image(object: &Object<'_>, url: String) -> Option<ImageCreative> {
    object.refuse("hls", "a creative is a playlist or a picture, not both", "two ads, one with each");
    let pixels = |node: &Node<'_>| scalars::integer(node, 1, MAX_PIXELS);
    let (width, height) = (object.required("width", pixels), object.required("height", pixels));
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let known = [(".png", "image/png"), (".gif", "image/gif"), (".webp", "image/webp"), (".svg", "image/svg+xml")];
    let guessed = known.iter().find(|(ending, _)| path.ends_with(ending)).map_or("image/jpeg", |(_, kind)| kind);
    let media_type = object.or("media_type", guessed.to_owned(), scalars::text);
    Some(ImageCreative { url, media_type, width: u32::try_from(width?).ok()?, height: u32::try_from(height?).ok()? })
}

fn rule(node: &Node<'_>) -> Option<AdRule> {
    let object = node.object()?;
    let kind = object.required("type", |node| scalars::choice(node, &RuleType::ALL.map(RuleType::as_str)));
    let operator =
        object.required("operator", |node| scalars::choice(node, &RuleOperator::ALL.map(RuleOperator::as_str)));
    let operator_node = object.field("operator");
    let value_node = object.field("value");
    object.required("value", |_| Some(()));
    object.finish();
    let (kind, operator, value_node): (RuleType, RuleOperator, _) = (kind?, operator?, value_node?);
    let value = match kind {
        RuleType::Script if matches!(value_node.value, Value::String(_)) => {
            RuleValue::One(ScriptPoint::Targeting.reference(&value_node)?.to_string())
        }
        _ => value(&value_node, kind)?,
    };
    let rule = AdRule { kind, operator, value };
    if let Err(error) = Condition::new(&rule) {
        let node = match error.part {
            RulePart::Operator => operator_node?,
            RulePart::Value => value_node,
        };
        return node.error(error.message, error.expected);
    }
    if rule.kind == RuleType::Channel && rule.operator != RuleOperator::Contains {
        match value_node.value {
            Value::Sequence(_) => drop(value_node.items(MAX_LIST, |item| reference(item, "channels"))),
            _ => drop(reference(&value_node, "channels")),
        }
    }
    Some(rule)
}

fn value(node: &Node<'_>, kind: RuleType) -> Option<RuleValue> {
    match node.value {
        Value::Sequence(_) => {
            let items = node.items(MAX_LIST, operand);
            Some(RuleValue::Many(items.into_iter().map(|item| item.value).collect()))
        }
        Value::Mapping(_) => {
            let object = node.object()?;
            let end = |node: &Node<'_>| range_end(node, kind);
            let (min, max) = (object.required("min", end), object.required("max", end));
            object.finish();
            Some(RuleValue::Range { min: min?, max: max? })
        }
        _ => operand(node).map(RuleValue::One),
    }
}

/// Text or a whole number: hours and weekdays are written both ways.
fn operand(node: &Node<'_>) -> Option<String> {
    match node.value {
        Value::Number(number) if number.is_i64() => Some(number.to_string()),
        _ => scalars::text(node),
    }
}

fn range_end(node: &Node<'_>, kind: RuleType) -> Option<i64> {
    let number = node.value.as_i64();
    let named = || node.value.as_str().filter(|_| kind == RuleType::DayOfWeek).and_then(weekday);
    let expected = if kind == RuleType::DayOfWeek { "a day, such as monday or 1" } else { "a whole number" };
    number.or_else(named).or_else(|| node.error(format!("{} is not usable here", show(node.value)), expected))
}
