//! End to end: the real binary, real players. Chromium plays the demo with hls.js and by itself, ffmpeg reads the
//! stitched title; `tests/browser/` holds what runs in node and in the page.
//!
//! Needs chromium (or `CHROMIUM`), node, npm and ffmpeg. What is missing is named: a skipped test would prove nothing.

#![allow(clippy::expect_used, reason = "a test stops at the first thing that is not as it should be")]

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use node::{both, modules, run};

#[path = "server/node.rs"]
mod node;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
/// A debug build on a busy machine opens its database and compiles its scripts in this time.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Opens the demo's API to the scripts: they read what was counted.
const PLATFORM_KEY: &str = "fast_platform_of-the-browser-tests-of-cuetone";

#[test]
fn live_plays_for_a_minute_through_a_whole_break_in_chromium_with_hls_js() {
    play("live");
}

#[test]
fn what_was_on_screen_in_three_breaks_is_what_segments_counted_and_a_seek_back_adds_nothing() {
    play("segments");
}

#[test]
fn what_was_on_screen_in_three_breaks_is_what_a_player_reported_by_its_tracking_document() {
    play("reports");
}

#[test]
fn vod_plays_to_its_end_with_the_decided_ads_in_chromium_with_hls_js() {
    play("vod");
}

#[test]
fn the_demo_page_plays_natively_and_shows_a_decision_and_an_event() {
    play("page");
}

#[test]
fn the_judges_of_pictures_stalls_and_counts_catch_what_is_broken() {
    let output = node(&["--test", &format!("{SCRIPTS}/analyse.test.mjs"), &format!("{SCRIPTS}/count.test.mjs")]);
    assert!(output.status.success(), "{}", both(&output));
}

#[test]
fn ffmpeg_reads_the_stitched_title_to_its_end_without_an_error() {
    let demo = Demo::start();
    let url = format!("{}/fast/streamtv/movies.m3u8", demo.base());
    let arguments = ["-nostdin", "-v", "error", "-xerror", "-i", &url, "-f", "null", "-"];
    let output = run(Command::new("ffmpeg").args(arguments), "ffmpeg");
    assert!(output.status.success() && output.stderr.is_empty(), "{}\n{}", both(&output), demo.log());
    assert!(duration(&url) > 48.0 + 5.0, "the title alone lasts 48 s: no ads were stitched in");
}

/// Seconds of video that ffmpeg decodes at `url`: it counts frames, since a playlist may promise anything.
fn duration(url: &str) -> f64 {
    const FRAMES_PER_SECOND: f64 = 25.0;
    let arguments = ["-nostdin", "-v", "error", "-i", url, "-map", "0:v:0", "-f", "framehash", "-"];
    let output = run(Command::new("ffmpeg").args(arguments), "ffmpeg");
    let frames = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    f64::from(u32::try_from(frames.count()).expect("frames")) / FRAMES_PER_SECOND
}

fn play(scenario: &str) {
    let chromium = env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(Path::new(&chromium).exists(), "{chromium} is missing: install chromium or set CHROMIUM to its path");
    let demo = Demo::start();
    let output = node(&[&format!("{SCRIPTS}/play.mjs"), scenario, &demo.base()]);
    println!("{}", both(&output));
    assert!(output.status.success(), "{}\nthe server said:\n{}", both(&output), demo.log());
}

fn node(arguments: &[&str]) -> Output {
    let modules = modules("browser");
    run(Command::new("node").args(arguments).env("MODULES", modules).env("CUETONE_PLATFORM_KEY", PLATFORM_KEY), "node")
}

/// `cuetone demo` on a free port with a data folder of its own; stopped when dropped.
struct Demo {
    process: Child,
    address: SocketAddr,
    data: TempDir,
}

impl Demo {
    fn start() -> Self {
        let address = free_address();
        let data = tempfile::tempdir().expect("data folder");
        let log = File::create(data.path().join("server.log")).expect("log");
        let process = Command::new(env!("CARGO_BIN_EXE_cuetone"))
            .args(["demo", "--listen", &address.to_string(), "--data"])
            .arg(data.path().join("data"))
            .env("CUETONE_PLATFORM_KEY", PLATFORM_KEY)
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the cuetone binary");
        let mut demo = Self { process, address, data };
        demo.wait_until_ready();
        demo
    }

    fn wait_until_ready(&mut self) {
        let end = Instant::now() + START_DEADLINE;
        while !ready(self.address) {
            let exited = self.process.try_wait().expect("process state");
            assert!(exited.is_none(), "cuetone demo ended with {exited:?}:\n{}", self.log());
            assert!(Instant::now() < end, "cuetone demo is not ready after {START_DEADLINE:?}:\n{}", self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The end of what the server wrote.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(60)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
