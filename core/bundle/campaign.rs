//! One item of `campaigns:`.

use super::{limits::*, reader::Node, scalars};
use crate::domain::{Campaign, CampaignStatus, FrequencyCap, Pacing};

pub(super) fn read(node: &Node<'_>) -> Option<Campaign> {
    let object = node.object()?;
    let slug = object.required("slug", scalars::slug);
    let name = object.optional("name", scalars::text);
    let description = object.or("description", String::new(), scalars::prose);
    let start_date = object.optional("start_date", scalars::date);
    let end_date = object.optional("end_date", scalars::date);
    let budget = object.optional("budget", scalars::money);
    let impression_goal = object.optional("impression_goal", |node| scalars::integer(node, 1, MAX_IMPRESSION_GOAL));
    let cpm = object.optional("cpm", scalars::cpm);
    let status = object.or("status", CampaignStatus::Active, |node| {
        scalars::choice(node, &["draft", "active", "paused", "completed"])
    });
    let priority = object.or("priority", 0, |node| scalars::integer(node, -MAX_PRIORITY, MAX_PRIORITY));
    let frequency_caps = object.or("frequency_cap", Vec::new(), frequency_caps);
    let pacing = object.or("pacing", Pacing::default(), |node| scalars::choice(node, &["asap", "even"]));
    let competitive_category = object.optional("competitive_category", scalars::text);
    if let (Some(start), Some(end), Some(node)) = (start_date, end_date, object.field("end_date"))
        && end < start
    {
        let (year, month, day) = start;
        let expected = format!("{year:04}-{month:02}-{day:02} (start_date) or later");
        let _: Option<()> = node.error("the campaign ends before it starts", expected);
    }
    object.finish();
    let slug = slug?;
    Some(Campaign {
        name: name.unwrap_or_else(|| slug.to_string()),
        slug,
        description,
        start_date,
        end_date,
        budget,
        impression_goal: impression_goal.and_then(|goal| u64::try_from(goal).ok()),
        cpm,
        status,
        priority: i32::try_from(priority).unwrap_or(0),
        frequency_caps,
        pacing,
        competitive_category,
    })
}

/// One cap, or a list of them that all hold.
fn frequency_caps(node: &Node<'_>) -> Option<Vec<FrequencyCap>> {
    if node.value.is_sequence() {
        return Some(node.items(MAX_CAPS, frequency_cap).into_iter().map(|item| item.value).collect());
    }
    frequency_cap(node).map(|cap| vec![cap])
}

fn frequency_cap(node: &Node<'_>) -> Option<FrequencyCap> {
    let object = node.object()?;
    let impressions = object.required("impressions", |node| scalars::integer(node, 1, MAX_CAP_IMPRESSIONS));
    let per = object.required("per", |node| scalars::choice(node, &["pod", "session", "hour", "day", "flight"]));
    object.finish();
    Some(FrequencyCap { impressions: u32::try_from(impressions?).ok()?, per: per? })
}
