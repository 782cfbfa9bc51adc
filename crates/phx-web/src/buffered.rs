//! The bytes that wait in the browser to be sent, and how many more it is given.

use std::time::Duration;

/// Bytes that wait in the browser beyond which it is given no further frame: so a push isn't sent while megabytes wait.
const MAX_BUFFERED: usize = 256 << 10;

/// Time between two looks at the bytes that wait, while they are above the limit: browsers have no event for that.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns the bytes of frames that may be given to the browser; `None`: nothing. `buffered` is its `bufferedAmount`.
pub(crate) fn room(buffered: u32) -> Option<usize> {
    let buffered = usize::try_from(buffered).unwrap_or(usize::MAX);
    MAX_BUFFERED.checked_sub(buffered).filter(|room| *room > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_frame_is_given_above_the_limit() {
        assert_eq!(room(0), Some(262_144));
        assert_eq!(room(262_143), Some(1));
        for buffered in [262_144, 262_145, 40 << 20, u32::MAX] {
            assert_eq!(room(buffered), None, "{buffered}");
        }
    }
}
