//! Sections as playlists carry them: base64 in either alphabet, or hex.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{MAX_SECTION_BYTES, Section, SectionError, decode};

/// Padding is optional and the bits that it leaves over are not looked at: the CRC guards the content.
const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, TOLERANT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, TOLERANT);

/// Decodes a section written as base64 (standard or URL alphabet) or as hex (with or without `0x`). A section starts
/// with the byte 0xFC, `/D` in base64, so the three spellings never look alike.
pub fn decode_text(text: &str) -> Result<Section, SectionError> {
    let text = text.trim().trim_matches('"');
    if text.len() > 2 + 2 * MAX_SECTION_BYTES {
        return Err(SectionError::TooLong);
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return decode(&from_hex(digits)?);
    }
    if text.get(..2).is_some_and(|first| first.eq_ignore_ascii_case("FC")) {
        return decode(&from_hex(text)?);
    }
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    decode(&engine.decode(text)?)
}

/// A section's bytes as standard base64 with padding (EXT-OATCLS-SCTE35, EXT-X-SCTE35).
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A section's bytes as an HLS hexadecimal sequence, `0xFC30…` (EXT-X-DATERANGE).
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    "0x".chars().chain(digits.filter_map(|digit| DIGITS.get(usize::from(digit)).copied())).collect()
}

fn from_hex(digits: &str) -> Result<Vec<u8>, SectionError> {
    let digit =
        |at: usize, byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(SectionError::Hex(at));
    let pairs = digits.as_bytes().chunks(2).enumerate();
    pairs
        .map(|(index, pair)| match *pair {
            [high, low] => Ok(digit(2 * index, high)? << 4 | digit(2 * index + 1, low)?),
            _ => Err(SectionError::Hex(2 * index)),
        })
        .collect()
}
