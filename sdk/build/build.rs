//! Has the crate compiled again when a template changes: `include_dir!` alone does not see that.

fn main() {
    for folder in [
        "template",
        "../wit/v1",
        "../rust/src",
        "../rust/template",
        "../js",
        "../python",
        "../c",
        "../../tests/conformance",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
