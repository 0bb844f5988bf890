//! Bytes that whoever knows a number can foretell.

/// The byte at a place of the pattern that a number stands for.
pub fn byte(number: u64, offset: u64) -> u8 {
    let mixed = (number ^ offset.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 56) as u8
}

pub fn bytes(number: u64, from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64).map(|offset| byte(number, offset)).collect()
}

/// Panics unless the bytes are those of the pattern from an offset on.
pub fn check(what: &str, number: u64, from: u64, found: &[u8]) {
    for (offset, found) in (from..).zip(found) {
        let expected = byte(number, offset);
        assert!(*found == expected, "{what} {number:x} holds {found} at {offset} instead of {expected}");
    }
}

/// A number that other bytes are unlikely to have too.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
