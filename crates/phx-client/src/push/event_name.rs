//! The name of a push's event, kept beside the push for its error.

use phx_proto::ByteString;

/// Bytes of a name that is copied. Names of events are words.
const COPIED: usize = 22;

/// An event's name. The core has the name itself, until the frame is made. To share it costs an allocation and some 150
/// instructions for each push, and only an error needs it: so a short one is copied.
pub(super) enum EventName {
    /// The first `len` bytes are the name.
    Copied {
        /// Length in bytes, at most 22.
        len: u8,
        bytes: [u8; COPIED],
    },
    Shared(ByteString),
}

impl EventName {
    pub(super) fn of(event: &ByteString) -> Self {
        let mut bytes = [0; COPIED];
        match (u8::try_from(event.len()), bytes.get_mut(..event.len())) {
            (Ok(len), Some(start)) => {
                start.copy_from_slice(event.as_bytes());
                EventName::Copied { len, bytes }
            }
            _ => EventName::Shared(event.clone()),
        }
    }

    pub(super) fn get(&self) -> ByteString {
        match self {
            EventName::Copied { len, bytes } => {
                let name = bytes.get(..usize::from(*len)).unwrap_or_default();
                ByteString::try_from(name).unwrap_or_default()
            }
            EventName::Shared(event) => event.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_comes_back() {
        for len in 0..=64 {
            let name = ByteString::from("é".repeat(len / 2) + &"x".repeat(len % 2));
            assert_eq!(EventName::of(&name).get(), name);
        }
        let name = ByteString::from("x".repeat(300));
        assert_eq!(EventName::of(&name).get(), name);
    }
}
