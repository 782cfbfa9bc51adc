//! The codec: the server's bytes in, messages out; messages in, bytes for the server out.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::close::{CloseFrame, Payload};
#[cfg(feature = "deflate")]
use crate::deflate::{Deflater, Deflating, Inflater};
use crate::frame::{self, FIN, Opcode};
use crate::message::Message;
use crate::reader::{Item, Reader};
use crate::{Error, SendError};

/// Pongs that may wait to be written. Then no more bytes are taken until they are.
const MAX_WAITING_PONGS: u8 = 64;

/// Capacity of the output that is kept when everything is written, in bytes.
const KEPT_OUTPUT: usize = 512;

/// Source of masks: each must be one that the server's applications can't guess (RFC 6455, section 10.3).
pub trait Masks {
    /// Returns the next mask.
    fn next_mask(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4]> Masks for F {
    fn next_mask(&mut self) -> [u8; 4] {
        self()
    }
}

/// Something that came from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message.
    Message(Message),
    /// A ping. Its pong is in the output.
    Ping,
    /// A pong.
    Pong,
    /// A close frame, after which nothing comes. The answer to it is in the output, unless it answers one.
    Close(CloseFrame),
}

/// The client's end of a WebSocket connection after the handshake: frames, without I/O.
///
/// [`receive`](Self::receive) takes the server's bytes and returns events; [`send`](Self::send) and [`close`](Self::close)
/// append to the [`output`](Self::output), which the caller writes to the server and [`advance`](Self::advance)s.
///
/// No message is larger than the limit, also inflated, and no more memory than that is taken for one: a length is refused
/// before its bytes have come. The output grows by what the caller sends, and by limited answers.
///
/// `Debug` shows no contents.
pub struct Codec<M> {
    reader: Reader,
    masks: M,
    output: Vec<u8>,
    /// Bytes at the output's front that were written.
    written: usize,
    /// Pongs in the output.
    waiting_pongs: u8,
    /// True once a close frame was queued.
    is_closing: bool,
    /// True once the server's close frame came.
    is_closed: bool,
    failed: Option<Error>,
    #[cfg(feature = "deflate")]
    deflater: Option<Deflater>,
    #[cfg(feature = "deflate")]
    deflating: Option<(Opcode, Deflating)>,
}

impl<M: Masks> Codec<M> {
    /// Creates the codec of a connection whose handshake is over. Messages of the server may have `max_message` bytes.
    #[must_use]
    pub fn new(max_message: usize, masks: M) -> Self {
        Codec {
            reader: Reader::new(max_message),
            masks,
            output: Vec::new(),
            written: 0,
            waiting_pongs: 0,
            is_closing: false,
            is_closed: false,
            failed: None,
            #[cfg(feature = "deflate")]
            deflater: None,
            #[cfg(feature = "deflate")]
            deflating: None,
        }
    }

    /// Compresses messages as agreed with the server: those that have `threshold` bytes or more.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, agreed: crate::Agreed, threshold: usize) -> Self {
        self.reader.set_inflater(Inflater::new(agreed.server_takeover, agreed.server_bits));
        let deflater = Deflater::new(agreed.client_takeover, agreed.client_bits, threshold);
        self.deflater = Some(deflater);
        self
    }

    /// Takes bytes of the server from the front of `input`, up to the next event.
    ///
    /// `None` means that `input` was used up, or that the call did as much work as one call may
    /// ([`has_more`](Self::has_more)), or that the [`output`](Self::output) must be written first
    /// ([`is_congested`](Self::is_congested)). After the server's close frame all input is dropped.
    ///
    /// # Errors
    ///
    /// [`Error`]: the server broke the protocol. The close frame that reports it is in the output; every further call gives the
    /// same error.
    #[inline]
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.is_closed {
            *input = &[];
            return Ok(None);
        }
        if self.is_congested() {
            return Ok(None);
        }
        match self.reader.read(input) {
            Ok(None) => Ok(None),
            Ok(Some(Item::Message(message))) => Ok(Some(Event::Message(message))),
            Ok(Some(Item::Control(opcode))) => self.control(opcode).map(Some),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn control(&mut self, opcode: Opcode) -> Result<Event, Error> {
        match opcode {
            Opcode::Ping => {
                if !self.is_closing {
                    let mask = self.masks.next_mask();
                    let pong = FIN | Opcode::Pong.bits();
                    frame::append(&mut self.output, pong, self.reader.control(), mask);
                    self.waiting_pongs = self.waiting_pongs.saturating_add(1);
                }
                Ok(Event::Ping)
            }
            Opcode::Close => {
                let frame =
                    CloseFrame::parse(self.reader.control()).map_err(|error| self.fail(error))?;
                self.is_closed = true;
                self.close(frame.code, "");
                Ok(Event::Close(frame))
            }
            Opcode::Pong | Opcode::Continuation | Opcode::Text | Opcode::Binary => Ok(Event::Pong),
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.close(Some(error.close_code()), "");
        self.failed = Some(error);
        error
    }

    /// Returns true if [`receive`](Self::receive) goes on without more input.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.reader.has_more()
    }

    /// Returns the number of bytes inflated since the last call. Few bytes may become many, so a caller that bounds its work counts
    /// these beside those it has read.
    #[cfg(feature = "deflate")]
    pub fn take_inflated(&mut self) -> usize {
        self.reader.take_inflated()
    }

    /// Returns true if pongs must be written before more is received: the server sends pings and reads nothing.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.waiting_pongs >= MAX_WAITING_PONGS
    }

    /// Appends a message to the output. With compression agreed, `compress` says whether it may be used: never for a message that
    /// mixes a secret with text that others chose, since its length shows how much of them is equal.
    ///
    /// A large message is compressed in steps, see [`step`](Self::step), and stands in the output after the last one.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    #[inline]
    pub fn send(&mut self, message: Message, compress: bool) -> Result<(), SendError> {
        if self.is_closing {
            return Err(SendError::Closing);
        }
        let (opcode, data) = match message {
            Message::Text(text) if core::str::from_utf8(&text).is_err() => {
                return Err(SendError::NotUtf8);
            }
            Message::Text(text) => (Opcode::Text, text),
            Message::Binary(data) => (Opcode::Binary, data),
        };
        self.send_data(opcode, &data, compress);
        Ok(())
    }

    #[cfg(feature = "deflate")]
    #[inline]
    fn send_data(&mut self, opcode: Opcode, data: &Bytes, compress: bool) {
        // Messages keep their order.
        while !self.step() {}
        let deflater = self.deflater.as_mut().filter(|_| compress);
        match deflater.and_then(|deflater| deflater.begin(data)) {
            Some(deflating) => {
                self.deflating = Some((opcode, deflating));
                self.step();
            }
            None => self.append(FIN | opcode.bits(), data),
        }
    }

    #[cfg(not(feature = "deflate"))]
    #[inline]
    fn send_data(&mut self, opcode: Opcode, data: &Bytes, _compress: bool) {
        self.append(FIN | opcode.bits(), data);
    }

    #[inline]
    fn append(&mut self, first: u8, payload: &[u8]) {
        let mask = self.masks.next_mask();
        frame::append(&mut self.output, first, payload, mask);
    }

    /// Compresses the next 32 KiB of the message that was sent last. Returns true if nothing is left to do, so that it stands in
    /// the output. Until then pongs and a close frame come before it.
    #[cfg(feature = "deflate")]
    pub fn step(&mut self) -> bool {
        let Some((opcode, mut deflating)) = self.deflating.take() else {
            return true;
        };
        if !deflating.step() {
            self.deflating = Some((opcode, deflating));
            return false;
        }
        let data = deflating.data().clone();
        let compressed = self.deflater.as_mut().and_then(|deflater| deflater.finish(deflating));
        match compressed {
            Some(compressed) => self.append(FIN | frame::RSV1 | opcode.bits(), &compressed),
            None => self.append(FIN | opcode.bits(), &data),
        }
        true
    }

    /// Returns true if the message that was sent last doesn't stand in the output yet.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn is_compressing(&self) -> bool {
        self.deflating.is_some()
    }

    /// Appends a close frame to the output, once; nothing can be sent after it. A code that must not be sent is left out, and the
    /// reason with it, which is cut at a character to 123 bytes. A message that is being compressed is given up.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        if self.is_closing {
            return;
        }
        #[cfg(feature = "deflate")]
        {
            self.deflating = None;
        }
        self.is_closing = true;
        let code = code.filter(|code| !matches!(code, 1005 | 1006 | 1015));
        self.append(FIN | Opcode::Close.bits(), Payload::new(code, reason).as_slice());
    }

    /// The bytes to write to the server.
    #[must_use]
    #[inline]
    pub fn output(&self) -> &[u8] {
        self.output.get(self.written..).unwrap_or_default()
    }

    /// Drops `count` bytes from the front of the output: they were written.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.output.len() {
            self.written = 0;
            self.waiting_pongs = 0;
            self.output.clear();
            self.output.shrink_to(KEPT_OUTPUT);
        }
    }
}

impl<M> fmt::Debug for Codec<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field(
                "output",
                &format_args!("{} bytes", self.output.len().saturating_sub(self.written)),
            )
            .field("is_closing", &self.is_closing)
            .field("is_closed", &self.is_closed)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
