//! The plugins, from their sources.

use cuetone::extension::Point;
use cuetone_build::Language;

#[path = "../../tests/guests/mod.rs"]
mod built;

/// A rule that turns as often as its viewer's parameter `turns` says, or without end.
const BURN: &str = include_str!("burn.rs.txt");

/// The template in Rust.
pub fn template(point: Point) -> Vec<u8> {
    built::template(Language::Rust, point)
}

pub fn burn() -> Vec<u8> {
    built::rust_with(Point::Targeting, "src/lib.rs", BURN)
}

/// The same plugin in other bytes: with one more custom section.
pub fn version(component: &[u8], number: usize) -> Vec<u8> {
    let name = b"load";
    let content = number.to_string();
    let size = 1 + name.len() + content.len();
    // Numbers below 128 are one byte in LEB128, and these are small.
    let head = [0, u8::try_from(size).expect("small"), u8::try_from(name.len()).expect("small")];
    [component, &head, name, content.as_bytes()].concat()
}
