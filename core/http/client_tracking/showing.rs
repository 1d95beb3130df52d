//! One break as its player is to see it: which addresses for which event, by who counts.

use super::schema::{
    AdIcon, CompanionAd, CompanionAttributes, ExecutableResource, IconAttributes, IconClicks, JavaScriptResource,
    NamedUrl, Timing, TrackedAd, TrackedAvail, TrackingEvent, Verification, When, date, seconds,
};
use crate::{
    demand::{Filler, Tracking},
    domain::{Beaconing, EventType, Moment, Span},
    http::ads::Links,
    media::vast::{self, IconPosition, RenderingMode, Resource},
    registry::TenantRuntime,
    session::{Session, ShownBreak, ShownInBreak},
    tracking::{Audience, MAX_SESSION_NAME, Showing},
};

/// What a player tells of an ad as it plays, as such players call it, and after how many quarters.
const TIMED: [(EventType, &str, i64); 6] = [
    (EventType::Impression, "impression", 0),
    (EventType::Start, "start", 0),
    (EventType::FirstQuartile, "firstQuartile", 1),
    (EventType::Midpoint, "midpoint", 2),
    (EventType::ThirdQuartile, "thirdQuartile", 3),
    (EventType::Complete, "complete", 4),
];

/// Who is to be told of an event by the player.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    us: bool,
    server: bool,
}

fn told(counts: Beaconing, event: EventType) -> Told {
    match (counts, event) {
        (Beaconing::Client, _) => Told { us: true, server: true },
        // A click or an error only the player knows of; whoever we tell is told by us.
        (_, EventType::Click | EventType::Error) => Told { us: true, server: false },
        (Beaconing::Stitch, event) => Told { us: event != EventType::Impression, server: false },
        (Beaconing::Segment, _) => Told { us: false, server: false },
    }
}

pub fn avail(
    shown: &ShownBreak,
    session: &Session,
    tenant: &TenantRuntime,
    links: &Links,
    now: Moment,
) -> TrackedAvail {
    let ads: Vec<TrackedAd> = shown.ads.iter().map(|ad| of_ad(shown, ad, session, tenant, links, now)).collect();
    let first = shown.ads.first().map_or(Span::ZERO, |ad| ad.offset);
    let end = shown.ads.last().map_or(Span::ZERO, |ad| ad.offset + ad.duration);
    TrackedAvail {
        avail_id: shown.avail.id.to_string(),
        avail_program_date_time: date(shown.date.map(|date| date + first)),
        timing: Timing::from(When { start: shown.start + first, duration: end - first }),
        ads,
        ad_break_tracking_events: [],
        meta: None,
        non_linear_ads_list: [],
    }
}

fn of_ad(
    shown: &ShownBreak,
    ad: &ShownInBreak,
    session: &Session,
    tenant: &TenantRuntime,
    links: &Links,
    now: Moment,
) -> TrackedAd {
    let id = format!("{}-{}", shown.avail.id, ad.position);
    let own = tenant.ad(ad.ad.as_str());
    let server = ad.tracking();
    let mut filler = ad.filler(now);
    let mut writer = Events {
        id: &id,
        start: shown.start + ad.offset,
        date: shown.date.map(|date| date + ad.offset),
        duration: ad.duration,
        session,
        links,
        showing: showing(shown, ad, session),
        server,
        filler: filler.as_mut(),
        written: Vec::new(),
    };
    writer.timed();
    writer.clicks(own.and_then(|ad| ad.click_through_url.as_deref()));
    writer.errors();
    writer.only_players();
    let tracking_events = writer.written;
    let universal = server.and_then(|server| server.universal_ids.first());
    let mut extras = Extras { filler: filler.as_mut() };
    TrackedAd {
        ad_program_date_time: date(shown.date.map(|date| date + ad.offset)),
        ad_parameters: String::new(),
        ad_system: server.map_or_else(|| "Cuetone".to_owned(), |server| server.system.clone()),
        ad_title: match (server, own) {
            (Some(server), _) => server.title.clone(),
            (None, Some(own)) => own.name.clone(),
            (None, None) => ad.ad.to_string(),
        },
        ad_verifications: server.map(|server| extras.verifications(server)).unwrap_or_default(),
        companion_ads: server.map(|server| extras.companions(server)).unwrap_or_default(),
        icons: server.map(|server| extras.icons(server)).unwrap_or_default(),
        creative_id: universal.map_or_else(|| ad.ad.to_string(), |id| id.value.clone()),
        creative_sequence: (u32::from(ad.position) + 1).to_string(),
        timing: Timing::from(When { start: shown.start + ad.offset, duration: ad.duration }),
        extensions: [],
        media_files: Default::default(),
        skip_offset: None,
        tracking_events,
        vast_ad_id: server.and_then(|server| server.ad_id.clone()).unwrap_or_default(),
        ad_id: id,
    }
}

/// The same showing as segments and stitching count: whoever tells of it, it counts once.
fn showing(shown: &ShownBreak, ad: &ShownInBreak, session: &Session) -> Showing {
    let number = session.token.number();
    let named = session.viewer_name().filter(|name| name.len() <= MAX_SESSION_NAME);
    Showing {
        channel: session.channel().clone(),
        audience: named.map_or(Audience::Anonymous(number), |name| Audience::Viewer(number, name.into())),
        avail: shown.avail.id.clone(),
        position: ad.position,
        ad: Some(ad.ad.clone()),
        geo: session.viewer.geo.clone(),
        device: session.viewer.device,
    }
}

struct Events<'a, 'f> {
    id: &'a str,
    start: Span,
    date: Option<Moment>,
    duration: Span,
    session: &'a Session,
    links: &'a Links,
    showing: Showing,
    server: Option<&'a Tracking>,
    filler: Option<&'a mut Filler<'f>>,
    written: Vec<TrackingEvent>,
}

impl Events<'_, '_> {
    fn timed(&mut self) {
        for (event, name, quarters) in TIMED {
            let told = told(self.session.beaconing, event);
            let mut urls = Vec::new();
            if told.us {
                urls.push(self.links.plain(&self.showing, event));
            }
            if told.server {
                urls.extend(self.of_server(event));
            }
            let length = if event == EventType::Impression { self.duration } else { Span::ZERO };
            self.write(name, Span(self.duration.as_micros() / 4 * quarters), length, urls);
        }
    }

    /// The way to the advertiser leads by us, who count it.
    fn clicks(&mut self, own: Option<&str>) {
        let of_server = self.server.and_then(|server| server.click_through.as_deref());
        let filled = of_server.and_then(|template| self.filler.as_mut()?.url(template, EventType::Click));
        if let Some(to) = filled.as_deref().or(own) {
            let url = self.links.click(&self.showing, to);
            self.write("clickThrough", Span::ZERO, self.duration, vec![url]);
        }
        if told(self.session.beaconing, EventType::Click).server {
            let urls = self.of_server(EventType::Click);
            self.write("clickTracking", Span::ZERO, self.duration, urls);
        }
    }

    fn errors(&mut self) {
        let mut urls = vec![self.links.plain(&self.showing, EventType::Error)];
        if told(self.session.beaconing, EventType::Error).server {
            urls.extend(self.of_server(EventType::Error));
        }
        self.write("error", Span::ZERO, self.duration, urls);
    }

    /// What no server sees.
    fn only_players(&mut self) {
        let Some(server) = self.server else { return };
        let counted = |event: &vast::TrackingEvent| {
            use vast::TrackingEvent as E;
            matches!(
                event,
                E::Loaded
                    | E::CreativeView
                    | E::Start
                    | E::FirstQuartile
                    | E::Midpoint
                    | E::ThirdQuartile
                    | E::Complete
            )
        };
        for tracking in server.events.iter().filter(|tracking| !counted(&tracking.event)) {
            let offset = match tracking.event {
                vast::TrackingEvent::Progress(offset) => offset.within(self.duration),
                _ => Span::ZERO,
            };
            let length = if offset == Span::ZERO { self.duration } else { Span::ZERO };
            let urls = self.filled([tracking.url.as_str()], EventType::Start);
            self.write(tracking.event.as_str(), offset, length, urls);
        }
    }

    fn of_server(&mut self, event: EventType) -> Vec<String> {
        let Some(server) = self.server else { return Vec::new() };
        self.filled(server.urls(event), event)
    }

    fn filled<'u>(&mut self, templates: impl IntoIterator<Item = &'u str>, event: EventType) -> Vec<String> {
        let Some(filler) = self.filler.as_mut() else { return Vec::new() };
        templates.into_iter().filter_map(|template| filler.url(template, event)).collect()
    }

    fn write(&mut self, name: &str, offset: Span, duration: Span, beacon_urls: Vec<String>) {
        if beacon_urls.is_empty() {
            return;
        }
        self.written.push(TrackingEvent {
            beacon_urls,
            event_id: self.id.to_owned(),
            event_program_date_time: date(self.date.map(|date| date + offset)),
            event_type: name.to_owned(),
            timing: Timing::from(When { start: self.start + offset, duration }),
        });
    }
}

/// What came along with an ad, for players that show or run it.
struct Extras<'a, 'f> {
    filler: Option<&'a mut Filler<'f>>,
}

impl Extras<'_, '_> {
    fn url(&mut self, template: &str) -> String {
        let filled = self.filler.as_mut().and_then(|filler| filler.url(template, EventType::Impression));
        filled.unwrap_or_default()
    }

    fn maybe(&mut self, template: Option<&str>) -> String {
        template.map(|template| self.url(template)).unwrap_or_default()
    }

    fn named(&mut self, tracking: &[vast::Tracking]) -> Vec<NamedUrl> {
        let named = |one: &vast::Tracking| NamedUrl { event: one.event.as_str().to_owned(), uri: self.url(&one.url) };
        tracking.iter().map(named).collect()
    }

    fn verifications(&mut self, server: &Tracking) -> Vec<Verification> {
        let of = |one: &vast::Verification| Verification {
            vendor: one.vendor.clone().unwrap_or_default(),
            executable_resource: one
                .executables
                .iter()
                .map(|resource| ExecutableResource {
                    api_framework: resource.api_framework.clone().unwrap_or_default(),
                    r#type: resource.mime.clone().unwrap_or_default(),
                    uri: resource.url.clone(),
                    language: "",
                })
                .collect(),
            java_script_resource: one
                .javascript
                .iter()
                .map(|resource| JavaScriptResource {
                    api_framework: resource.api_framework.clone().unwrap_or_default(),
                    browser_optional: resource.browser_optional.map(|flag| flag.to_string()).unwrap_or_default(),
                    uri: resource.url.clone(),
                })
                .collect(),
            tracking_events: self.named(&one.tracking),
            verification_parameters: one.parameters.clone().unwrap_or_default(),
        };
        server.verifications.iter().map(of).collect()
    }

    fn companions(&mut self, server: &Tracking) -> Vec<CompanionAd> {
        server.companions.iter().map(|one| self.companion(one)).collect()
    }

    fn companion(&mut self, one: &vast::Companion) -> CompanionAd {
        let (html, frame, picture) = resources(&one.resources);
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        CompanionAd {
            ad_parameters: one.ad_parameters.as_ref().map(|given| given.text.clone()).unwrap_or_default(),
            alt_text: text(&one.alt_text),
            attributes: CompanionAttributes {
                ad_slot_id: text(&one.ad_slot_id),
                api_framework: text(&one.api_framework),
                asset_height: number(one.asset_height),
                asset_width: number(one.asset_width),
                expanded_height: number(one.expanded_height),
                expanded_width: number(one.expanded_width),
                height: one.height.to_string(),
                id: text(&one.id),
                pxratio: text(&one.pixel_ratio),
                rendering_mode: match one.rendering_mode {
                    Some(RenderingMode::Default) => "default",
                    Some(RenderingMode::EndCard) => "end-card",
                    Some(RenderingMode::Concurrent) => "concurrent",
                    None => "",
                },
                width: one.width.to_string(),
            },
            companion_click_through: self.maybe(one.click_through.as_deref()),
            companion_click_tracking: self.maybe(one.click_tracking.first().map(|beacon| beacon.url.as_str())),
            html_resource: html,
            i_frame_resource: frame,
            sequence: "",
            static_resource: picture,
            tracking_events: self.named(&one.tracking),
        }
    }

    fn icons(&mut self, server: &Tracking) -> Vec<AdIcon> {
        let mut icons = Vec::with_capacity(server.icons.len());
        for one in &server.icons {
            let (html_resource, i_frame_resource, static_resource) = resources(&one.resources);
            let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
            let place = |place: Option<IconPosition>, near: &str, far: &str| match place {
                Some(IconPosition::Pixels(pixels)) => pixels.to_string(),
                Some(IconPosition::Near) => near.to_owned(),
                Some(IconPosition::Far) => far.to_owned(),
                None => String::new(),
            };
            icons.push(AdIcon {
                attributes: IconAttributes {
                    api_framework: one.api_framework.clone().unwrap_or_default(),
                    duration: seconds(one.duration),
                    height: number(one.height),
                    offset: seconds(one.offset),
                    program: one.program.clone().unwrap_or_default(),
                    pxratio: one.pixel_ratio.clone().unwrap_or_default(),
                    width: number(one.width),
                    x_position: place(one.x, "left", "right"),
                    y_position: place(one.y, "top", "bottom"),
                },
                html_resource,
                i_frame_resource,
                static_resource,
                icon_clicks: IconClicks {
                    icon_click_through: self.maybe(one.click_through.as_deref()),
                    icon_click_tracking: one.click_tracking.iter().map(|beacon| self.url(&beacon.url)).collect(),
                },
                icon_view_tracking: one.view_tracking.iter().map(|url| self.url(url)).collect(),
            });
        }
        icons
    }
}

/// The first of each kind: HTML, page in a frame, picture.
fn resources(all: &[Resource]) -> (String, String, String) {
    let mut found = (String::new(), String::new(), String::new());
    for resource in all {
        let (place, text) = match resource {
            Resource::Html(text) => (&mut found.0, text),
            Resource::IFrame(url) => (&mut found.1, url),
            Resource::Static { url, .. } => (&mut found.2, url),
        };
        if place.is_empty() {
            place.clone_from(text);
        }
    }
    found
}
