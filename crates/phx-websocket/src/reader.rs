//! Frames in: from the server's bytes to messages and control frames.

use bytes::Bytes;

use crate::Error;
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::frame::{Head, MAX_CONTROL, MAX_HEAD, Opcode};
use crate::message::{Message, Partial};

/// Something that has come whole.
pub(crate) enum Item {
    Message(Message),
    /// A close, ping or pong, whose payload is [`Reader::control`].
    Control(Opcode),
}

/// State between two pieces of the server's bytes.
pub(crate) struct Reader {
    /// Largest message, in bytes.
    max: usize,
    /// The head of which a part has come.
    head: [u8; MAX_HEAD],
    head_len: usize,
    /// The frame whose payload comes next.
    frame: Option<Frame>,
    /// Payload of the control frame that came last, or comes now.
    control: [u8; MAX_CONTROL],
    control_len: usize,
    /// The message whose frames come.
    message: Option<Partial>,
    #[cfg(feature = "deflate")]
    inflater: Option<Inflater>,
    /// True if the work of a call was limited: another call goes on without more bytes.
    has_more: bool,
}

/// A frame whose payload hasn't come whole.
#[derive(Clone, Copy)]
struct Frame {
    opcode: Opcode,
    is_last: bool,
    /// Bytes of the payload that haven't come.
    left: u64,
}

impl Reader {
    pub(crate) fn new(max: usize) -> Self {
        Reader {
            max,
            head: [0; MAX_HEAD],
            head_len: 0,
            frame: None,
            control: [0; MAX_CONTROL],
            control_len: 0,
            message: None,
            #[cfg(feature = "deflate")]
            inflater: None,
            has_more: false,
        }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn set_inflater(&mut self, inflater: Inflater) {
        self.inflater = Some(inflater);
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn take_inflated(&mut self) -> usize {
        self.inflater.as_mut().map(Inflater::take_work).unwrap_or_default()
    }

    pub(crate) fn control(&self) -> &[u8] {
        self.control.get(..self.control_len).unwrap_or_default()
    }

    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes bytes from the front of `input` until something is whole, or none are left, or the work of a call is done.
    #[inline]
    pub(crate) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Item>, Error> {
        self.has_more = false;
        loop {
            if let Some(frame) = self.frame {
                let item = self.read_payload(frame, input)?;
                if item.is_some() || self.frame.is_some() {
                    return Ok(item);
                }
                continue;
            }
            let Some(head) = self.read_head(input)? else {
                return Ok(None);
            };
            if self.message.is_none()
                && head.is_last
                && !head.is_compressed
                && let Some(message) = self.whole(head, input)?
            {
                return Ok(Some(Item::Message(message)));
            }
            self.begin(head)?;
        }
    }

    /// Returns the message of a frame that has come whole.
    #[inline]
    fn whole(&self, head: Head, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        let is_text = match head.opcode {
            Opcode::Text => true,
            Opcode::Binary => false,
            _ => return Ok(None),
        };
        let Ok(len) = usize::try_from(head.len) else {
            return Ok(None);
        };
        let Some((payload, rest)) = input.split_at_checked(len).filter(|_| len <= self.max) else {
            return Ok(None);
        };
        if is_text && core::str::from_utf8(payload).is_err() {
            return Err(Error::NotUtf8);
        }
        *input = rest;
        Ok(Some(Message::new(is_text, Bytes::copy_from_slice(payload))))
    }

    #[inline]
    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Error> {
        #[cfg(feature = "deflate")]
        let may_compress = self.inflater.is_some();
        #[cfg(not(feature = "deflate"))]
        let may_compress = false;
        if self.head_len == 0
            && let Some((head, len)) = Head::parse(input, may_compress)?
        {
            *input = input.split_at_checked(len).unwrap_or_default().1;
            return Ok(Some(head));
        }
        while let Some((byte, rest)) = input.split_first() {
            if let Some(place) = self.head.get_mut(self.head_len) {
                *place = *byte;
            }
            self.head_len = self.head_len.saturating_add(1).min(MAX_HEAD);
            *input = rest;
            let head = self.head.get(..self.head_len).unwrap_or_default();
            if let Some((head, _)) = Head::parse(head, may_compress)? {
                self.head_len = 0;
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Checks that the frame may come now, and that its message keeps the limit.
    fn begin(&mut self, head: Head) -> Result<(), Error> {
        match (head.opcode, &self.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => self.control_len = 0,
            (Opcode::Continuation, None) => return Err(Error::UnexpectedContinuation),
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Error::UnfinishedMessage),
            (Opcode::Text | Opcode::Binary, None) => {
                let is_text = head.opcode == Opcode::Text;
                self.message = Some(Partial::new(is_text, head.is_compressed));
            }
        }
        if !head.opcode.is_control()
            && let Some(message) = &mut self.message
            && !message.is_compressed
        {
            message.reserve(head.len, self.max)?;
        }
        self.frame = Some(Frame { opcode: head.opcode, is_last: head.is_last, left: head.len });
        Ok(())
    }

    /// Takes payload bytes. The frame stays the current one if more of it must come.
    fn read_payload(&mut self, frame: Frame, input: &mut &[u8]) -> Result<Option<Item>, Error> {
        let count = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
        let (mut piece, _) = input.split_at_checked(count).unwrap_or_default();
        let is_done = self.take(frame.opcode, &mut piece)?;
        let taken = count.saturating_sub(piece.len());
        *input = input.split_at_checked(taken).unwrap_or_default().1;
        let left = frame.left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
        self.has_more = !is_done;
        if left > 0 || !is_done {
            self.frame = Some(Frame { left, ..frame });
            return Ok(None);
        }
        self.frame = None;
        if frame.opcode.is_control() {
            return Ok(Some(Item::Control(frame.opcode)));
        }
        match self.message.take_if(|_| frame.is_last) {
            Some(message) => {
                #[cfg(feature = "deflate")]
                if message.is_compressed
                    && let Some(inflater) = &mut self.inflater
                {
                    inflater.finish()?;
                }
                message.finish().map(Item::Message).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Takes payload bytes from the front of `piece`: all of them, unless the work of a call is done; then it returns false.
    fn take(&mut self, opcode: Opcode, piece: &mut &[u8]) -> Result<bool, Error> {
        if opcode.is_control() {
            let places = self.control.iter_mut().skip(self.control_len);
            for (place, byte) in places.zip(*piece) {
                *place = *byte;
            }
            self.control_len = self.control_len.saturating_add(piece.len()).min(MAX_CONTROL);
        } else if let Some(message) = &mut self.message {
            #[cfg(feature = "deflate")]
            if message.is_compressed
                && let Some(inflater) = &mut self.inflater
            {
                return inflater.inflate(piece, message, self.max);
            }
            message.push(piece)?;
        }
        *piece = &[];
        Ok(true)
    }
}
