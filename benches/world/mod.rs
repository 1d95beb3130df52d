//! What all measurements share: a channel that stands still in the middle of an ad break.
//!
//! The origin's window never moves and the clock never runs, so that a refresh does the same work each time. Ads and
//! media are those of the demo. Deliberately knows nothing of how anything is measured.
#![allow(dead_code, reason = "each measurement uses its part")]

pub mod origin;
pub mod stitched;
pub mod tenant;

use std::{net::SocketAddr, sync::Arc};

use cuetone::{
    app::App,
    bundle::BundleFiles,
    config::Config,
    domain::{Clock, Moment},
    session::Session,
    store::{Author, Door},
};
use tokio::net::TcpListener;

/// 2026-01-01T00:00:00Z: where the clock stands and every window ends.
pub const NOW: Moment = Moment(1_767_225_600_000_000);

/// The measured tenant.
pub const TENANT: &str = "bench";

pub struct Frozen(pub Moment);

impl Clock for Frozen {
    fn now(&self) -> Moment {
        self.0
    }
}

/// A server with its origin, all in this process.
pub struct World {
    pub app: App,
    pub origin: SocketAddr,
    _data: tempfile::TempDir,
}

impl World {
    /// A tenant with `ads` ads on the channels `live` (10 segments) and `dvr` (200 segments).
    pub async fn new(ads: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = listener.local_addr().expect("an address");
        tokio::spawn(axum::serve(listener, origin::router()).into_future());
        let data = tempfile::tempdir().expect("a folder");
        let mut config = Config { data_dir: data.path().into(), ..Config::default() };
        config.outbound.allow_hosts.push(origin.to_string());
        let app = App::build_with(&config, Arc::new(Frozen(NOW))).await.expect("a server");
        let files = tenant::bundle(&format!("http://{origin}"), ads, tenant::Scripts::None);
        let author = Author { actor: "bench".into(), door: Door::Folder, summary: String::new(), request: None };
        app.registry.apply(files, &author).await.expect("a valid bundle");
        app.creatives.refresh().await;
        Self { app, origin, _data: data }
    }

    /// The paths of a new session's renditions: the variants first, the audio last.
    pub async fn open(&self, channel: &str) -> Vec<String> {
        let text =
            self.app.sessions.open(TENANT, channel, tenant::viewer(), Default::default, "").await.expect("a session");
        let mut paths = renditions(&text);
        paths.iter_mut().for_each(|path| path.insert_str(0, &format!("/fast/{TENANT}/")));
        paths
    }

    pub fn session(&self, path: &str) -> Arc<Session> {
        let token = path.split('/').nth(4).and_then(cuetone::session::SessionToken::parse).expect("a token");
        self.app.sessions.get(&token).expect("an open session")
    }
}

/// The addresses in a multivariant playlist: variants, then audio.
pub fn renditions(multivariant: &str) -> Vec<String> {
    let variants = multivariant.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
    let others = multivariant.split("URI=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    variants.chain(others).collect()
}

/// Where a rendition stands in the multivariant playlist: the `0` of `…/v0.m3u8`.
pub fn index(path: &str) -> usize {
    let name = path.rsplit('/').next().and_then(|file| file.strip_suffix(".m3u8"));
    name.and_then(|name| name.get(1..)?.parse().ok()).expect("a rendition")
}

pub type Files = BundleFiles;
