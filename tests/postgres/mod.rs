//! PostgreSQL for tests: servers of their own, and fresh databases.
//!
//! [`Database::fresh`] makes a database on the server that `CUETONE_TEST_DATABASE_URL` names (a role that may create
//! databases), else on one that this process starts. [`Server`] is for tests that stop, kill and restart one. Servers run
//! in a temporary folder on a free port of the loopback; they end with the process that started them, however it ends,
//! and leave nothing. A server that runs on this machine for other reasons is never touched.
//!
//! Included by `#[path]` in the unit tests of the store and in tests of this folder; so it knows neither.

#![allow(dead_code, reason = "no test binary uses all of it")]
#![allow(clippy::expect_used, reason = "a test without its database stops")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Names a server for the tests to use, as `postgres://user:password@host:port/database`.
const VARIABLE: &str = "CUETONE_TEST_DATABASE_URL";

const USER: &str = "cuetone";
/// With every sign that has to be escaped in a URL, so that escaping is tested as well.
pub const PASSWORD: &str = "pass:w@rd/of?tests#";
const PASSWORD_IN_URL: &str = "pass%3Aw%40rd%2Fof%3Ftests%23";

/// A start takes about a second; a recovery on a busy machine some more.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Runs the server and obeys words on its standard input. When that ends, so has the test: the server goes, and its
/// folder. Arguments: the folder of the programs, the server's folder, its port.
const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB \
    >"$2/log" 2>&1 </dev/null &
server=$!
echo "$server"
read -r order
case $order in
    stop) kill -INT "$server" ;;
    # With all that it runs: they would notice after their next answer.
    kill) kill -KILL "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null) ;;
    *) kill -QUIT "$server" 2>/dev/null ;;
esac
wait "$server"
[ -n "$order" ] || rm -rf "$2"
"#;

/// The server of this process, for tests that only need a database.
static SHARED: LazyLock<Server> = LazyLock::new(Server::start);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name that no other test has, in any process that runs now.
fn unique(prefix: &str) -> String {
    format!("{prefix}{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A PostgreSQL server with nothing in it. Dropped, it is gone.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    /// PostgreSQL refuses to run as root.
    run_as: Option<(u32, u32)>,
    port: u16,
    keeper: Option<Child>,
}

impl Server {
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    pub fn start() -> Self {
        let programs = programs();
        let folder = std::env::temp_dir().join(unique("cuetone-postgres-"));
        // One that a killed process with our number left behind.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("its rights");
        let run_as = (fs::metadata(&folder).map(|folder| uid(&folder)).ok() == Some(0)).then(unprivileged);
        fs::write(folder.join("password"), PASSWORD).expect("written");
        if let Some((user, group)) = run_as {
            for path in [&folder, &folder.join("password")] {
                chown(path, Some(user), Some(group)).expect("the folder given away");
            }
        }
        let mut server = Self { programs, folder, run_as, port: 0, keeper: None };
        let made = server
            .command(&server.programs.join("initdb"))
            .args(["--username", USER, "--auth=scram-sha-256", "--pwfile=password", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions", "-D", "data"])
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        server.port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        server.restart();
        server
    }

    /// `postgres://…` of a database on it; `postgres` is always there.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Orderly, with all connections cut: what an administrator's restart does.
    pub fn stop(&mut self) {
        self.end("stop\n");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.end("kill\n");
    }

    /// After [`Self::stop`] or [`Self::kill`]: the same data on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        let deadline = Instant::now() + START_LIMIT;
        while !self.try_start(deadline) {
            // Processes of a killed server are still letting go of its memory, or the port.
            assert!(Instant::now() < deadline, "PostgreSQL does not start:\n{}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn try_start(&mut self, deadline: Instant) -> bool {
        assert!(self.keeper.is_none(), "the server runs");
        let mut keeper = self
            .command(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([&self.programs, &self.folder])
            .arg(self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not ours: whoever runs the tests would wait for it to be closed.
            .stderr(Stdio::null())
            // Whoever interrupts the tests leaves the keeper time to clean up.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut pid = String::new();
        BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut pid).expect("a number");
        let pid = pid.trim().to_owned();
        self.keeper = Some(keeper);
        while Instant::now() < deadline {
            // What `pg_ctl --wait` looks at: line 1 is the process, line 8 its state.
            let state = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            let lines: Vec<&str> = state.lines().map(str::trim).collect();
            if lines.first() == Some(&pid.as_str()) && lines.get(7) == Some(&"ready") {
                return true;
            }
            let gone = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
            if gone {
                self.end("kill\n");
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn end(&mut self, order: &str) {
        let Some(mut keeper) = self.keeper.take() else { return };
        if let Some(mut orders) = keeper.stdin.take() {
            let _ = orders.write_all(order.as_bytes());
        }
        let _ = keeper.wait();
    }

    fn log(&self) -> String {
        let mut log = String::new();
        let _ = fs::File::open(self.folder.join("log")).and_then(|mut file| file.read_to_string(&mut log));
        log
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("LC_ALL", "C").env_remove("PGDATA");
        if let Some((user, group)) = self.run_as {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end("");
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn uid(file: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(file)
}

/// User and group to run PostgreSQL as when we are root.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let find = |name: &str| {
        let mut fields = users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
        let user = fields.nth(2)?.parse().ok()?;
        Some((user, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).expect("a user `postgres` or `nobody`")
}

/// The folder with `initdb` and `postgres`: in PATH, or where Debian puts the newest version.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, folder)| folder);
    let complete = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    std::env::split_paths(&path).chain(debian).find(complete).unwrap_or_else(|| {
        panic!(
            "PostgreSQL is not installed: install its server (on Debian: apt-get install postgresql), or name one in \
             {VARIABLE} as postgres://user:password@host:port/database, with a role that may create databases"
        )
    })
}

/// A fresh database. Dropped, it is gone.
pub struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    /// # Panics
    /// If there is no server, or it makes no database.
    pub async fn fresh() -> Self {
        let server = std::env::var(VARIABLE).unwrap_or_else(|_| SHARED.url("postgres"));
        Self::fresh_on(&server).await
    }

    /// # Panics
    /// If the server at this URL makes no database.
    pub async fn fresh_on(server: &str) -> Self {
        let name = unique("cuetone_test_");
        let mut url = url::Url::parse(server).expect("a URL");
        url.set_path(&name);
        // A name may come again after a killed process.
        run(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(server, format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        Self { server: server.to_owned(), name, url: url.into() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own: this one may be inside of a runtime.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                if let Ok(mut connection) = PgConnection::connect(&server).await {
                    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                    let _ = connection.execute(AssertSqlSafe(sql)).await;
                }
            });
        });
        let _ = dropped.join();
    }
}

async fn run(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server).await.expect("the server for tests answers");
    connection.execute(AssertSqlSafe(sql)).await.expect("a database");
    let _ = connection.close().await;
}
