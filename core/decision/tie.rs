//! The order of what is otherwise equal: looks random, is the same for the same seed and ad on every machine.

/// What an ad adds: FNV-1a over its slug.
pub(super) fn of(ad: &str) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    ad.bytes().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Lower comes first. Neighbouring seeds, and ads that share most of their slug, differ in every bit.
pub(super) fn order(seed: u64, ad: u64) -> u64 {
    mix(ad ^ mix(seed))
}

/// The finaliser of SplitMix64.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
