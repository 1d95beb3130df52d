//! For any response and any bytes.

use proptest::prelude::*;

use super::generate::Bytes;
use crate::media::vast::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_for_4_2_reads_as_what_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let vast = Bytes::wild(&bytes).vast();
        let text = write(&vast, Version::V4_2);
        let read = parse(text.as_bytes());
        prop_assert_eq!(read, Ok(vast), "{}", text);
    }

    /// An older version loses something once, and then nothing more.
    #[test]
    fn every_version_can_say_again_what_it_once_said(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let vast = Bytes::wild(&bytes).vast();
        for version in Version::ALL {
            let once = parse(write(&vast, version).as_bytes()).expect("it was written");
            prop_assert_eq!(once.version, version);
            let again = parse(write(&once, version).as_bytes());
            prop_assert_eq!(again, Ok(once));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _either = parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_response_makes_the_parser_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..500),
        at in any::<prop::sample::Index>(),
        by in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut text = write(&Bytes::wild(&bytes).vast(), Version::V4_2).into_bytes();
        let at = at.index(text.len());
        text.splice(at..text.len().min(at + 2), by);
        if let Ok(vast) = parse(&text) {
            for version in Version::ALL {
                prop_assert!(parse(write(&vast, version).as_bytes()).is_ok());
            }
        }
    }
}
