//! What `scripts/tracking_load.sh` needs: a tenant, players that fetch beacons, reporters that post batches, and a count
//! of what is in the database afterwards. No two events are the same.
//!
//! ```text
//! tracking_load tenant DIR                                 writes a tenant's folder
//! tracking_load beacons SERVER DATA SECONDS CONNECTIONS    fetches signed pixels
//! tracking_load batches SERVER KEY SECONDS CONNECTIONS N   posts N events at a time
//! tracking_load get SERVER PATH SECONDS CONNECTIONS        fetches one address over and over
//! tracking_load count DATA                                 events in the database, and bytes on disk
//! ```

use std::{
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cuetone::{
    domain::{AvailId, DeviceType, EventType, Slug},
    secret::{MasterKey, Purpose},
    store::{Store, TenantScope},
    tracking::{Audience, Showing, SigningKey},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const TENANT: &str = "load";

/// The year 2100: addresses that do not expire while this runs.
const EXPIRES: u64 = 4_102_444_800;

/// Beacons signed for a second.
const MOST_PER_SECOND: u64 = 100_000;

const BUNDLE: &str = "tenant: { slug: load, name: Load, rate_limit_per_minute: 100000000 }
channels:
  - { slug: news, hls_manifest_url: \"https://origin.example.com/master.m3u8\", beaconing: client }
campaigns:
  - { slug: summer, name: Summer, start_date: 2020-01-01, end_date: 2099-12-31, cpm: \"12.50\", status: active }
ads:
  - { slug: cola, campaign: summer, duration_seconds: 30, creative: { hls: \"https://ads.example.com/cola.m3u8\" } }
";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    match *arguments {
        ["tenant", dir] => {
            std::fs::create_dir_all(dir).expect("a folder");
            std::fs::write(Path::new(dir).join("tenant.yaml"), BUNDLE).expect("written");
        }
        ["beacons", server, data, seconds, connections] => {
            let source = Beacons::new(Path::new(data), server, number(seconds) * MOST_PER_SECOND);
            run(server, number(seconds), number(connections), 1, Arc::new(source));
        }
        ["batches", server, key, seconds, connections, size] => {
            let source = Batches { server: server.to_owned(), key: key.to_owned(), size: number(size) };
            run(server, number(seconds), number(connections), number(size), Arc::new(source));
        }
        ["get", server, path, seconds, connections] => {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: load\r\n\r\n");
            run(server, number(seconds), number(connections), 1, Arc::new(Same(request.into_bytes())));
        }
        ["count", data] => count(Path::new(data)),
        _ => eprintln!("usage: tracking_load tenant|beacons|batches|get|count …"),
    }
}

trait Source: Send + Sync + 'static {
    /// Writes the request with this number.
    fn write(&self, number: u64, out: &mut Vec<u8>);
}

struct Same(Vec<u8>);

impl Source for Same {
    fn write(&self, _number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// Signed before the clock starts: players get their addresses from the server, they do not sign.
struct Beacons(Vec<Vec<u8>>);

impl Beacons {
    fn new(data: &Path, server: &str, count: u64) -> Self {
        let variable = std::env::var("CUETONE_SECRET_KEY").ok();
        let master = MasterKey::load(data, variable.as_deref()).expect("the server's key");
        let tenant: Slug = TENANT.parse().expect("a slug");
        let key = SigningKey::new(&master.tenant_key(&tenant, Purpose::Urls));
        let [news, cola]: [Slug; 2] = ["news", "cola"].map(|slug| slug.parse().expect("a slug"));
        let request = |number| {
            let showing = Showing {
                channel: news.clone(),
                audience: Audience::Anonymous(start() ^ number),
                avail: AvailId::new("break-1"),
                position: 0,
                ad: Some(cola.clone()),
                geo: "US".into(),
                device: DeviceType::SmartTv,
            };
            let link = showing.link(&key, EventType::Start, EXPIRES, ".gif", None);
            let agent = "Mozilla/5.0 (SMART-TV)";
            format!("GET /fast/{TENANT}/{link} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: {agent}\r\n\r\n").into_bytes()
        };
        Self((0..count).map(request).collect())
    }
}

impl Source for Beacons {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let request = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        out.extend_from_slice(request.expect("more requests a second than were signed"));
    }
}

struct Batches {
    server: String,
    key: String,
    size: u64,
}

impl Source for Batches {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(300 * usize::try_from(self.size).unwrap_or(0));
        body.extend_from_slice(b"{\"events\":[");
        for at in 0..self.size {
            let comma = if at == 0 { "" } else { "," };
            let kind = EventType::ALL[usize::try_from(at).unwrap_or(0) % 6].as_str();
            // One viewer's ad is six events in a row.
            let viewer = start() ^ ((number * self.size + at) / 6);
            let place = (number * self.size + at) % 6;
            let _memory = write!(
                body,
                "{comma}{{\"tenant_id\":\"{TENANT}\",\"ad_id\":\"cola\",\"channel_id\":\"news\",\"event_type\":\"{kind}\",\
                 \"session_id\":\"{viewer:016x}\",\"break_id\":\"b{place}\",\"device_type\":\"smart-tv\",\"geo_country\":\"US\",\
                 \"ip_address\":\"203.0.113.7\",\"user_agent\":\"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0)\"}}"
            );
        }
        body.extend_from_slice(b"]}");
        let _memory = write!(
            out,
            "POST /api/v1/tracking/events HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.server,
            self.key,
            body.len()
        );
        out.extend_from_slice(&body);
    }
}

/// Different in each run, the same within one.
fn start() -> u64 {
    static START: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *START.get_or_init(|| {
        let process = u64::from(std::process::id());
        let time = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
        (process << 48) ^ (time << 24)
    })
}

/// Asks for so long over so many connections, each waiting for its answer; prints what came of it as JSON.
fn run(server: &str, seconds: u64, connections: u64, events: u64, source: Arc<dyn Source>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let asking = (0..connections).map(|_| {
        let (server, next, source) = (server.to_owned(), next.clone(), source.clone());
        runtime.spawn(async move { ask(&server, &next, &*source, until).await })
    });
    let asking: Vec<_> = asking.collect();
    let (mut times, mut bad) = (Vec::new(), 0);
    for task in asking {
        let (own, failed) = runtime.block_on(task).expect("no panic");
        times.extend(own);
        bad += failed;
    }
    let elapsed = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |time| f64::from(*time) / 1e3);
    let rate = times.len() as f64 * events as f64 / elapsed;
    println!(
        "{{\"events\":{},\"refused\":{bad},\"per_second\":{rate:.0},\"p50_ms\":{:.2},\"p99_ms\":{:.2}}}",
        times.len() as u64 * events,
        at(0.5),
        at(0.99)
    );
}

/// Microseconds of each answer that said yes, and how many said no.
async fn ask(server: &str, next: &AtomicU64, source: &dyn Source, until: Instant) -> (Vec<u32>, u64) {
    let mut stream = TcpStream::connect(server).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket");
    let (mut times, mut bad) = (Vec::new(), 0);
    let (mut out, mut answer) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        out.clear();
        source.write(next.fetch_add(1, Ordering::Relaxed), &mut out);
        let asked = Instant::now();
        stream.write_all(&out).await.expect("written");
        let status = read(&mut stream, &mut answer).await;
        match status {
            200..300 => times.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX)),
            _ => {
                bad += 1;
                if bad == 1 {
                    eprintln!("{}", String::from_utf8_lossy(&answer));
                }
            }
        }
    }
    (times, bad)
}

async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> u16 {
    answer.clear();
    loop {
        if let Some(head) = memchr::memmem::find(answer, b"\r\n\r\n") {
            let text = std::str::from_utf8(&answer[..head]).expect("a head").to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse::<usize>().expect("a length"));
            if answer.len() >= head + 4 + length {
                return text.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
            }
        }
        assert!(stream.read_buf(answer).await.expect("an answer") > 0, "the server hung up");
    }
}

fn count(data: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open_file(&data.join("cuetone.db")).await.expect("opens");
        let counts = store.event_counts(&TenantScope::new(TENANT.parse().expect("a slug"))).await.expect("counted");
        let events: i64 = counts.iter().map(|(_, count)| count).sum();
        let bytes = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |file| file.len());
        let journal = std::fs::read_dir(data.join("journal")).into_iter().flatten().flatten();
        let journal: u64 = journal.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        let database = bytes("cuetone.db") + bytes("cuetone.db-wal");
        println!("{{\"events\":{events},\"database_bytes\":{database},\"journal_bytes\":{journal}}}");
    });
}
