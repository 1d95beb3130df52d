//! A client that asks over one connection and waits for each answer.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Opens every tenant of the servers that are started here.
pub const KEY: &str = "a-key-of-at-least-32-characters-for-the-load";

/// No answer takes as long; one that does fails the measurement.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Client {
    connection: BufReader<TcpStream>,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Itself, if the server said yes.
    pub fn good(self, what: &str) -> Self {
        assert!((200..300).contains(&self.status), "{what}: {} {}", self.status, String::from_utf8_lossy(&self.body));
        self
    }
}

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).expect("a socket");
        Self { connection: BufReader::new(stream) }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, "Content-Type: application/json\r\n", body.to_string().as_bytes())
    }

    pub fn put(&mut self, path: &str, media_type: &str, body: &[u8]) -> Answer {
        self.ask("PUT", path, &format!("Content-Type: {media_type}\r\n"), body)
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: load\r\nX-API-Key: {KEY}\r\nX-Geo-Country: US\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.connection.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat()).expect("sent");
        let mut line = String::new();
        self.connection.read_line(&mut line).expect("an answer");
        let status = line.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.connection.read_line(&mut line).expect("a header");
            match line.to_ascii_lowercase().trim().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(("transfer-encoding", _)) => panic!("{path}: an answer in chunks"),
                _ => {}
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).expect("a body");
        Answer { status, body }
    }
}
