//! Plain decimal numbers at the start of text.

/// The plain decimal that `text` starts with, up to what is no digit, and its length.
#[inline]
pub(crate) fn number_at_start(text: &[u8]) -> Option<(u64, usize)> {
    let (mut number, mut len) = (0_u64, 0_usize);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // Wrapping is harmless: a number that may have wrapped is parsed again below.
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        len = len.wrapping_add(1);
    }
    // Any 19 digits fit.
    if len > 19 {
        number = long_number(text.get(..len)?)?;
    }
    let is_plain = len == 1 || (len > 1 && text.first() != Some(&b'0'));
    is_plain.then_some((number, len))
}

#[cold]
fn long_number(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}
