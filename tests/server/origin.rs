//! An origin that does as it is told: live windows that follow the test's clock, titles, creatives, and faults. It
//! counts every request.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use cuetone::{
    domain::{Clock, Moment, Span},
    media::datetime,
};
use parking_lot::Mutex;

/// When the streams began: a round second far from any edge of the calendar.
pub const EPOCH: Moment = Moment(1_780_000_000_000_000);
/// Length of every segment of content and ads.
pub const SEGMENT: i64 = 2;
/// Segments that have been published when a test begins.
pub const BEGIN: u64 = 100;

/// A clock that stands still until it is moved.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new((EPOCH + Span::from_secs(SEGMENT * BEGIN as i64)).0)))
    }
    pub fn forward(&self, millis: i64) {
        self.0.fetch_add(millis * 1_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

/// What the origin does instead of answering.
#[derive(Clone, Debug)]
pub enum Fault {
    Status(u16),
    /// Answers in full, too late.
    Hang(Duration),
    /// Breaks off in the middle of the body.
    Truncated,
    Html,
    /// More bytes than the server takes.
    Huge,
    /// A playlist without segments.
    Empty,
    Redirect(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packaging {
    /// Two variants with sound in them.
    Ts,
    /// Two variants, audio and subtitles of their own.
    Fmp4,
}

/// One channel of the origin.
#[derive(Clone, Debug)]
pub struct Stream {
    pub packaging: Packaging,
    pub window: u64,
    /// Segment numbers of breaks; those of length 0 ask to insert (VOD).
    pub breaks: Vec<Range<u64>>,
    /// Segments of a complete title; `None` is live.
    pub title: Option<u64>,
    /// Dates on segments.
    pub dated: bool,
    pub encrypted: bool,
    /// Media sequence number of segment 0.
    pub first_number: i64,
    /// Renditions that are this many segments behind the others.
    pub behind: BTreeMap<String, u64>,
}

impl Stream {
    pub fn live(packaging: Packaging) -> Self {
        Self {
            packaging,
            window: 10,
            breaks: Vec::new(),
            title: None,
            dated: true,
            encrypted: false,
            first_number: 0,
            behind: BTreeMap::new(),
        }
    }
    pub fn title(packaging: Packaging, segments: u64) -> Self {
        Self { title: Some(segments), dated: false, ..Self::live(packaging) }
    }
    pub fn with_break(mut self, segments: Range<u64>) -> Self {
        self.breaks.push(segments);
        self
    }

    fn master(&self) -> String {
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
        let groups = if self.packaging == Packaging::Fmp4 {
            out.push_str("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"audio.m3u8\"\n");
            out.push_str(
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",LANGUAGE=\"en\",URI=\"subs.m3u8\"\n",
            );
            ",AUDIO=\"aac\",SUBTITLES=\"subs\""
        } else {
            ""
        };
        variants(&mut out, groups, "");
        out
    }

    fn media(&self, rendition: &str, now: Moment) -> String {
        let behind = self.behind.get(rendition).copied().unwrap_or(0);
        let published = u64::try_from((now - EPOCH).as_secs_f64() as i64 / SEGMENT).unwrap_or(0) - behind;
        let numbers = match self.title {
            Some(count) => 0..count,
            None => published.saturating_sub(self.window)..published,
        };
        let number = i64::try_from(numbers.start).unwrap() + self.first_number;
        let mut out =
            format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{SEGMENT}\n#EXT-X-MEDIA-SEQUENCE:{number}\n");
        if self.title.is_some() {
            out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        }
        if self.encrypted {
            out.push_str("#EXT-X-KEY:METHOD=AES-128,URI=\"key.bin\"\n");
        }
        let ending = match (self.packaging, rendition) {
            (_, "subs") => "vtt",
            (Packaging::Ts, _) => "ts",
            (Packaging::Fmp4, _) => "m4s",
        };
        if ending == "m4s" {
            let _ = writeln!(out, "#EXT-X-MAP:URI=\"{rendition}-init.mp4\"");
        }
        for n in numbers {
            self.cues(n, &mut out);
            if self.dated {
                let at = EPOCH + Span::from_secs(SEGMENT * i64::try_from(n).unwrap());
                let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", datetime::format(at));
            }
            let _ = writeln!(out, "#EXTINF:{SEGMENT}.000,\n{rendition}-{n}.{ending}");
        }
        if self.title.is_some() {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    fn cues(&self, n: u64, out: &mut String) {
        for Range { start, end } in self.breaks.iter().cloned() {
            let seconds = (end - start) as i64 * SEGMENT;
            if n == start {
                let _ = writeln!(out, "#EXT-X-CUE-OUT:{seconds}");
            } else if n > start && n < end {
                let elapsed = (n - start) as i64 * SEGMENT;
                let _ = writeln!(out, "#EXT-X-CUE-OUT-CONT:{elapsed}/{seconds}");
            } else if n == end {
                out.push_str("#EXT-X-CUE-IN\n");
            }
        }
    }
}

fn variants(out: &mut String, groups: &str, prefix: &str) {
    for (name, bandwidth, size) in [("v360", 800_000, "640x360"), ("v240", 400_000, "426x240")] {
        let _ = writeln!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={size},CODECS=\"avc1.4d401e,mp4a.40.2\"{groups}\n{prefix}{name}.m3u8"
        );
    }
}

#[derive(Default)]
struct Shared {
    streams: Mutex<HashMap<String, Stream>>,
    /// By the beginning of the path.
    faults: Mutex<Vec<(String, Fault)>>,
    hits: Mutex<HashMap<String, usize>>,
    received: Mutex<Vec<(HeaderMap, Bytes)>>,
}

pub struct Origin {
    pub address: SocketAddr,
    pub clock: Arc<HandClock>,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    pub async fn start(clock: Arc<HandClock>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(answer).with_state((shared.clone(), clock.clone()));
        let task =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("serves until it is dropped") });
        Self { address, clock, shared, task }
    }

    pub fn put(&self, name: &str, stream: Stream) {
        self.shared.streams.lock().insert(name.to_owned(), stream);
    }
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Stream)) {
        edit(self.shared.streams.lock().get_mut(name).expect("a stream of that name"));
    }
    pub fn fail(&self, path: &str, fault: Fault) {
        self.shared.faults.lock().push((path.to_owned(), fault));
    }
    pub fn heal(&self) {
        self.shared.faults.lock().clear();
    }
    /// Requests for a path, since the start.
    pub fn hits(&self, path: &str) -> usize {
        self.shared.hits.lock().get(path).copied().unwrap_or(0)
    }
    pub fn all_hits(&self) -> usize {
        self.shared.hits.lock().values().sum()
    }
    /// What was posted to it.
    pub fn received(&self) -> Vec<(HeaderMap, Bytes)> {
        self.shared.received.lock().clone()
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

async fn answer(State((shared, clock)): State<(Arc<Shared>, Arc<HandClock>)>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    *shared.hits.lock().entry(path.clone()).or_default() += 1;
    let fault =
        shared.faults.lock().iter().rev().find(|(start, _)| path.starts_with(start)).map(|(_, fault)| fault.clone());
    if path.starts_with("hook") {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        shared.received.lock().push((parts.headers, body));
        return StatusCode::OK.into_response();
    }
    let text = playlist(&shared, &path, clock.now());
    match (fault, text) {
        (Some(Fault::Status(status)), _) => StatusCode::from_u16(status).unwrap().into_response(),
        (Some(Fault::Html), _) => "<!doctype html><title>Welcome to the CDN</title>".into_response(),
        (Some(Fault::Huge), _) => {
            let comment = format!("#EXTM3U\n{}", "# what a long playlist this is\n".repeat(400_000));
            comment.into_response()
        }
        (Some(Fault::Empty), _) => "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n".into_response(),
        (Some(Fault::Redirect(target)), _) => (StatusCode::FOUND, [(header::LOCATION, target)]).into_response(),
        (Some(Fault::Truncated), Some(text)) => {
            let half = Bytes::from(text[..text.len() / 2].to_owned());
            let pieces = [Ok(half), Err(std::io::Error::other("broken off"))];
            Body::from_stream(futures_util::stream::iter(pieces)).into_response()
        }
        (Some(Fault::Hang(time)), Some(text)) => {
            tokio::time::sleep(time).await;
            text.into_response()
        }
        (_, Some(text)) => text.into_response(),
        (_, None) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn playlist(shared: &Shared, path: &str, now: Moment) -> Option<String> {
    let path = path.strip_suffix(".m3u8")?;
    if let Some(ad) = path.strip_prefix("ads/") {
        let (ad, file) = ad.split_once('/')?;
        return Some(creative(ad, file));
    }
    let (name, file) = path.split_once('/')?;
    let streams = shared.streams.lock();
    let stream = streams.get(name)?;
    Some(if file == "master" { stream.master() } else { stream.media(file, now) })
}

/// Creatives are named by colour and segments: `red-5` lasts ten seconds. Each comes as TS and as fMP4.
fn creative(ad: &str, file: &str) -> String {
    if file == "master" {
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
        out.push_str(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",URI=\"cmaf/audio.m3u8\"\n",
        );
        variants(&mut out, "", "ts/");
        variants(&mut out, ",AUDIO=\"aac\"", "cmaf/");
        return out;
    }
    let segments: u64 = ad.rsplit_once('-').and_then(|(_, count)| count.parse().ok()).expect("a name such as red-5");
    let rendition = file.rsplit('/').next().unwrap_or(file);
    let mut out = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{SEGMENT}\n#EXT-X-PLAYLIST-TYPE:VOD\n");
    let ending = if file.starts_with("cmaf/") { "m4s" } else { "ts" };
    if ending == "m4s" {
        let _ = writeln!(out, "#EXT-X-MAP:URI=\"{rendition}-init.mp4\"");
    }
    for n in 0..segments {
        let _ = writeln!(out, "#EXTINF:{SEGMENT}.000,\n{rendition}-{n}.{ending}");
    }
    out + "#EXT-X-ENDLIST\n"
}
