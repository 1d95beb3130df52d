//! What is written against the IAB's own schemas, for whoever has them: their licence lets nobody hand them on, so this
//! test does not run by itself. `VAST_SCHEMAS` names a folder with the XSDs of
//! <https://github.com/InteractiveAdvertisingBureau/vast> (there is none for 4.3, which is written like 4.2):
//!
//! ```sh
//! VAST_SCHEMAS=../vast cargo test --lib schemas -- --ignored
//! ```
//!
//! `order` states the same rules by hand, and always runs.

use std::{fs, path::Path, process::Command};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use super::generate::Bytes;
use crate::media::vast::*;

const SCHEMAS: [(Version, &str); 5] = [
    (Version::V2_0, "vast_2.0.1.xsd"),
    (Version::V3_0, "vast3_draft.xsd"),
    (Version::V4_0, "vast4.xsd"),
    (Version::V4_1, "vast_4.1.xsd"),
    (Version::V4_2, "vast_4.2.xsd"),
];

#[test]
#[ignore = "needs xmllint and, in VAST_SCHEMAS, schemas that may not be copied"]
fn what_is_written_is_valid_by_the_schemas() {
    let schemas = std::env::var("VAST_SCHEMAS").expect("VAST_SCHEMAS names a folder");
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = proptest::collection::vec(any::<u8>(), 200..4_000);
    let mut runner = TestRunner::new(Config::default());
    for (version, schema) in SCHEMAS {
        for number in 0..300 {
            let bytes = bytes.new_tree(&mut runner).expect("bytes").current();
            let text = write(&complete(Bytes::tame(&bytes).vast(), version), version);
            fs::write(folder.path().join(format!("{number}.xml")), text).expect("written");
        }
        let files = fs::read_dir(folder.path()).expect("a folder").flatten().map(|file| file.path());
        let schema = Path::new(&schemas).join(schema);
        let lint = Command::new("xmllint").args(["--noout", "--schema"]).arg(schema).args(files).output();
        let lint = lint.expect("xmllint runs");
        let errors = String::from_utf8_lossy(&lint.stderr);
        let errors: Vec<&str> = errors.lines().filter(|line| line.contains("error")).take(20).collect();
        assert!(lint.status.success(), "{version:?}\n{}", errors.join("\n"));
    }
}

/// With the parts that only whoever makes an ad can know, and without what a schema alone forbids.
pub(super) fn complete(mut vast: Vast, version: Version) -> Vast {
    // The 3.0 draft has no error URLs of responses.
    if version < Version::V4_0 {
        vast.errors.clear();
    }
    for ad in &mut vast.ads {
        match &mut ad.content {
            AdContent::InLine(inline) => complete_inline(inline, version),
            AdContent::Wrapper(wrapper) => complete_wrapper(wrapper, version),
        }
    }
    vast
}

fn complete_inline(inline: &mut InLine, version: Version) {
    if inline.creatives.is_empty() {
        inline.creatives.push(Creative::default());
    }
    for creative in &mut inline.creatives {
        if version < Version::V4_0 && creative.linear.is_none() {
            creative.linear = Some(Linear::default());
        }
        let Some(linear) = &mut creative.linear else { continue };
        if linear.media_files.is_empty() {
            linear.media_files.push(MediaFile {
                mime: "video/mp4".to_owned(),
                url: "a".to_owned(),
                ..Default::default()
            });
        }
        only_one(&mut linear.icons, version);
    }
}

fn complete_wrapper(wrapper: &mut Wrapper, version: Version) {
    if version < Version::V4_0 {
        // The draft has no attributes of wrappers.
        let plain = Wrapper::new("");
        wrapper.follow_additional_wrappers = plain.follow_additional_wrappers;
        wrapper.allow_multiple_ads = plain.allow_multiple_ads;
        wrapper.fallback_on_no_ad = plain.fallback_on_no_ad;
    }
    for linear in wrapper.creatives.iter_mut().filter_map(|creative| creative.linear.as_mut()) {
        only_one(&mut linear.icons, version);
    }
}

/// The schemas of 4.0 and 4.1 have `all` where they mean `sequence`.
fn only_one(icons: &mut Vec<Icon>, version: Version) {
    if version < Version::V4_2 {
        icons.truncate(1);
    }
}
