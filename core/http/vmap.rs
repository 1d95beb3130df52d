//! `GET /vmap/{tenant}/{channel}`: the breaks of a content as VMAP 1.0.1, for players that are told all of them at once.
//!
//! | parameter | |
//! |---|---|
//! | `duration` | the content's length in seconds; without it the mid-rolls go on for ever |
//! | `inline` | `true`: the ads stand in the document; else each break has an address of [`super::vast`] |
//! | `session_id`, `version`, others | as with [`super::vast`] |
//!
//! A pre-roll where the channel has one, mid-rolls every `ad_break_interval_seconds`, and a post-roll. All breaks of one
//! document belong to one session, named by the caller or made up: caps count within it.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{Method, request::Parts},
    response::Response,
};
use url::form_urlencoded;

use super::{
    Player,
    ads::{Break, Links},
    error::Problem,
    tenant_route,
    vast::{channel, document, query::Query, usual_length, xml},
};
use crate::{
    domain::{AdType, AvailId, Channel, Position, Span, Viewer},
    media::{
        vast::{Offset, Version},
        vmap::{self, AdBreak, AdData, AdSource, TimeOffset, Vmap},
    },
    registry::{ChannelRuntime, TenantRuntime},
    tracking::Audience,
};

/// Longest content: a day. With the shortest intervals it still has too many breaks, which the next limit cuts.
const MAX_CONTENT_SECONDS: f64 = 86_400.0;

/// Breaks of one document: a day of one every ten minutes.
const MAX_BREAKS: i64 = 144;

/// Breaks that are decided for one document. Each is a decision that other viewers of the tenant wait for.
const MAX_INLINE_BREAKS: i64 = 16;

/// Places where a break may be, with what it is called in the document.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    name: String,
    offset: TimeOffset,
    position: Position,
    repeat_after: Option<Span>,
}

pub async fn handle(
    State(player): State<Arc<Player>>,
    Path((tenant, channel)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    match tenant_route::enter(&player, &tenant, &parts) {
        Ok(tenant) => tenant_route::leave(&tenant, &parts, answer(&player, &tenant, &channel, &parts).await),
        Err(answer) => *answer,
    }
}

/// What all breaks of a document share.
struct Content<'a> {
    player: &'a Player,
    tenant: &'a Arc<TenantRuntime>,
    channel: Arc<ChannelRuntime>,
    viewer: Viewer,
    /// The caller's name of the session, or one of ours that lasts as long as the document.
    session: Box<str>,
    /// Keeps the names of breaks of two documents apart.
    number: u64,
    version: Version,
}

async fn answer(player: &Player, tenant: &Arc<TenantRuntime>, name: &str, parts: &Parts) -> Result<Response, Problem> {
    let channel = channel(tenant, name)?;
    let mut query = Query::read(player, parts)?;
    let length = query.take("duration", |text| {
        let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0 && *seconds <= MAX_CONTENT_SECONDS);
        seconds
            .map(Span::from_secs_f64)
            .ok_or_else(|| format!("expected seconds, above 0 and at most {MAX_CONTENT_SECONDS}"))
    });
    let inline = query.take("inline", |text| text.parse().map_err(|_| "expected true or false".to_owned()));
    let inline = inline.unwrap_or(false);
    let version = query.version();
    if inline && length.is_none() {
        query.mistake("duration", "is required for ads in the document");
    }
    let (audience, viewer) = query.finish(player)?;
    if parts.method == Method::HEAD {
        // A look decides nothing.
        return Ok(xml(String::new()));
    }
    let number = (player.random)();
    let session = audience.given().map_or_else(|| format!("vmap-{number:016x}").into(), Into::into);
    let places = places(&channel.channel, length, if inline { MAX_INLINE_BREAKS } else { MAX_BREAKS });
    let content = Content { player, tenant, channel, viewer, session, number, version };
    let breaks = if inline {
        let links = Links::new(player, tenant, parts)?;
        let mut breaks = Vec::with_capacity(places.len());
        // One after the other: what a viewer is shown first counts for the caps of what comes later.
        for place in &places {
            breaks.push(content.inline(place, &links).await);
        }
        breaks
    } else {
        let base = player.base_url(parts)?;
        places.iter().map(|place| content.tagged(place, &base)).collect()
    };
    Ok(xml(vmap::write(&Vmap { breaks, extensions: Vec::new() }, version)))
}

impl Content<'_> {
    fn avail(&self, place: &Place) -> String {
        format!("vmap-{:016x}-{}", self.number, place.name)
    }

    /// A break whose ads are fetched when it comes.
    fn tagged(&self, place: &Place, base: &str) -> AdBreak {
        let mut query = form_urlencoded::Serializer::new(String::new());
        // The last of a name counts: ours.
        for (name, value) in &self.viewer.params {
            query.append_pair(name, value);
        }
        query.append_pair("channel", self.channel.channel.slug.as_str());
        query.append_pair("position", place.position.as_str());
        let length = usual_length(&self.channel.channel, place.position);
        query.append_pair("duration", &length.to_string());
        query.append_pair("version", self.version.as_str());
        query.append_pair("session_id", &self.session);
        // A break that comes again and again is another one each time.
        if place.repeat_after.is_none() {
            query.append_pair("avail", &self.avail(place));
        }
        let url = format!("{base}/vast/{}?{}", self.tenant.manifest.tenant.slug, query.finish());
        self.ad_break(place, AdData::TagUri { template: Some(template(self.version).to_owned()), url })
    }

    /// A break with its ads.
    async fn inline(&self, place: &Place, links: &Links) -> AdBreak {
        let asked = Break {
            tenant: self.tenant.clone(),
            channel: self.channel.clone(),
            viewer: Viewer { session_id: Some(self.session.clone()), ..self.viewer.clone() },
            audience: Audience::Named(self.session.clone()),
            avail: AvailId::new(self.avail(place)),
            position: place.position,
            duration: usual_length(&self.channel.channel, place.position),
            ad_type: AdType::Linear,
            at: None,
            explain: false,
        };
        let filled = asked.fill(self.player).await;
        self.ad_break(place, AdData::Vast(Box::new(document(&filled, links))))
    }

    fn ad_break(&self, place: &Place, data: AdData) -> AdBreak {
        let source = AdSource { id: Some(place.name.clone()), ..AdSource::new(data) };
        let id = Some(place.name.clone());
        AdBreak { id, repeat_after: place.repeat_after, ..AdBreak::linear(place.offset, source) }
    }
}

/// What the address answers (VMAP 1.0.1 section 2.3.2.3).
fn template(version: Version) -> &'static str {
    match version {
        Version::V2_0 => "vast2",
        Version::V3_0 => "vast3",
        Version::V4_0 | Version::V4_1 | Version::V4_2 | Version::V4_3 => "vast4",
    }
}

/// The breaks of content of this length, in order.
fn places(channel: &Channel, length: Option<Span>, most: i64) -> Vec<Place> {
    let place = |name: String, offset, position| Place { name, offset, position, repeat_after: None };
    let pre = channel.pre_roll.as_ref().map(|_| place("pre".to_owned(), TimeOffset::Start, Position::PreRoll));
    let every = channel.ad_break_interval;
    let mut places: Vec<Place> = pre.into_iter().collect();
    match length {
        _ if !every.is_positive() => {}
        Some(length) => {
            let room = most - 1 - i64::from(channel.pre_roll.is_some());
            // At the very end there is the post-roll.
            let mids = (1..=room).map(|number| (number, every * number)).take_while(|(_, at)| *at < length);
            places.extend(mids.map(|(number, at)| {
                place(format!("mid-{number}"), TimeOffset::At(Offset::Time(at)), Position::MidRoll)
            }));
        }
        None => {
            let first = place("mid".to_owned(), TimeOffset::At(Offset::Time(every)), Position::MidRoll);
            places.push(Place { repeat_after: Some(every), ..first });
        }
    }
    places.push(place("post".to_owned(), TimeOffset::End, Position::PostRoll));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{self, BundleFiles};

    fn channel(settings: &str) -> Channel {
        let yaml = format!(
            "tenant: {{ slug: acme }}\nchannels: [ {{ slug: news, hls_manifest_url: \"https://cdn.example.com/m.m3u8\", {settings} }} ]\n"
        );
        let files = [("tenant.yaml".to_owned(), yaml.into())].into();
        bundle::parse(&BundleFiles { files }).expect("a bundle").channels.remove(0)
    }

    fn check(settings: &str, seconds: Option<i64>, expect: &[&str]) {
        let found = places(&channel(settings), seconds.map(Span::from_secs), MAX_BREAKS);
        let text = |place: &Place| {
            let repeat = place.repeat_after.map(|every| format!(" every {every}")).unwrap_or_default();
            format!("{}@{}{repeat}", place.name, place.offset)
        };
        assert_eq!(found.iter().map(text).collect::<Vec<_>>(), expect, "{settings} {seconds:?}");
    }

    #[test]
    fn mid_rolls_come_at_the_interval_until_the_content_ends() {
        let every = "ad_break_interval_seconds: 300";
        check(every, Some(1_000), &["mid-1@00:05:00", "mid-2@00:10:00", "mid-3@00:15:00", "post@end"]);
        check(every, Some(600), &["mid-1@00:05:00", "post@end"]);
        check(every, Some(60), &["post@end"]);
        check(every, None, &["mid@00:05:00 every 300", "post@end"]);
        let with_pre_roll = "ad_break_interval_seconds: 300, pre_roll: { max_duration_seconds: 15 }";
        check(with_pre_roll, Some(301), &["pre@start", "mid-1@00:05:00", "post@end"]);
    }

    #[test]
    fn a_document_is_never_longer_than_its_limit() {
        let channel = channel(
            "ad_break_interval_seconds: 30, ad_break_duration_seconds: 20, pre_roll: { max_duration_seconds: 15 }",
        );
        for most in [3, 16, 144] {
            let found = places(&channel, Some(Span::from_secs(86_400)), most);
            assert_eq!(i64::try_from(found.len()), Ok(most));
            assert_eq!(found.last().map(|place| place.position), Some(Position::PostRoll));
        }
    }
}
