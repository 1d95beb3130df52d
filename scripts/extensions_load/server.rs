//! The server as its own process, and its origin in this one.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    http::{Client, KEY},
    world,
};

/// A server that is not ready by then never will be.
const START: Duration = Duration::from_secs(900);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// The folder in which a measurement works, and the origin of all its channels.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub origin: SocketAddr,
}

impl Place {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let origin = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                listener.set_nonblocking(true).expect("a socket");
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                axum::serve(listener, world::origin::router()).await.expect("served");
            });
        });
        Self { folder: tempfile::tempdir().expect("a folder"), origin }
    }

    /// A folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a tenant's folder among those that a server may watch.
    pub fn tenant(&self, slug: &str, manifest: &str, files: &[(&str, &[u8])]) {
        let folder = self.path("tenants").join(slug);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("tenant.yaml"), manifest).expect("written");
        for (path, content) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, content).expect("written");
        }
    }

    /// Starts the server on what is in its data folder; `watch`: and on the tenants' folders.
    pub fn start(&self, binary: &Path, watch: bool) -> Server {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let tenants = if watch { format!("tenants_dir: {}\n", self.path("tenants").display()) } else { String::new() };
        let settings = format!(
            "listen: {address}\ndata_dir: {}\n{tenants}outbound: {{ allow_hosts: [\"{}\"] }}\nlog: {{ level: error }}\n",
            self.path("data").display(),
            self.origin
        );
        let file = self.path("cuetone.yaml");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(&file).env("CUETONE_PLATFORM_KEY", KEY).stdout(Stdio::null());
        Server { child: command.spawn().expect("the server starts"), address }
    }
}

impl Server {
    /// Waits until it may get traffic; answers how long that took.
    pub fn ready(&self) -> Duration {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if TcpStream::connect(self.address).is_ok() && Client::new(self.address).get("/readyz").status == 200 {
                return begun.elapsed();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the server does not get ready");
    }

    /// Bytes of it in memory.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident set");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Processor time that it has had, in seconds.
    pub fn processor(&self) -> f64 {
        /// Linux counts in hundredths, whatever the machine.
        const PER_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        (ticks(11) + ticks(12)) / PER_SECOND
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Waits until every creative of these tenants can be shown.
    pub fn creatives(&self, tenants: &[&str]) {
        let mut client = self.client();
        for tenant in tenants {
            let begun = Instant::now();
            loop {
                let all = client.get(&format!("/api/v1/admin/tenants/{tenant}/creatives"));
                let items = all.json()["items"].as_array().cloned().unwrap_or_default();
                if !items.is_empty() && items.iter().all(|item| item["state"] == "ready") {
                    break;
                }
                assert!(begun.elapsed() < START, "creatives of {tenant}: {}", all.text());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Lines of `/metrics`.
    pub fn series(&self) -> usize {
        self.client().get("/metrics").text().lines().filter(|line| !line.starts_with('#')).count()
    }

    /// Asks it to stop, and waits.
    pub fn stop(mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(told.success(), "it runs");
        let _status = self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

pub fn mebibytes(bytes: u64) -> f64 {
    (bytes as f64 / 1024.0 / 1024.0 * 10.0).round() / 10.0
}

/// The value below which so much of a sorted list is.
pub fn quantile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    sorted
        .get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
