//! Writes the one SCTE-35 message that the demo channel sends: a `splice_insert` that opens a break.
//!
//! A writer of its own, independent of the reader in `media::scte35`: the demo stands for somebody else's encoder.

/// `splice_insert` (SCTE 35 9.7.3): out of network, immediate, whole programme, with a break duration and auto return.
/// Answers the whole `splice_info_section` in the hexadecimal form of a DATERANGE attribute: `0xFC30…`.
pub fn out_of_network(event_id: u32, seconds: i64) -> String {
    /// The 90 kHz clock of MPEG systems.
    const TICKS_PER_SECOND: u64 = 90_000;
    const COMMAND_LENGTH: u8 = 15;
    /// What follows the length field: header 11, command, descriptor loop length 2, CRC 4.
    const SECTION_LENGTH: u8 = 11 + COMMAND_LENGTH + 2 + 4;

    let ticks = u64::try_from(seconds).unwrap_or(0).saturating_mul(TICKS_PER_SECOND) & 0x1_FFFF_FFFF;
    let mut section = vec![0xFC, 0x30, SECTION_LENGTH];
    // Protocol version 0, not encrypted, no PTS adjustment, cw_index 0xFF, tier 0xFFF, command length and type 5.
    section.extend([0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xF0, COMMAND_LENGTH, 0x05]);
    section.extend(event_id.to_be_bytes());
    // Not cancelled; out_of_network, program_splice, duration and splice_immediate flags.
    section.extend([0x7F, 0xFF]);
    // auto_return and six reserved bits, then 33 bits of duration.
    section.extend((0xFE_0000_0000 | ticks).to_be_bytes().into_iter().skip(3));
    // unique_program_id 1, avail 0 of 0; no descriptors.
    section.extend([0, 1, 0, 0, 0, 0]);
    section.extend(crc32_mpeg(&section).to_be_bytes());
    section.iter().fold(String::from("0x"), |text, byte| format!("{text}{byte:02X}"))
}

/// CRC-32/MPEG-2: the check of every MPEG section.
fn crc32_mpeg(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_that_of_mpeg_sections() {
        assert_eq!(crc32_mpeg(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn a_section_is_as_long_as_it_says_and_checks_to_zero() {
        let hex = out_of_network(29_166_666, 20);
        let digits = hex.strip_prefix("0x").expect("prefix");
        let bytes: Vec<u8> =
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect();
        assert_eq!(bytes.len(), 3 + usize::from(bytes[2]));
        assert_eq!(crc32_mpeg(&bytes), 0);
        assert!(digits.contains("01BD0C4A7FFFFE001B7740"), "event id, flags and 1 800 000 ticks: {hex}");
    }
}
