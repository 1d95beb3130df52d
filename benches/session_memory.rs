//! What a session that nobody asks for holds in memory: `cargo bench --bench session_memory [-- SESSIONS]`.
//!
//! Counts the bytes of all live allocations (as asked for, without the allocator's own rounding) before and after many
//! sessions were opened and polled once per rendition in the middle of a break.

mod world;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
    time::Duration,
};

use cuetone::session::{Session, SessionToken};
use world::{TENANT, World, index, renditions, tenant};

const SESSIONS: usize = 20_000;

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static BLOCKS: AtomicIsize = AtomicIsize::new(0);

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(signed(layout.size()), Relaxed);
        BLOCKS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(signed(layout.size()), Relaxed);
        BLOCKS.fetch_sub(1, Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(signed(size) - signed(layout.size()), Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is live now.
#[derive(Clone, Copy)]
struct Level {
    bytes: isize,
    blocks: isize,
    resident: isize,
}

impl Level {
    fn now() -> Self {
        // Fields of statm: size, resident, … in pages of 4 KiB.
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<isize>().ok()).unwrap_or(0);
        Self { bytes: LIVE.load(Relaxed), blocks: BLOCKS.load(Relaxed), resident: pages * 4096 }
    }

    fn report(self, what: &str, since: Self, sessions: usize) {
        let per = |amount: isize| amount as f64 / sessions as f64;
        println!(
            "{what:<58} {:>7.0} B {:>6.1} blocks {:>7.0} B resident",
            per(self.bytes - since.bytes),
            per(self.blocks - since.blocks),
            per(self.resident - since.resident)
        );
    }
}

fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let sessions = given.unwrap_or(SESSIONS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(sessions));
}

async fn measure(count: usize) {
    let world = World::new(3).await;
    let sessions = &world.app.sessions;
    // What is common to all (tracks, pods, bodies, scripts) is there before the first is counted.
    let mut kept: Vec<(SessionToken, Vec<usize>)> = Vec::with_capacity(count);
    for _ in 0..200 {
        let (token, indices) = open(&world).await;
        for index in indices {
            poll(&world, &token, index).await;
        }
    }
    println!("bytes per session, {count} sessions on a live channel in the middle of a break");
    println!("{:<58} {:>7} B", "size of Session itself", size_of::<Session>());
    let start = Level::now();
    for _ in 0..count {
        let (token, indices) = open(&world).await;
        // The list of this measurement is not the server's: exactly as much as is let go again at the end.
        kept.push((token, indices));
    }
    let list = signed(kept.iter().map(|(_, indices)| indices.capacity() * size_of::<usize>()).sum());
    let less_list = |level: Level| Level { bytes: level.bytes - list, blocks: level.blocks - signed(count), ..level };
    let opened = less_list(Level::now());
    opened.report("opened: table, viewer", start, count);
    for (token, indices) in &kept {
        poll(&world, token, indices[0]).await;
    }
    let one = less_list(Level::now());
    one.report("+ a variant polled: timeline, splice, numbering, ads seen", opened, count);
    for (token, indices) in &kept {
        poll(&world, token, *indices.last().expect("audio")).await;
    }
    let both = less_list(Level::now());
    both.report("+ its audio polled: numbering", one, count);
    // Shared bodies leave the cache by time; what remains is the sessions'.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let rest = less_list(Level::now());
    rest.report("a session at rest", start, count);
    assert!(kept.iter().all(|(token, _)| sessions.get(token).is_some()), "no session was dropped");
    let per_session = (rest.bytes - start.bytes) as f64 / count as f64;
    println!("goal 512 B, limit 1024 B: {}", if per_session <= 1024.0 { "within the limit" } else { "OVER THE LIMIT" });
}

async fn open(world: &World) -> (SessionToken, Vec<usize>) {
    let text =
        world.app.sessions.open(TENANT, "live", tenant::viewer(), Default::default, "").await.expect("a session");
    let paths = renditions(&text);
    let token = paths[0].split('/').nth(1).and_then(SessionToken::parse).expect("a token");
    (token, paths.iter().map(|path| index(path)).collect())
}

async fn poll(world: &World, token: &SessionToken, rendition: usize) {
    let session = world.app.sessions.get(token).expect("an open session");
    let body = world.app.sessions.playlist(&session, rendition).await.expect("a playlist");
    assert!(body.text.windows(4).any(|four| four == b"\nad/"), "mid-break");
}
