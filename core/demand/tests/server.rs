//! An ad server that answers what it was told to, and remembers who asked for what with which headers. It also has
//! creatives: `/ads/red-5.m3u8` has five segments of two seconds.

use std::{collections::HashMap, fmt::Write as _, io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;

#[derive(Clone)]
pub enum Reply {
    Xml(String),
    Gzip(Vec<u8>),
    Status(u16),
    Redirect(String),
    Late(Duration, Box<Reply>),
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<Vec<(String, HeaderMap)>>,
}

pub struct AdServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for AdServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AdServer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves until dropped") });
        Self { address, shared, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn put(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().insert(path.to_owned(), reply);
    }

    /// Answers with a VAST response of these ads. `{server}` in it stands for this server.
    pub fn vast(&self, path: &str, ads: &[String]) {
        self.put(path, Reply::Xml(self.document(ads)));
    }

    pub fn document(&self, ads: &[String]) -> String {
        self.filled(&format!("<VAST version=\"4.2\">{}</VAST>", ads.concat()))
    }

    pub fn filled(&self, text: &str) -> String {
        text.replace("{server}", &format!("http://{}", self.address))
    }

    /// Paths with queries that were asked for below a folder.
    pub fn asked(&self, folder: &str) -> Vec<String> {
        let asked = self.shared.asked.lock();
        asked.iter().filter(|(path, _)| path.starts_with(folder)).map(|(path, _)| path.clone()).collect()
    }

    pub fn headers(&self, path: &str) -> HeaderMap {
        let asked = self.shared.asked.lock();
        asked.iter().find(|(asked, _)| asked.starts_with(path)).map(|(_, headers)| headers.clone()).expect("asked for")
    }

    /// Waits until so many were asked for below a folder: beacons are sent in the background.
    pub async fn wait_for(&self, folder: &str, count: usize) -> Vec<String> {
        for _ in 0..200 {
            let asked = self.asked(folder);
            if asked.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut asked = self.asked(folder);
        asked.sort();
        asked
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let full = request.uri().path_and_query().map_or("", |both| both.as_str()).trim_start_matches('/').to_owned();
    shared.asked.lock().push((full, request.headers().clone()));
    let reply = shared.replies.lock().get(&path).cloned();
    match reply {
        Some(reply) => Box::pin(give(reply)).await,
        None => match path.strip_prefix("ads/").and_then(creative) {
            Some(playlist) => playlist.into_response(),
            None if path.starts_with("beacon") => StatusCode::NO_CONTENT.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

async fn give(mut reply: Reply) -> Response {
    while let Reply::Late(time, later) = reply {
        tokio::time::sleep(time).await;
        reply = *later;
    }
    match reply {
        Reply::Xml(text) => ([(header::CONTENT_TYPE, "application/xml")], text).into_response(),
        Reply::Gzip(bytes) => ([(header::CONTENT_ENCODING, "gzip")], bytes).into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Reply::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Reply::Late(..) => unreachable!("waited for above"),
    }
}

/// `red-5.m3u8`, and with a folder before it for names of their own.
fn creative(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?.strip_suffix(".m3u8")?;
    let segments: u32 = name.rsplit_once('-')?.1.parse().ok()?;
    let mut out = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n");
    for n in 0..segments {
        let _ = writeln!(out, "#EXTINF:2,\n{name}/{n}.ts");
    }
    Some(out + "#EXT-X-ENDLIST\n")
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("in memory");
    encoder.finish().expect("in memory")
}

/// An ad with a creative, beacons named after it, and what else the test adds.
pub struct Inline<'a> {
    pub id: &'a str,
    pub sequence: Option<u32>,
    pub duration: &'a str,
    pub media: &'a str,
    pub kind: &'a str,
    pub universal: &'a str,
    pub more: &'a str,
}

impl Default for Inline<'_> {
    fn default() -> Self {
        Self {
            id: "ad",
            sequence: None,
            duration: "00:00:10",
            media: "{server}/ads/red-5.m3u8",
            kind: "application/vnd.apple.mpegurl",
            universal: "",
            more: "",
        }
    }
}

impl Inline<'_> {
    pub fn xml(&self) -> String {
        let Self { id, duration, media, kind, universal, more, .. } = self;
        let sequence = self.sequence.map(|n| format!(" sequence=\"{n}\"")).unwrap_or_default();
        format!(
            r#"<Ad id="{id}"{sequence}><InLine><AdSystem>Test</AdSystem><AdTitle>{id}</AdTitle>
            <Error><![CDATA[{{server}}/beacon/error/{id}?code=[ERRORCODE]]]></Error>
            <Impression><![CDATA[{{server}}/beacon/impression/{id}]]></Impression>{more}
            <Creatives><Creative>{universal}<Linear><Duration>{duration}</Duration>
            <TrackingEvents><Tracking event="start"><![CDATA[{{server}}/beacon/start/{id}]]></Tracking></TrackingEvents>
            <VideoClicks><ClickThrough><![CDATA[https://shop.example.com/{id}]]></ClickThrough></VideoClicks>
            <MediaFiles><MediaFile delivery="streaming" type="{kind}" width="640" height="360"><![CDATA[{media}]]></MediaFile>
            </MediaFiles></Linear></Creative></Creatives></InLine></Ad>"#
        )
    }
}

pub fn inline(id: &str) -> String {
    Inline { id, ..Inline::default() }.xml()
}

/// A wrapper around `to`, with attributes, a place in a pod, and beacons named after it.
pub fn wrapper_with(id: &str, to: &str, ad_attributes: &str, attributes: &str, more: &str) -> String {
    format!(
        r#"<Ad id="{id}" {ad_attributes}><Wrapper {attributes}><AdSystem>Test</AdSystem>
        <Error><![CDATA[{{server}}/beacon/error/{id}?code=[ERRORCODE]]]></Error>
        <Impression><![CDATA[{{server}}/beacon/impression/{id}]]></Impression>{more}
        <VASTAdTagURI><![CDATA[{to}]]></VASTAdTagURI>
        <Creatives><Creative><Linear><TrackingEvents>
        <Tracking event="start"><![CDATA[{{server}}/beacon/start/{id}]]></Tracking></TrackingEvents>
        <VideoClicks><ClickTracking><![CDATA[{{server}}/beacon/click/{id}]]></ClickTracking></VideoClicks>
        </Linear></Creative></Creatives></Wrapper></Ad>"#
    )
}

pub fn wrapper(id: &str, to: &str) -> String {
    wrapper_with(id, &format!("{{server}}/{to}"), "", "", "")
}
