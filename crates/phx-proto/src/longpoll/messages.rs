//! The messages of one answer, as text without the escapes of JSON.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::Frame;
use crate::serializer::DecodeCause;
use crate::serializer::scan::Scanner;

/// The messages of an answer that aren't read yet. Together they are no longer than the answer was.
#[derive(Default)]
pub(super) struct Messages {
    /// One after the other.
    text: Vec<u8>,
    /// The position in `text` of the next one.
    at: usize,
    /// A byte for each, or nine for a long one: the bytes of an empty message in an answer are three.
    lens: vec::IntoIter<u8>,
    /// A copy of what follows at `at`, or nothing.
    piece: Bytes,
    size: usize,
}

/// In the place of a length: eight bytes of a longer one follow.
const LONG: u8 = 255;

/// In the place of a length: an entry that is no text.
const NOT_TEXT: u8 = 254;

/// Bytes that an answer takes beside its messages.
const ANSWER: usize = 256;

/// Bytes that short messages are copied in, several at a time. A payload that is kept keeps as many, as one from a WebSocket
/// does, but not the whole answer.
const PIECE: usize = 1 << 10;

/// An entry of the list that is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotText;

impl Messages {
    /// Reads a list. `None` if it isn't one.
    pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Option<Self>, DecodeCause> {
        if !scanner.eat(b'[') {
            scanner.value()?;
            return Ok(None);
        }
        if scanner.peek() == Some(b']') {
            scanner.expect(b']')?;
            return Ok(Some(Messages::default()));
        }
        // No escape is shorter than what it stands for, and a word may be copied beyond the end.
        let mut text = vec![0; scanner.text().len().saturating_add(8)];
        let (mut len, mut lens) = (0_usize, Vec::new());
        loop {
            if scanner.peek() == Some(b'"') {
                let rest = text.get_mut(len..).unwrap_or_default();
                let added = scanner.unescaped(rest)?;
                push_len(&mut lens, added);
                len = len.saturating_add(added.unwrap_or_default());
            } else {
                scanner.value()?;
                push_len(&mut lens, None);
            }
            if !scanner.eat(b',') {
                break;
            }
        }
        scanner.expect(b']')?;
        text.truncate(len);
        if len < text.capacity() / 2 {
            text.shrink_to_fit();
        }
        let size = text.capacity().saturating_add(lens.capacity()).saturating_add(ANSWER);
        Ok(Some(Messages { text, at: 0, lens: lens.into_iter(), piece: Bytes::new(), size }))
    }

    /// The bytes that they take in memory until all are read, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Returns `true` if no message is left.
    pub(super) fn is_empty(&self) -> bool {
        self.lens.as_slice().is_empty()
    }

    /// The next message, as the frame that it was on the server.
    pub(super) fn next(&mut self) -> Option<Result<Frame, NotText>> {
        let len = match self.lens.next()? {
            NOT_TEXT => return Some(Err(NotText)),
            LONG => {
                let mut bytes = [0; 8];
                bytes.iter_mut().zip(&mut self.lens).for_each(|(to, from)| *to = from);
                usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
            }
            len => usize::from(len),
        };
        if self.piece.len() < len {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let piece = if len > PIECE / 4 { len } else { PIECE };
            self.piece = Bytes::copy_from_slice(rest.get(..piece).unwrap_or(rest));
        }
        let bytes = self.piece.split_to(len.min(self.piece.len()));
        self.at = self.at.saturating_add(len);
        Some(Ok(match bytes.first() {
            // The kind of a binary frame, which no text of JSON begins with.
            Some(0..=2) => Frame::Binary(bytes),
            _ => Frame::Text(bytes),
        }))
    }
}

fn push_len(lens: &mut Vec<u8>, len: Option<usize>) {
    match len {
        None => lens.push(NOT_TEXT),
        Some(len) => match u8::try_from(len) {
            Ok(len) if len < NOT_TEXT => lens.push(len),
            _ => {
                lens.push(LONG);
                let len = u64::try_from(len).unwrap_or(u64::MAX);
                lens.extend_from_slice(&len.to_le_bytes());
            }
        },
    }
}
