//! What `scripts/extensions_load.sh` runs: the host of extensions under load, measured from outside. Starts the server with
//! an origin that stands still in the middle of a break, and plugins built from their sources.
//!
//! ```text
//! extensions_load storm SERVER SWAPS fresh|alternate     swaps a plugin over and over while players ask
//! extensions_load tenants SERVER TENANTS                 many tenants with extensions of their own: start, memory
//! extensions_load neighbour SERVER ROUNDS SECONDS        a quiet tenant beside one whose plugin runs hot
//! ```
//!
//! SERVER is the server's binary. Prints one line of JSON and a sentence; fails if the rule is broken.

#![allow(clippy::expect_used, reason = "a measurement stops at the first thing that is not as it should be")]

#[path = "extensions_load/guests.rs"]
mod guests;
#[path = "extensions_load/http.rs"]
mod http;
#[path = "extensions_load/neighbour.rs"]
mod neighbour;
#[path = "extensions_load/server.rs"]
mod server;
#[path = "extensions_load/storm.rs"]
mod storm;
#[path = "extensions_load/tenants.rs"]
mod tenants;
#[path = "../benches/world/mod.rs"]
mod world;

use std::{path::Path, process::ExitCode};

/// What a measurement found, and whether its rule holds.
pub struct Outcome {
    pub figures: serde_json::Value,
    pub sentence: String,
    pub kept: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let outcome = match *arguments {
        ["storm", binary, swaps, "fresh"] => storm::run(Path::new(binary), number(swaps), storm::Versions::Fresh),
        ["storm", binary, swaps, "alternate"] => storm::run(Path::new(binary), number(swaps), storm::Versions::Two),
        ["tenants", binary, tenants] => tenants::run(Path::new(binary), number(tenants)),
        ["neighbour", binary, rounds, seconds] => {
            neighbour::run(Path::new(binary), number(rounds), number(seconds) as u64)
        }
        _ => {
            eprintln!("usage: extensions_load storm|tenants|neighbour …");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", outcome.figures);
    println!("{}{}", outcome.sentence, if outcome.kept { "" } else { " THE RULE IS BROKEN." });
    if outcome.kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
