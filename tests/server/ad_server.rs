//! An ad server that answers what it is told, keeps what it is asked, and has moods.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;

/// An ad server that answers what it is told and keeps what it is asked.
pub struct AdServer {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
}

/// What a beacon is answered, by its URL and how often it came before.
type Moods = Box<dyn Fn(&str, usize) -> u16 + Send>;

#[derive(Default)]
pub struct Shared {
    pub answer: Mutex<String>,
    pub delay: Mutex<Duration>,
    asked: Mutex<Vec<(String, HeaderMap)>>,
    moods: Mutex<Option<Moods>>,
}

impl AdServer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
    /// Answers with a pod of these ads, each by name and seconds.
    pub fn offers(&self, ads: &[(&str, u32, &str)]) {
        let ad = |(at, (id, seconds, media)): (usize, &(&str, u32, &str))| {
            let beacon = |event: &str| self.url(&format!("beacon/{id}/{event}"));
            format!(
                r#"<Ad id="{id}" sequence="{}"><InLine><AdSystem>test</AdSystem><AdTitle>{id}</AdTitle>
                <Impression><![CDATA[{}?cb=[CACHEBUSTING]]]></Impression><Creatives><Creative><UniversalAdId idRegistry="test">{id}</UniversalAdId>
                <Linear><Duration>00:00:{seconds:02}</Duration><TrackingEvents><Tracking event="complete"><![CDATA[{}]]></Tracking></TrackingEvents>
                <MediaFiles><MediaFile delivery="streaming" type="application/vnd.apple.mpegurl" width="640" height="360"><![CDATA[{media}]]></MediaFile></MediaFiles>
                </Linear></Creative></Creatives></InLine></Ad>"#,
                at + 1,
                beacon("impression"),
                beacon("complete"),
            )
        };
        let ads: String = ads.iter().enumerate().map(ad).collect();
        *self.shared.answer.lock() = format!(r#"<VAST version="4.2">{ads}</VAST>"#);
    }
    /// Beacons are answered so from now on.
    pub fn answers_beacons(&self, moods: impl Fn(&str, usize) -> u16 + Send + 'static) {
        *self.shared.moods.lock() = Some(Box::new(moods));
    }
    /// Requests whose path starts so.
    pub fn asked(&self, path: &str) -> Vec<(String, HeaderMap)> {
        let asked = self.shared.asked.lock();
        asked.iter().filter(|(url, _)| url.starts_with(path)).cloned().collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let uri = request.uri().to_string();
    let before = shared.asked.lock().iter().filter(|(asked, _)| *asked == uri).count();
    shared.asked.lock().push((uri.clone(), request.headers().clone()));
    let delay = *shared.delay.lock();
    tokio::time::sleep(delay).await;
    if uri.starts_with("/beacon") {
        let status = shared.moods.lock().as_ref().map_or(204, |moods| moods(&uri, before));
        return StatusCode::from_u16(status).expect("a status").into_response();
    }
    ([(header::CONTENT_TYPE, "application/xml")], shared.answer.lock().clone()).into_response()
}
