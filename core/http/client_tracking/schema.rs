//! The wire shapes, field by field as such players read them. What we do not have is there and empty.

use serde::Serialize;

use crate::{domain::Span, media::datetime};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub avails: Vec<TrackedAvail>,
    pub next_token: String,
    pub non_linear_avails: [(); 0],
}

/// A point or length of the player's clock, in the two ways in which it is written.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub start: Span,
    pub duration: Span,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    pub start_time: String,
    pub start_time_in_seconds: f64,
    pub duration: String,
    pub duration_in_seconds: f64,
}

impl From<When> for Timing {
    fn from(when: When) -> Self {
        Self {
            start_time: iso(when.start),
            start_time_in_seconds: when.start.as_secs_f64(),
            duration: iso(when.duration),
            duration_in_seconds: when.duration.as_secs_f64(),
        }
    }
}

/// `PT9.531S` (ISO 8601).
fn iso(span: Span) -> String {
    let micros = span.as_micros().max(0);
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    if rest == 0 {
        format!("PT{whole}S")
    } else {
        format!("PT{whole}.{:06}", rest).trim_end_matches('0').to_owned() + "S"
    }
}

/// As EXT-X-PROGRAM-DATE-TIME is written.
pub fn date(at: Option<crate::domain::Moment>) -> Option<String> {
    at.map(datetime::format)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackedAvail {
    pub avail_id: String,
    pub avail_program_date_time: Option<String>,
    #[serde(flatten)]
    pub timing: Timing,
    pub ads: Vec<TrackedAd>,
    pub ad_break_tracking_events: [(); 0],
    pub meta: Option<()>,
    pub non_linear_ads_list: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackedAd {
    pub ad_id: String,
    pub ad_parameters: String,
    pub ad_program_date_time: Option<String>,
    pub ad_system: String,
    pub ad_title: String,
    pub ad_verifications: Vec<Verification>,
    pub companion_ads: Vec<CompanionAd>,
    pub creative_id: String,
    pub creative_sequence: String,
    #[serde(flatten)]
    pub timing: Timing,
    pub extensions: [(); 0],
    pub icons: Vec<AdIcon>,
    pub media_files: MediaFiles,
    pub skip_offset: Option<String>,
    pub tracking_events: Vec<TrackingEvent>,
    pub vast_ad_id: String,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct MediaFiles {
    pub media_files_list: [(); 0],
    pub mezzanine: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackingEvent {
    pub beacon_urls: Vec<String>,
    pub event_id: String,
    pub event_program_date_time: Option<String>,
    pub event_type: String,
    #[serde(flatten)]
    pub timing: Timing,
}

/// An event without a time of its own.
#[derive(Serialize)]
pub struct NamedUrl {
    pub event: String,
    pub uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    pub vendor: String,
    pub executable_resource: Vec<ExecutableResource>,
    pub java_script_resource: Vec<JavaScriptResource>,
    pub tracking_events: Vec<NamedUrl>,
    pub verification_parameters: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutableResource {
    pub api_framework: String,
    pub r#type: String,
    pub uri: String,
    pub language: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JavaScriptResource {
    pub api_framework: String,
    pub browser_optional: String,
    pub uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompanionAd {
    pub ad_parameters: String,
    pub alt_text: String,
    pub attributes: CompanionAttributes,
    pub companion_click_through: String,
    pub companion_click_tracking: String,
    pub html_resource: String,
    pub i_frame_resource: String,
    pub sequence: &'static str,
    pub static_resource: String,
    pub tracking_events: Vec<NamedUrl>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompanionAttributes {
    pub ad_slot_id: String,
    pub api_framework: String,
    pub asset_height: String,
    pub asset_width: String,
    pub expanded_height: String,
    pub expanded_width: String,
    pub height: String,
    pub id: String,
    pub pxratio: String,
    pub rendering_mode: &'static str,
    pub width: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdIcon {
    pub attributes: IconAttributes,
    pub html_resource: String,
    pub i_frame_resource: String,
    pub static_resource: String,
    pub icon_clicks: IconClicks,
    pub icon_view_tracking: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IconAttributes {
    pub api_framework: String,
    pub duration: String,
    pub height: String,
    pub offset: String,
    pub program: String,
    pub pxratio: String,
    pub width: String,
    pub x_position: String,
    pub y_position: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IconClicks {
    pub icon_click_through: String,
    pub icon_click_tracking: Vec<String>,
}

pub fn seconds(span: Option<Span>) -> String {
    span.map(iso).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_the_standard_wants_them() {
        for (micros, text) in [(0, "PT0S"), (15_000_000, "PT15S"), (9_531_000, "PT9.531S"), (1, "PT0.000001S")] {
            assert_eq!(iso(Span(micros)), text);
        }
    }
}
