//! What stands in for bytes that weren't recorded.

use std::sync::{Mutex, PoisonError};

use phx_proto::{Bytes, Payload};

/// Longest payload, frame or answer that a recording may speak of, in bytes: as much memory as a replay needs for all
/// of them together.
pub(crate) const MAX_FILLER: u64 = 64 << 20;

/// This many spaces: slices of one buffer, whatever is asked for. `None` if that is more than [`MAX_FILLER`].
pub(crate) fn filler(len: u64) -> Option<Bytes> {
    static SPACES: Mutex<Bytes> = Mutex::new(Bytes::new());

    let len = usize::try_from(len).ok().filter(|_| len <= MAX_FILLER)?;
    let mut spaces = SPACES.lock().unwrap_or_else(PoisonError::into_inner);
    if spaces.len() < len {
        *spaces = vec![b' '; len.next_power_of_two()].into();
    }
    Some(spaces.slice(..len))
}

/// Returns `true` for a payload that may be a [`filler`].
pub(crate) fn is_filler(payload: &Payload) -> bool {
    payload.as_bytes().iter().all(|byte| *byte == b' ')
}
