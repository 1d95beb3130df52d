//! What one plugin costs that many tenants have: `cargo run --release --example shared_plugin -- plugin.wasm`.
//!
//! Takes a plugin that fills breaks (`cuetone plugin build` makes one) and a number of tenants, if another is wanted than
//! twenty. Prints how long a tenant takes to come, how long a change of one field of a tenant takes, the memory of this
//! process and the bytes of the database.

#![allow(clippy::expect_used, reason = "a script stops at the first thing that is not as it should be")]

use std::{path::Path, sync::Arc, time::Instant};

use cuetone::{
    app::App,
    bundle::{BundleFiles, Document, MANIFEST_FILE, Section},
    config::Config,
    domain::SystemClock,
    registry::RegistryError,
    store::{Author, Door},
};
use serde_json::json;

const PLUGIN: &str = "plugins/fill.wasm";
const CHANGES: u32 = 10;

fn manifest(tenant: &str) -> String {
    format!(
        "tenant: {{ slug: {tenant} }}\n\
         channels: [ {{ slug: live, hls_manifest_url: \"https://origin.example.com/live.m3u8\", fill_strategy: {PLUGIN} }} ]\n"
    )
}

/// What this process has in memory, in megabytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn megabytes(file: &Path) -> f64 {
    let wal = file.with_extension("db-wal");
    let bytes: u64 = [file, &wal].into_iter().filter_map(|file| std::fs::metadata(file).ok()).map(|it| it.len()).sum();
    bytes as f64 / 1e6
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let plugin = arguments.next().expect("the path of a plugin");
    let tenants: usize = arguments.next().map_or(20, |count| count.parse().expect("a number of tenants"));
    let data = tempfile::tempdir().expect("a folder");
    let bundle = data.path().join("bundle");
    std::fs::create_dir_all(bundle.join("plugins")).expect("a folder");
    std::fs::write(bundle.join(MANIFEST_FILE), manifest("one")).expect("a file");
    std::fs::copy(&plugin, bundle.join(PLUGIN)).expect("the plugin");
    let config = Config { data_dir: data.path().join("data"), ..Config::default() };
    let app = App::build_with(&config, Arc::new(SystemClock)).await.expect("a server");
    let author = Author { actor: "script".into(), door: Door::Folder, summary: String::new(), request: None };
    let mut taken = Vec::new();
    for tenant in 0..tenants {
        // Read anew each time: nobody who comes through a door knows what others have.
        let mut files = BundleFiles::read(&bundle).expect("a bundle");
        files.files.insert(MANIFEST_FILE.to_owned(), manifest(&format!("tenant-{tenant}")).into());
        let began = Instant::now();
        app.registry.apply(files, &author).await.expect("a valid bundle");
        taken.push(began.elapsed());
    }
    let later: f64 = taken.iter().skip(1).map(|time| time.as_secs_f64()).sum::<f64>() / (tenants - 1).max(1) as f64;
    println!("a tenant comes: the first in {:.0?}, each other in {:.0} ms", taken[0], later * 1e3);
    let tenant = "tenant-0".parse().expect("a slug");
    let began = Instant::now();
    for change in 0..CHANGES {
        let edit = |document: &mut Document| {
            let mut channel = document.item(Section::Channels, "live").expect("a channel");
            channel["name"] = json!(format!("change {change}"));
            document.put(Section::Channels, "live", channel);
            Ok::<(), RegistryError>(())
        };
        app.registry.change(&tenant, &author, edit).await.expect("a change");
    }
    println!("a change of one field: {:.1} ms", began.elapsed().as_secs_f64() * 1e3 / f64::from(CHANGES));
    println!("memory of the process, files apart: {} MB", memory());
    app.store.close().await;
    println!("database: {:.1} MB", megabytes(&config.data_dir.join("cuetone.db")));
}
