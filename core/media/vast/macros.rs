//! Macros in URLs: `[CACHEBUSTING]` and the like (VAST 4.2, chapter 6), and those that server-side inserters have in the
//! addresses of ad servers, such as `[session.avail_duration_secs]`.
//!
//! Values are percent-encoded, wherever in a URL they stand. A macro of VAST of which nothing is known becomes `-1`, and one
//! that may not be told for the viewer's privacy `-2` (6.1). One in small letters that is not known becomes nothing: no
//! server further on could fill it. Other brackets stay, as they are somebody else's. Brackets may be percent-encoded.
//!
//! Nothing here knows the time or makes random numbers: they come in, so that the same inputs give the same URL.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use super::{AdType, ErrorCode, UniversalAdId};
use crate::{
    domain::{Moment, Position, Span},
    media::datetime,
};

/// Stands for what is not known.
pub const UNKNOWN: &str = "-1";
/// Stands for what is known and not told.
pub const WITHHELD: &str = "-2";

/// Macros of VAST 4.0 to 4.3 and of the macro list that the IAB keeps since, with VMAP's two. `true` marks lists, whose
/// commas are not encoded.
const STANDARD: [(&str, bool); 62] = [
    ("ADCATEGORIES", true),
    ("ADCOUNT", false),
    ("ADPLAYHEAD", false),
    ("ADSERVINGID", false),
    ("ADTYPE", false),
    ("APIFRAMEWORKS", true),
    ("APPBUNDLE", false),
    ("ASSETURI", false),
    ("BLOCKEDADCATEGORIES", true),
    ("BREAKMAXADLENGTH", false),
    ("BREAKMAXADS", false),
    ("BREAKMAXDURATION", false),
    ("BREAKMINADLENGTH", false),
    ("BREAKPOSITION", false),
    ("CACHEBUSTING", false),
    ("CLICKPOS", true),
    ("CLICKTYPE", false),
    ("CLIENTUA", false),
    ("CONTENTCAT", true),
    ("CONTENTID", false),
    ("CONTENTPLAYHEAD", false),
    ("CONTENTURI", false),
    ("DEVICEIP", false),
    ("DEVICEUA", false),
    ("DOMAIN", false),
    ("DSAPARAMS", true),
    ("DSAPUBRENDER", false),
    ("DSAREQUIRED", false),
    ("ERRORCODE", false),
    ("ERROR_CODE", false),
    ("ERROR_MESSAGE", false),
    ("EXTENSIONS", true),
    ("GDPRCONSENT", false),
    ("GPPSECTIONID", true),
    ("GPPSTRING", false),
    ("IFA", false),
    ("IFATYPE", false),
    ("INVENTORYSTATE", true),
    ("LATLONG", true),
    ("LIMITADTRACKING", false),
    ("MEDIAMIME", true),
    ("MEDIAPLAYHEAD", false),
    ("OMIDPARTNER", false),
    ("PAGEURL", false),
    ("PLACEMENTTYPE", false),
    ("PLAYBACKMETHODS", true),
    ("PLAYERCAPABILITIES", true),
    ("PLAYERSIZE", true),
    ("PLAYERSTATE", true),
    ("PODSEQUENCE", false),
    ("REASON", false),
    ("REGULATIONS", true),
    ("SERVERSIDE", false),
    ("SERVERUA", false),
    ("STOREID", false),
    ("STOREURL", false),
    ("TIMESTAMP", false),
    ("TRANSACTIONID", false),
    ("UNIVERSALADID", true),
    ("USPRIVACY", false),
    ("VASTVERSIONS", true),
    ("VERIFICATIONVENDORS", true),
];

/// Families of macros in small letters.
const FAMILIES: [&str; 4] = ["session", "avail", "scte", "player_params"];

/// VAST versions that [`super::parse`] reads, with wrappers, as AdCOM's "creative subtypes" number them.
const VAST_VERSIONS: &str = "2,3,5,6,7,8,11,12,13,14,15,16";

/// Longest name looked for: more is no macro.
const MAX_NAME: usize = 64;

/// Something that a macro may stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fact<T> {
    #[default]
    Unknown,
    /// Known, and not to be told.
    Withheld,
    Is(T),
}

impl<T> From<Option<T>> for Fact<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Self::Is)
    }
}

/// On whose behalf a URL is fetched (6.1, `[SERVERSIDE]`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ServerSide {
    /// By the player itself.
    Client = 0,
    /// By a server, because the player asked for it.
    #[default]
    ForClient = 1,
    /// By a server on its own decision.
    OwnDecision = 2,
}

/// What macros stand for. Fill in what is known; the rest has defaults.
#[derive(Clone, Debug, Default)]
pub struct MacroValues<'a> {
    pub now: Moment,
    /// A new random number for each URL.
    pub random: u64,

    // The failure, in error URLs.
    pub error: Option<ErrorCode>,
    /// Why a verification did not run: 1 rejected, 2 unsupported, 3 not loaded.
    pub reason: Option<u8>,

    // The break.
    pub position: Option<Position>,
    /// Also `[session.avail_duration_secs]` and `[session.avail_duration_ms]`.
    pub break_duration: Option<Span>,
    pub break_max_ads: Option<u32>,
    pub min_ad_duration: Option<Span>,
    pub max_ad_duration: Option<Span>,
    /// In requests, ads wanted; in beacons, ads played so far with this one.
    pub ad_count: Option<u32>,
    /// Counts the breaks of a session from 0: `[avail.index]`.
    pub avail_index: Option<u32>,
    /// What the break's marker said: `[scte.event_id]` is `event_id`, and `[avail.…]` finds its names here too.
    pub avail_metadata: Option<&'a BTreeMap<String, String>>,
    pub blocked_categories: &'a [String],
    /// Wanted ones in requests; the ad's own in beacons.
    pub ad_categories: &'a [String],
    /// Subtype of placement in AdCOM; 1 is in-stream.
    pub placement: Option<u8>,
    /// A UUID that all requests for one break share.
    pub transaction_id: Option<&'a str>,

    // The ad.
    pub ad_type: Option<AdType>,
    pub pod_sequence: Option<u32>,
    pub universal_ids: &'a [UniversalAdId],
    pub ad_serving_id: Option<&'a str>,
    pub asset_uri: Option<&'a str>,
    pub ad_playhead: Option<Span>,

    // The content and the page or app around it.
    /// Since the content's beginning: `[MEDIAPLAYHEAD]`, and `[CONTENTPLAYHEAD]` as it was called before 4.1.
    pub media_playhead: Option<Span>,
    pub content_id: Option<&'a str>,
    pub content_uri: Option<&'a str>,
    pub domain: Fact<&'a str>,
    pub page_url: Fact<&'a str>,
    pub app_bundle: Fact<&'a str>,

    // The viewer.
    pub device_ip: Fact<IpAddr>,
    pub device_ua: Fact<&'a str>,
    pub ifa: Fact<&'a str>,
    pub ifa_type: Fact<&'a str>,
    pub limit_ad_tracking: Option<bool>,
    /// `gdpr`, `coppa` …
    pub regulations: &'a [String],
    pub gdpr_consent: Fact<&'a str>,
    pub session_id: Option<&'a str>,
    /// Parameters that the player sent: `[player_params.x]` is `x`.
    pub player_params: Option<&'a BTreeMap<String, String>>,

    // The player, and the server in its place.
    /// Width and height in pixels.
    pub player_size: Option<(u32, u32)>,
    /// MIME types that can be played.
    pub media_mimes: &'a [String],
    /// 0 not clickable, 1 all of the picture, 2 a button, 3 with a question.
    pub click_type: Option<u8>,
    pub server_side: ServerSide,
    pub server_ua: Option<&'a str>,

    /// Values of any other macros by their names, without brackets. They win over those above.
    pub others: Option<&'a BTreeMap<String, String>>,
}

/// The URL with its macros filled in.
pub fn expand(url: &str, values: &MacroValues<'_>) -> String {
    expand_with(url, |name| values.value(name))
}

/// The same with values from anywhere: `value` is given a name without brackets, and answers plain text.
pub fn expand_with<'v>(url: &str, value: impl Fn(&str) -> Option<Cow<'v, str>>) -> String {
    let mut out = String::with_capacity(url.len() + 32);
    let mut rest = url;
    while let Some((before, name, after)) = next_macro(rest) {
        let (copied, bracketed) = rest.split_at(before);
        out.push_str(copied);
        let standard = STANDARD.iter().find(|(known, _)| *known == name);
        let known = value(name);
        let of_family = name.split_once('.').is_some_and(|(family, _)| FAMILIES.contains(&family));
        match (known, standard) {
            (Some(text), _) => encode(&mut out, &text, standard.is_some_and(|(_, is_list)| *is_list)),
            (None, Some(_)) => out.push_str(UNKNOWN),
            (None, None) if of_family => {}
            (None, None) => out.push_str(bracketed.strip_suffix(after).unwrap_or_default()),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The next text in brackets that could be a macro: where it begins, its name, and what follows.
fn next_macro(text: &str) -> Option<(usize, &str, &str)> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let open = at + rest.find(['[', '%'])?;
        let Some(inside) = bracket(text.get(open..)?, "[", "%5b") else {
            at = open + 1;
            continue;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let length = inside.find(|c| !is_name(c)).unwrap_or(inside.len());
        let (name, close) = inside.split_at(length);
        match bracket(close, "]", "%5d") {
            Some(after) if !name.is_empty() && length <= MAX_NAME => return Some((open, name, after)),
            _ => at = open + 1,
        }
    }
}

/// What follows a bracket, plain or encoded.
fn bracket<'t>(text: &'t str, plain: &str, encoded: &str) -> Option<&'t str> {
    let is_encoded = |head: &&str| head.eq_ignore_ascii_case(encoded);
    text.strip_prefix(plain).or_else(|| {
        text.get(..encoded.len()).filter(is_encoded)?;
        text.get(encoded.len()..)
    })
}

/// RFC 3986: all but the unreserved characters.
fn encode(out: &mut String, text: &str, is_list: bool) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (is_list && byte == b',') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

impl<'a> MacroValues<'a> {
    fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        if let Some(value) = self.others.and_then(|others| others.get(name)) {
            return Some(value.as_str().into());
        }
        match name.split_once('.') {
            Some((family, name)) => self.of_family(family, name),
            None => self.standard(name),
        }
    }

    fn of_family(&self, family: &str, name: &str) -> Option<Cow<'a, str>> {
        let metadata =
            || self.avail_metadata.and_then(|metadata| metadata.get(name)).map(|value| value.as_str().into());
        let told = |fact: Fact<&'a str>| if let Fact::Is(value) = fact { Some(value.into()) } else { None };
        match (family, name) {
            ("player_params", name) => self.player_params?.get(name).map(|value| value.as_str().into()),
            ("session", "avail_duration_secs") => self.break_duration.map(seconds),
            ("session", "avail_duration_ms") => self.break_duration.map(|span| span.as_millis().to_string().into()),
            ("session", "id" | "uuid") => self.session_id.map(Cow::from),
            ("session", "user_agent") => told(self.device_ua),
            ("session", "referer") => told(self.page_url),
            ("session", "client_ip") => match self.device_ip {
                Fact::Is(address) => Some(address.to_string().into()),
                _ => None,
            },
            ("avail", "index") => self.avail_index.map(number),
            ("avail", "random") => Some(number(self.random % 10_000_000_000)),
            ("avail" | "scte", _) => metadata(),
            _ => None,
        }
    }

    fn standard(&self, name: &str) -> Option<Cow<'a, str>> {
        match name {
            // Eight digits, the first not zero.
            "CACHEBUSTING" => Some(number(10_000_000 + self.random % 90_000_000)),
            "TIMESTAMP" => Some(datetime::format(self.now).into()),

            "ERRORCODE" | "ERROR_CODE" => self.error.map(|code| number(code.number())),
            "ERROR_MESSAGE" => self.error.map(|code| code.meaning().into()),
            "REASON" => self.reason.map(number),

            "BREAKPOSITION" => self.position.map(|position| match position {
                Position::PreRoll => "1".into(),
                Position::MidRoll => "2".into(),
                Position::PostRoll => "3".into(),
            }),
            "BREAKMAXDURATION" => self.break_duration.map(seconds),
            "BREAKMAXADS" => self.break_max_ads.map(number),
            "BREAKMINADLENGTH" => self.min_ad_duration.map(seconds),
            "BREAKMAXADLENGTH" => self.max_ad_duration.map(seconds),
            "ADCOUNT" => self.ad_count.map(number),
            "BLOCKEDADCATEGORIES" => list(self.blocked_categories),
            "ADCATEGORIES" => list(self.ad_categories),
            "PLACEMENTTYPE" => self.placement.map(number),
            "TRANSACTIONID" => self.transaction_id.map(Cow::from),

            "ADTYPE" => self.ad_type.map(|kind| match kind {
                AdType::Video => "video".into(),
                AdType::Audio => "audio".into(),
                AdType::Hybrid => "hybrid".into(),
            }),
            "PODSEQUENCE" => self.pod_sequence.map(number),
            "UNIVERSALADID" => {
                let ids = self.universal_ids.iter().map(|id| format!("{} {}", id.registry, id.value));
                list(&ids.collect::<Vec<_>>())
            }
            "ADSERVINGID" => self.ad_serving_id.map(Cow::from),
            "ASSETURI" => self.asset_uri.map(Cow::from),
            "ADPLAYHEAD" => self.ad_playhead.map(playhead),

            "MEDIAPLAYHEAD" | "CONTENTPLAYHEAD" => self.media_playhead.map(playhead),
            "CONTENTID" => self.content_id.map(Cow::from),
            "CONTENTURI" => self.content_uri.map(Cow::from),
            "DOMAIN" => told(self.domain, Cow::from),
            "PAGEURL" => told(self.page_url, Cow::from),
            "APPBUNDLE" => told(self.app_bundle, Cow::from),

            "DEVICEIP" => told(self.device_ip, |address| address.to_string().into()),
            "DEVICEUA" => told(self.device_ua, Cow::from),
            "IFA" => told(self.ifa, Cow::from),
            "IFATYPE" => told(self.ifa_type, Cow::from),
            "LIMITADTRACKING" => self.limit_ad_tracking.map(|limited| number(u8::from(limited))),
            "REGULATIONS" => list(self.regulations),
            "GDPRCONSENT" => told(self.gdpr_consent, Cow::from),

            "PLAYERSIZE" => self.player_size.map(|(width, height)| format!("{width},{height}").into()),
            "MEDIAMIME" => list(self.media_mimes),
            "CLICKTYPE" => self.click_type.map(number),
            "VASTVERSIONS" => Some(VAST_VERSIONS.into()),
            "SERVERSIDE" => Some(number(self.server_side as u8)),
            "SERVERUA" => self.server_ua.map(Cow::from),
            _ => None,
        }
    }
}

fn told<'a, T>(fact: Fact<T>, text: impl FnOnce(T) -> Cow<'a, str>) -> Option<Cow<'a, str>> {
    match fact {
        Fact::Unknown => None,
        Fact::Withheld => Some(WITHHELD.into()),
        Fact::Is(value) => Some(text(value)),
    }
}

fn number<'a>(number: impl ToString) -> Cow<'a, str> {
    number.to_string().into()
}

fn seconds<'a>(span: Span) -> Cow<'a, str> {
    number(span.rounded_secs())
}

/// Items with commas between them, so an item has none.
fn list<'a>(items: &[String]) -> Option<Cow<'a, str>> {
    let items: Vec<String> = items.iter().map(|item| item.replace(',', " ")).collect();
    (!items.is_empty()).then(|| items.join(",").into())
}

/// `HH:MM:SS.mmm`.
fn playhead<'a>(span: Span) -> Cow<'a, str> {
    let millis = span.as_millis().max(0);
    let seconds = millis / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", millis % 1_000).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn known_values_are_encoded_wherever_they_stand() {
        let ids = [UniversalAdId { registry: "ad-id.org".into(), value: "CNPA0484000H".into() }];
        let categories = ["IAB1-6".to_owned(), "IAB1-7".to_owned()];
        let values = MacroValues {
            now: Moment::from_millis(1_453_036_507_127),
            random: 7,
            error: Some(ErrorCode::NoAdAfterWrapper),
            position: Some(Position::MidRoll),
            break_duration: Some(Span::from_millis(119_500)),
            ad_playhead: Some(Span::from_millis(11_355)),
            universal_ids: &ids,
            ad_categories: &categories,
            asset_uri: Some("https://cdn.example/a b.mp4?x=1&y=[Z]"),
            device_ip: Fact::Is("2001:db8::1".parse().expect("an address")),
            limit_ad_tracking: Some(true),
            player_size: Some((640, 360)),
            ..MacroValues::default()
        };
        for (name, expect) in [
            ("TIMESTAMP", "2016-01-17T13%3A15%3A07.127Z"),
            ("CACHEBUSTING", "10000007"),
            ("ERRORCODE", "303"),
            ("BREAKPOSITION", "2"),
            ("BREAKMAXDURATION", "120"),
            ("ADPLAYHEAD", "00%3A00%3A11.355"),
            ("UNIVERSALADID", "ad-id.org%20CNPA0484000H"),
            ("ADCATEGORIES", "IAB1-6,IAB1-7"),
            ("ASSETURI", "https%3A%2F%2Fcdn.example%2Fa%20b.mp4%3Fx%3D1%26y%3D%5BZ%5D"),
            ("DEVICEIP", "2001%3Adb8%3A%3A1"),
            ("LIMITADTRACKING", "1"),
            ("SERVERSIDE", "1"),
            ("PLAYERSIZE", "640,360"),
        ] {
            assert_eq!(expand(&format!("[{name}]"), &values), expect);
            assert_eq!(
                expand(&format!("https://x.example/{name}?a=%5b{name}%5D&b"), &values),
                format!("https://x.example/{name}?a={expect}&b")
            );
        }
    }

    #[test]
    fn what_is_not_known_and_what_is_not_told_differ() {
        let values = MacroValues { ifa: Fact::Withheld, ..MacroValues::default() };
        assert_eq!(expand("?a=[IFA]&b=[GDPRCONSENT]&c=[CLICKPOS]&d=[ERRORCODE]", &values), "?a=-2&b=-1&c=-1&d=-1");
    }

    #[test]
    fn brackets_that_are_no_macros_stay() {
        let values = MacroValues::default();
        for url in
            ["http://[::1]/", "?a[]=1", "?a[0]=1&b=[VENDOR_X]", "[", "]", "[[", "%5", "%5B", "?[a b]", "[cachebusting]"]
        {
            assert_eq!(expand(url, &values), url);
        }
        assert_eq!(expand("[[IFA]]", &values), "[-1]");
    }

    #[test]
    fn tags_are_filled_from_session_player_and_marker() {
        let params = map(&[("device", "Living room")]);
        let metadata = map(&[("event_id", "4711")]);
        let values = MacroValues {
            break_duration: Some(Span::from_secs(90)),
            session_id: Some("s-1"),
            player_params: Some(&params),
            avail_metadata: Some(&metadata),
            avail_index: Some(3),
            ..MacroValues::default()
        };
        let tag = "?d=[session.avail_duration_secs]&s=[session.id]&p=[player_params.device]&e=[scte.event_id]\
                   &i=[avail.index]&none=[player_params.none]&ip=[session.client_ip]&x=[other.thing]";
        let filled = "?d=90&s=s-1&p=Living%20room&e=4711&i=3&none=&ip=&x=[other.thing]";
        assert_eq!(expand(tag, &values), filled);
    }

    #[test]
    fn a_caller_s_own_values_win() {
        let others = map(&[("IFA", "x"), ("VENDOR", "a,b")]);
        let values = MacroValues { others: Some(&others), ifa: Fact::Withheld, ..MacroValues::default() };
        assert_eq!(expand("[IFA] [VENDOR]", &values), "x a%2Cb");
    }

    #[test]
    fn the_list_of_macros_is_in_order_and_names_each_once() {
        assert!(STANDARD.is_sorted_by(|a, b| a.0 < b.0));
    }

    proptest! {
        #[test]
        fn values_cannot_break_out_of_their_place(text in "[\\[%\\]5BbDA-F&?/ a]{0,40}", value in "\\PC{0,20}") {
            let others = map(&[("A", &value)]);
            let values = MacroValues { others: Some(&others), ..MacroValues::default() };
            let out = expand(&format!("x[A]{text}"), &values);
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let encoded = encoded.replace('+', "%20").replace('*', "%2A").replace("%7E", "~");
            let start = format!("x{encoded}");
            prop_assert!(out.starts_with(&start), "{out} begins with {start}");
        }
    }
}
