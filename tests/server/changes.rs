//! The other doors for bundles: `cuetone apply` beside a running server, `cuetone check`, and a watched folder.

use std::{
    path::Path,
    process::Output,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::process::Command;

use crate::{
    harness::{Server, Yaml, within, write_bundle},
    origin::{Packaging, Stream},
};

/// What users are promised.
const FOLLOWS: Duration = Duration::from_secs(1);

async fn cuetone(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cuetone")).args(arguments).output().await.expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_follows_an_applied_bundle_within_a_second() {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(95..100)).await;
    let (data, folder) = (server.dir.path().join("data"), server.dir.path().join("acme"));
    for (version, ad) in [(1, "red-5"), (2, "blue-5")] {
        write_bundle(&folder, &Yaml::ads(&[ad]).build(&server.origin));
        let output = cuetone(&["apply", utf8(&folder), "--data", utf8(&data)]).await;
        let said = text(&output.stdout);
        assert!(
            output.status.success() && said.contains(&format!("acme is now version {version}")),
            "{said}{}",
            text(&output.stderr)
        );
        within(FOLLOWS, "the new version", || async { server.version("acme") == Some(version) }).await;
        server.creatives.refresh().await;
        assert_eq!(server.viewer().await.poll("v0").await.ads(), [ad]);
    }
    let again = cuetone(&["apply", utf8(&folder), "--data", utf8(&data), "--format", "json"]).await;
    let said: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(said, serde_json::json!({"tenant": "acme", "version": 2, "changed": false}));
    write_bundle(&folder, "tenant: { slug: acme, nmae: x }\n");
    let bad = cuetone(&["apply", utf8(&folder), "--data", utf8(&data)]).await;
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("tenant.yaml:1:"), "{}", text(&bad.stderr));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(server.version("acme"), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tells_good_from_bad_by_exit_code_and_names_the_place() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    write_bundle(
        &good,
        "tenant: { slug: acme }\nchannels:\n  - { slug: live, hls_manifest_url: \"https://x.example.com/a.m3u8\" }\n",
    );
    write_bundle(&bad, "tenant: { slug: acme }\nchannels:\n  - slug: live\n    hls_manifest_url: 7\n");
    let output = cuetone(&["check", utf8(&good)]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("valid: 1 channel, 0 campaigns, 0 ads"), "{}", text(&output.stdout));
    let output = cuetone(&["check", utf8(&bad)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("tenant.yaml:4:23: channels[0].hls_manifest_url: "),
        "{}",
        text(&output.stderr)
    );
    let output = cuetone(&["check", utf8(&good), utf8(&bad), "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(1), "one of two is bad");
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["valid"], &lines[1]["valid"]), (&true.into(), &false.into()));
    let error = &lines[1]["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"], &error["column"]),
        (&"tenant.yaml".into(), &4.into(), &23.into()),
        "{error}"
    );
    assert_eq!(error["field"], "channels[0].hls_manifest_url");
    let output = cuetone(&["check", utf8(&dir.path().join("nothing"))]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("does not exist"), "{}", text(&output.stderr));
    assert_eq!(cuetone(&["check"]).await.status.code(), Some(2), "misuse");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_folder_is_followed_within_a_second_of_an_edit_and_survives_bad_ones() {
    let tenants = tempfile::TempDir::new().expect("a folder");
    let watched = tenants.path().to_owned();
    let stream = Stream::live(Packaging::Ts).with_break(95..100);
    let server = Server::start_with(stream, |config| config.tenants_dir = Some(watched)).await;
    let folder = tenants.path().join("acme");
    let (mut slowest, mut version) = (Duration::ZERO, 0);
    for ad in ["red-5", "blue-5", "red-5"] {
        write_bundle(&folder, &Yaml::ads(&[ad]).build(&server.origin));
        version += 1;
        slowest = slowest.max(within(FOLLOWS, "the edit", || async { server.version("acme") == Some(version) }).await);
        server.creatives.refresh().await;
        assert_eq!(server.viewer().await.poll("v0").await.ads(), [ad]);
        write_bundle(&folder, "tenant: { slug: acme, nmae: x }\n");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((server.version("acme"), server.viewer().await.poll("v0").await.ads()), (Some(version), vec![ad]));
    }
    // Editors save by renaming.
    let begun = Instant::now();
    std::fs::write(folder.join(".tenant.yaml.swp"), Yaml::ads(&["green-5"]).build(&server.origin)).unwrap();
    std::fs::rename(folder.join(".tenant.yaml.swp"), folder.join("tenant.yaml")).unwrap();
    within(FOLLOWS, "the renamed file", || async { server.version("acme") == Some(version + 1) }).await;
    assert!(begun.elapsed() < FOLLOWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_is_edited_in_the_watched_folder_takes_effect() {
    let tenants = tempfile::TempDir::new().expect("a folder");
    let watched = tenants.path().to_owned();
    let stream = Stream::live(Packaging::Ts).with_break(95..100);
    let server = Server::start_with(stream, |config| config.tenants_dir = Some(watched)).await;
    let folder = tenants.path().join("acme");
    let more = "extensions: { targeting: [ { use: only.rhai } ] }\n".to_owned();
    let yaml = Yaml { more, ..Yaml::ads(&["red-5", "blue-5"]) }.build(&server.origin);
    for (version, ad) in [(1, "red-5"), (2, "blue-5")] {
        std::fs::create_dir_all(&folder).unwrap();
        let script =
            format!("fn target(ad, request, config) {{ ad.id == \"{ad}\" || ad.id.starts_with(\"sample\") }}\n");
        std::fs::write(folder.join("only.rhai"), script).unwrap();
        if version == 1 {
            write_bundle(&folder, &yaml);
        }
        within(FOLLOWS, "the script", || async { server.version("acme") == Some(version) }).await;
        server.creatives.refresh().await;
        assert_eq!(server.viewer().await.poll("v0").await.ads(), [ad]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_who_stays_keeps_no_old_version_in_memory_and_sees_the_new_one() {
    let server = Server::start(Stream::live(Packaging::Ts).with_break(101..106)).await;
    server.apply(&Yaml::ads(&["red-5"]).build(&server.origin)).await;
    let mut player = server.viewer().await;
    player.poll("v0").await;
    let first = Arc::downgrade(&server.registry.snapshot().tenants["acme"]);
    server.apply(&Yaml::ads(&["green-5"]).build(&server.origin)).await;
    within(FOLLOWS, "the old version is gone", || async { first.strong_count() == 0 }).await;
    for _ in 0..4 {
        server.clock.forward(2_000);
        player.poll("v0").await;
    }
    assert!(player.seen("v0").iter().any(|segment| segment.ad() == Some("green-5")));
}
