//! The contract of plugins is frozen once it is released: plugins that were built against it run for years.
//!
//! Each released folder of `sdk/wit` has a copy beside it, printed without comments: comments may get better, types,
//! functions and names may not change. A new version is a new folder, and a new copy.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use wit_component::WitPrinter;
use wit_parser::Resolve;

/// Folders of `sdk/wit` that were released.
const RELEASED: [&str; 1] = ["v1"];

fn printed(folder: &str) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(format!("sdk/wit/{folder}")).unwrap();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).unwrap();
    printer.output.to_string()
}

#[test]
fn a_released_contract_does_not_change() {
    for folder in RELEASED {
        let path = format!("sdk/wit/{folder}.frozen.wit");
        let frozen = std::fs::read_to_string(&path).unwrap_or_default();
        let found = printed(folder);
        if frozen.is_empty() && std::env::var_os("CUETONE_FREEZE").is_some() {
            std::fs::write(&path, &found).unwrap();
            continue;
        }
        assert!(
            found == frozen,
            "sdk/wit/{folder} is released and must stay as it is in {path}: make a new folder for what has to be \
             different.\n--- now\n{found}"
        );
    }
}

#[test]
fn every_folder_of_the_contract_says_what_everything_means() {
    for folder in RELEASED {
        for file in std::fs::read_dir(format!("sdk/wit/{folder}")).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            // Records, variants and interfaces that stand without a comment before them.
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate().skip(1) {
                let opens = ["record ", "variant ", "interface ", "world "].iter().any(|word| line.starts_with(word));
                assert!(
                    !opens || lines[at - 1].starts_with("///"),
                    "{}: `{line}` says nothing of itself",
                    path.display()
                );
            }
        }
    }
}
