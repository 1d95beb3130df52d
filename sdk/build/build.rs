//! Has the crate compiled again when a template changes: `include_dir!` alone does not see that.

fn main() {
    for folder in ["template", "../wit/v1", "../js", "../python", "../c"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
