//! Published sections, round trips and damage.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::domain::Span;

/// SCTE 35 clause 14, sample messages.
const PLACEMENT_START: &str = "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==";
const INSERT_OUT: &str = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";

fn bytes_of(text: &str) -> Vec<u8> {
    encode(&decode_text(text).unwrap()).unwrap()
}

/// Makes the checksum right again after the bytes were tampered with.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let sum = super::crc::crc(&bytes[..body]);
    bytes[body..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[test]
fn the_published_placement_opportunity_start_is_read_field_by_field() {
    let section = decode_text(PLACEMENT_START).unwrap();
    assert_eq!(section.command, Command::TimeSignal(Some(Ticks(0x0_72BD_0050))));
    assert_eq!((section.sap_type, section.tier, section.pts_adjustment), (3, 0xFFF, Ticks(0)));
    let segment = Segment {
        components: vec![],
        duration: Some(Ticks(0x01A5_99B0)),
        restrictions: Some(Restrictions {
            web_delivery_allowed: false,
            no_regional_blackout: true,
            archive_allowed: true,
            device_restrictions: 3,
        }),
        upid: Upid { kind: 0x08, bytes: vec![0, 0, 0, 0, 0x2C, 0xA0, 0xA1, 0x8A] },
        type_id: 0x34,
        segment_num: 2,
        segments_expected: 0,
        sub_segment: None,
    };
    let expect = Segmentation { event_id: 0x4800_008E, segment: Some(segment) };
    assert_eq!(section.descriptors, [Descriptor::Segmentation(expect)]);
}

#[test]
fn the_published_splice_insert_is_read_field_by_field() {
    let section = decode_text(INSERT_OUT).unwrap();
    let action = SpliceAction {
        out_of_network: true,
        at: SpliceAt::Program(Some(Ticks(0x0_7369_C02E))),
        duration: Some(BreakDuration { auto_return: true, length: Ticks(0x0052_CCF5) }),
        unique_program_id: 0,
        avail_num: 0,
        avails_expected: 0,
    };
    assert_eq!(section.command, Command::Insert(SpliceInsert { event_id: 0x4800_008F, action: Some(action) }));
    assert_eq!(section.descriptors, [Descriptor::Avail(0x135)]);
}

#[test]
fn published_sections_are_written_back_byte_for_byte() {
    for text in [PLACEMENT_START, INSERT_OUT] {
        assert_eq!(to_base64(&bytes_of(text)), text);
    }
}

#[test]
fn every_spelling_of_the_bytes_reads_the_same() {
    let section = decode_text(INSERT_OUT).unwrap();
    let bytes = bytes_of(INSERT_OUT);
    let hex = to_hex(&bytes);
    assert!(hex.starts_with("0xFC302F0000"), "{hex}");
    let url = INSERT_OUT.replace('+', "-").replace('/', "_");
    for text in [
        INSERT_OUT.trim_end_matches('=').to_owned(),
        url.trim_end_matches('=').to_owned(),
        url,
        hex.to_lowercase(),
        hex.replace("0x", "0X"),
        hex.trim_start_matches("0x").to_owned(),
        hex,
        format!(" \"{INSERT_OUT}\"\r\n"),
    ] {
        assert_eq!(decode_text(&text).as_ref(), Ok(&section), "{text}");
    }
}

#[test]
fn what_is_no_section_is_refused_with_the_reason() {
    fn check(text: &str, expect: &str) {
        assert_eq!(decode_text(text).unwrap_err().to_string(), expect, "{text}");
    }
    check("", "splice_info_section is cut off");
    check("/DA?", "not base64: Invalid symbol 63, offset 3.");
    check("0xFC3", "not hex: character 2 is no digit or has no pair");
    check("0xFCzz", "not hex: character 2 is no digit or has no pair");
    check("R0lGODlh", "table_id is 0x47, not 0xFC: no splice_info_section");
    check("/DAv", "section_length says 50 bytes in all, but there are 3");
    check("0xFC3000", "splice_info_section is cut off");
    check(&"A".repeat(2 * MAX_SECTION_BYTES + 3), "longer than a section can be (4098 bytes)");
    let damaged = INSERT_OUT.replacen("IAA", "IBA", 1);
    assert!(matches!(decode_text(&damaged), Err(SectionError::Crc { .. })), "{:?}", decode_text(&damaged));
}

#[test]
fn encrypted_and_unknown_versions_are_refused_by_name() {
    let mut bytes = bytes_of(INSERT_OUT);
    bytes[4] = 0x80 | 2 << 1;
    assert_eq!(decode(&sealed(bytes.clone())), Err(SectionError::Encrypted(2)));
    bytes[3] = 1;
    assert_eq!(decode(&sealed(bytes)), Err(SectionError::Version(1)));
}

#[test]
fn old_encoders_that_leave_the_command_length_unknown_are_read() {
    for text in [INSERT_OUT, PLACEMENT_START] {
        let mut bytes = bytes_of(text);
        bytes[11] |= 0x0F;
        bytes[12] = 0xFF;
        assert_eq!(decode(&sealed(bytes)), decode_text(text));
    }
    let mut bytes = encode(&Section::new(Command::Private { identifier: 1, bytes: vec![2] }, vec![])).unwrap();
    bytes[11] |= 0x0F;
    bytes[12] = 0xFF;
    assert_eq!(decode(&sealed(bytes)), Err(SectionError::CommandLength(0xFF)));
}

#[test]
fn a_splice_schedule_is_skipped_with_what_follows_it_intact() {
    let mut schedule = vec![3];
    // Cancelled.
    schedule.extend([0, 0, 0, 1, 0xFF]);
    // Whole programme with a duration.
    schedule.extend([0, 0, 0, 2, 0x7F, 0xFF, 0x50, 0, 0, 0, 0xFE, 0, 0x29, 0x32, 0xE0, 0, 1, 1, 1]);
    // Two components without.
    schedule.extend([0, 0, 0, 3, 0x7F, 0x9F, 2, 1, 0x50, 0, 0, 0, 2, 0x50, 0, 0, 0, 0, 1, 1, 1]);
    let section = Section::new(Command::Schedule(schedule), vec![Descriptor::Avail(9)]);
    let mut bytes = encode(&section).unwrap();
    assert_eq!(decode(&bytes).as_ref(), Ok(&section));
    bytes[11] |= 0x0F;
    bytes[12] = 0xFF;
    assert_eq!(decode(&sealed(bytes)), Ok(section));
}

#[test]
fn descriptors_of_other_kinds_and_owners_are_kept_as_bytes() {
    let descriptors = vec![
        Descriptor::Other { tag: 0x01, bytes: b"CUEI\x05\x60123".to_vec() },
        Descriptor::Other { tag: 0x02, bytes: b"ACME??".to_vec() },
        Descriptor::Other { tag: 0xF0, bytes: vec![] },
    ];
    let section = Section::new(Command::Null, descriptors);
    assert_eq!(decode(&encode(&section).unwrap()), Ok(section));
}

#[test]
fn values_that_do_not_fit_are_not_written() {
    let long = Section::time_signal(None, [Segmentation::new(1, 0x34, None).with_upid(0x0F, vec![b'a'; 256])]);
    assert_eq!(encode(&long), Err(EncodeError::TooLarge("segmentation_upid_length")));
    let late = Section::splice_in(1, Some(Ticks(1 << 33)));
    assert_eq!(encode(&late), Err(EncodeError::TooLarge("pts_time")));
    let full = Section::new(Command::Null, vec![Descriptor::Other { tag: 9, bytes: vec![0; 255] }; 16]);
    assert_eq!(encode(&full), Err(EncodeError::TooLarge("section_length")));
}

#[test]
fn presentation_times_are_adjusted_and_wrap_at_33_bits() {
    let mut section = Section::splice_out(1, Some(Ticks(0x1_FFFF_FFFF)), None);
    section.pts_adjustment = Ticks(11);
    assert_eq!(section.pts(), Some(Ticks(10)));
    assert_eq!(Section::splice_out(1, None, None).pts(), None);
}

#[test]
fn ticks_round_to_microseconds_and_back() {
    assert_eq!(Ticks(90_000 * 30).span(), Span::from_secs(30));
    assert_eq!(Ticks(1).span(), Span(11));
    assert_eq!(Ticks(2_702_700).span(), Span(30_030_000));
    assert_eq!(Ticks::from_span(Span(-5)), Ticks(0));
    assert_eq!(Ticks(u64::MAX).span(), Span::MAX);
}

#[test]
fn upids_are_text_where_the_standard_says_text_and_hex_elsewhere() {
    fn check(kind: u8, bytes: &[u8], expect: Option<&str>) {
        assert_eq!(Upid { kind, bytes: bytes.to_vec() }.text().as_deref(), expect);
    }
    check(0x00, b"", None);
    check(0x09, b"SIGNAL:abc", Some("SIGNAL:abc"));
    check(0x03, b"ABCD0123456H\0", Some("ABCD0123456H"));
    check(0x0F, b"\xFF\x01", Some("FF01"));
    check(0x08, &[0, 0, 0x2C, 0xA0], Some("00002CA0"));
    check(0x0D, b"\x09\x03abc\x08\x02\x0A\x0B", Some("09:abc;08:0A0B"));
    check(0x0D, b"\x09\x03abc\x08\x07\x0A", Some("09:abc"));
}

fn ticks(bits: u32) -> impl Strategy<Value = Ticks> {
    (0..1_u64 << bits).prop_map(Ticks)
}

fn any_time() -> impl Strategy<Value = Option<Ticks>> {
    option::of(ticks(33))
}

fn any_at() -> impl Strategy<Value = SpliceAt> {
    prop_oneof![
        Just(SpliceAt::ProgramNow),
        any_time().prop_map(SpliceAt::Program),
        vec(any::<u8>(), 0..4).prop_map(SpliceAt::ComponentsNow),
        vec((any::<u8>(), any_time()), 0..4).prop_map(SpliceAt::Components),
    ]
}

fn any_action() -> impl Strategy<Value = SpliceAction> {
    let duration = (any::<bool>(), ticks(33)).prop_map(|(auto_return, length)| BreakDuration { auto_return, length });
    (any::<bool>(), any_at(), option::of(duration), any::<u16>(), any::<u8>(), any::<u8>()).prop_map(
        |(out_of_network, at, duration, unique_program_id, avail_num, avails_expected)| SpliceAction {
            out_of_network,
            at,
            duration,
            unique_program_id,
            avail_num,
            avails_expected,
        },
    )
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Null),
        Just(Command::BandwidthReservation),
        any_time().prop_map(Command::TimeSignal),
        (any::<u32>(), option::of(any_action()))
            .prop_map(|(event_id, action)| Command::Insert(SpliceInsert { event_id, action })),
        (any::<u32>(), vec(any::<u8>(), 0..9)).prop_map(|(identifier, bytes)| Command::Private { identifier, bytes }),
        (0x10_u8..0xF0, vec(any::<u8>(), 0..9)).prop_map(|(kind, bytes)| Command::Reserved { kind, bytes }),
    ]
}

fn any_segment() -> impl Strategy<Value = Segment> {
    let components = vec((any::<u8>(), ticks(33)).prop_map(|(tag, pts_offset)| Component { tag, pts_offset }), 0..3);
    let restrictions =
        (any::<bool>(), any::<bool>(), any::<bool>(), 0_u8..4).prop_map(|(web, region, archive, device)| {
            Restrictions {
                web_delivery_allowed: web,
                no_regional_blackout: region,
                archive_allowed: archive,
                device_restrictions: device,
            }
        });
    let upid = (any::<u8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, bytes)| Upid { kind, bytes });
    let numbers = (any::<u8>(), any::<u8>(), any::<u8>());
    let sub_segment = option::of((any::<u8>(), any::<u8>()).prop_map(|(num, expected)| SubSegment { num, expected }));
    (components, option::of(ticks(40)), option::of(restrictions), upid, numbers, sub_segment).prop_map(
        |(components, duration, restrictions, upid, (type_id, segment_num, segments_expected), sub_segment)| Segment {
            components,
            duration,
            restrictions,
            upid,
            type_id,
            segment_num,
            segments_expected,
            sub_segment,
        },
    )
}

fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    prop_oneof![
        any::<u32>().prop_map(Descriptor::Avail),
        (any::<u32>(), option::of(any_segment()))
            .prop_map(|(event_id, segment)| Descriptor::Segmentation(Segmentation { event_id, segment })),
        (3_u8.., vec(any::<u8>(), 0..20)).prop_map(|(tag, bytes)| Descriptor::Other { tag, bytes }),
    ]
}

fn any_section() -> impl Strategy<Value = Section> {
    (0_u8..4, ticks(33), any::<u8>(), 0_u16..0x1000, any_command(), vec(any_descriptor(), 0..4)).prop_map(
        |(sap_type, pts_adjustment, cw_index, tier, command, descriptors)| Section {
            sap_type,
            pts_adjustment,
            cw_index,
            tier,
            command,
            descriptors,
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_to_the_same_value(section in any_section()) {
        let bytes = encode(&section).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(section.clone()));
        prop_assert_eq!(decode_text(&to_base64(&bytes)), Ok(section.clone()));
        prop_assert_eq!(decode_text(&to_hex(&bytes)), Ok(section));
    }

    #[test]
    fn any_flipped_bit_is_noticed(section in any_section(), at in any::<prop::sample::Index>()) {
        let mut bytes = encode(&section).unwrap();
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 0x80 >> (bit % 8);
        let error = decode(&bytes).unwrap_err();
        // The first byte says what it is, the next two how much there is; all others only the CRC can judge.
        match bit {
            0..8 => prop_assert!(matches!(error, SectionError::NotASection(_)), "{error}"),
            12..24 => {
                let by_length = matches!(error, SectionError::Length { .. } | SectionError::Truncated(_));
                prop_assert!(by_length || matches!(error, SectionError::Crc { .. }), "{error}");
            }
            _ => prop_assert!(matches!(error, SectionError::Crc { .. }), "{error}"),
        }
    }

    #[test]
    fn any_bytes_are_answered_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    /// Random bytes never pass the CRC, so this one reaches the parsers behind it.
    #[test]
    fn any_sealed_bytes_are_answered_without_panic(
        kind in any::<u8>(),
        loose in any::<bool>(),
        rest in vec(any::<u8>(), 0..120),
    ) {
        let mut bytes = vec![0xFC, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xF0, 0, kind];
        if loose { bytes[11] = 0xFF; bytes[12] = 0xFF; } else { bytes[12] = rest.len().min(30) as u8; }
        bytes.extend(rest);
        bytes.extend([0; 4]);
        bytes[2] = (bytes.len() - 3) as u8;
        if let Ok(section) = decode(&sealed(bytes)) {
            let again = encode(&section).unwrap();
            prop_assert_eq!(decode(&again), Ok(section));
        }
    }

    #[test]
    fn any_text_is_answered_without_panic(text in "(0x|/DA|FC)?[A-Za-z0-9+/=_-]{0,80}|.{0,40}") {
        let _ = decode_text(&text);
    }

    #[test]
    fn ticks_survive_microseconds(ticks in 0_u64..1 << 40) {
        prop_assert_eq!(Ticks::from_span(Ticks(ticks).span()), Ticks(ticks));
    }
}
