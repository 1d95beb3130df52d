//! Where viewers are: from the operator's header, or from a database file by their address.

use std::{fs, path::PathBuf};

use cuetone::{app::App, config::Config};
use tempfile::TempDir;

use crate::{
    harness::{Server, Yaml},
    mmdb,
    origin::{Packaging, Stream},
    player::Player,
};

fn database(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("countries.mmdb");
    fs::write(&path, mmdb::countries(&[("198.51.100.0/24", "ID"), ("2001:db8::/32", "SE")])).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_where_the_header_says_or_else_where_the_address_is() {
    let folder = TempDir::new().unwrap();
    let server = Server::start_with(Stream::live(Packaging::Ts).with_break(95..100), |config| {
        config.trusted.geo_database = Some(database(&folder));
        config.trusted.proxies = vec!["127.0.0.1".into()];
    })
    .await;
    server.apply(&Yaml::default().build(&server.origin)).await;
    for (headers, expect) in [
        (&[("x-forwarded-for", "198.51.100.9")][..], "ID"),
        (&[("x-forwarded-for", "2001:db8::5"), ("x-geo-country", "XX")], "SE"),
        (&[("x-forwarded-for", "198.51.100.9"), ("x-geo-country", "us")], "US"),
        (&[("x-forwarded-for", "192.0.2.1")], ""),
        (&[], ""),
    ] {
        let opened = server.request(reqwest::Method::GET, "/fast/acme/live.m3u8", headers).await;
        let url = format!("{}/fast/acme/live.m3u8", server.base);
        let mut player = Player::opened(server.client(), &url, opened.text());
        player.poll("v0").await;
        assert_eq!(&*server.decisions("acme")[0].viewer.geo, expect, "{headers:?}");
    }
}

#[tokio::test]
async fn a_server_does_not_start_on_a_database_that_it_cannot_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("countries.mmdb");
    fs::write(&path, "nothing of the kind").unwrap();
    let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    config.trusted.geo_database = Some(path);
    let error = App::build(&config).await.err().expect("no server");
    let text = format!("{error:#}");
    assert!(
        text.starts_with("trusted.geo_database: ") && text.contains("countries.mmdb: not a MaxMind database"),
        "{text}"
    );
}
