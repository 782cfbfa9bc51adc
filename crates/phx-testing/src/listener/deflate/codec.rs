//! Frames of a connection with compression, without I/O.

use std::io::Cursor;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::Utf8Bytes;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::FrameHeader;
use async_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use bytes::{Buf, BytesMut};
use phx_proto::{CloseCode, Frame};

use super::fault::CompressionFault;
use super::negotiation::Agreement;
use super::streams::{Deflater, Inflater, Refused, zeros};
use crate::HttpServer;

const PROTOCOL_ERROR: CloseCode = CloseCode::from_u16(1002);
const INVALID_DATA: CloseCode = CloseCode::from_u16(1007);

/// Largest payload of a control frame.
const MAX_CONTROL: usize = 125;

/// The message of the faults that are valid.
const BROADCAST: &[u8] = br#"[null,null,"phoenix","fault",{}]"#;

pub(super) struct Codec {
    server: HttpServer,
    max_frame_size: usize,
    inflater: Inflater,
    deflater: Deflater,
    /// The client's message whose fragments have begun.
    partial: Option<Partial>,
}

struct Partial {
    kind: Data,
    is_compressed: bool,
    payload: Vec<u8>,
}

impl Codec {
    pub(super) fn new(agreement: &Agreement, max_frame_size: usize) -> Self {
        let Agreement { server, server_takeover, client_takeover, server_bits, client_bits } =
            *agreement;
        Codec {
            server,
            max_frame_size,
            inflater: Inflater::new(client_bits.unwrap_or(15), client_takeover),
            deflater: Deflater::new(server_bits.unwrap_or(15), server_takeover),
            partial: None,
        }
    }

    /// Takes the next message out of `input`; `None` if it isn't there yet. A frame over the limit is refused after its
    /// header. An error is the code to close with.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, CloseCode> {
        loop {
            let mut cursor = Cursor::new(&input[..]);
            let header = FrameHeader::parse(&mut cursor).map_err(|_| PROTOCOL_ERROR)?;
            let Some((header, length)) = header else { return Ok(None) };
            let Some(mask) = header.mask else { return Err(PROTOCOL_ERROR) };
            let before = self.check(&header)?;
            let length = usize::try_from(length).map_err(|_| CloseCode::TOO_BIG)?;
            if matches!(header.opcode, OpCode::Control(_)) && length > MAX_CONTROL {
                return Err(PROTOCOL_ERROR);
            }
            if before.saturating_add(length) > self.max_frame_size {
                return Err(CloseCode::TOO_BIG);
            }
            let head = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            if input.len().saturating_sub(head) < length {
                return Ok(None);
            }
            input.advance(head);
            let mut payload = input.split_to(length).to_vec();
            for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
                *byte ^= mask;
            }
            if let Some(message) = self.frame(&header, payload)? {
                return Ok(Some(message));
            }
        }
    }

    /// Checks a header. Returns the length of its message's earlier fragments.
    fn check(&self, header: &FrameHeader) -> Result<usize, CloseCode> {
        let before = self.partial.as_ref().map(|partial| partial.payload.len());
        let valid = match header.opcode {
            OpCode::Data(Data::Continue) => before.is_some() && !header.rsv1,
            OpCode::Data(_) => before.is_none(),
            OpCode::Control(_) => header.is_final && !header.rsv1,
        };
        if !valid || header.rsv2 || header.rsv3 {
            return Err(PROTOCOL_ERROR);
        }
        Ok(match header.opcode {
            OpCode::Data(_) => before.unwrap_or_default(),
            OpCode::Control(_) => 0,
        })
    }

    fn frame(
        &mut self,
        header: &FrameHeader,
        payload: Vec<u8>,
    ) -> Result<Option<Message>, CloseCode> {
        let kind = match header.opcode {
            OpCode::Data(kind) => kind,
            OpCode::Control(control) => return self.control(control, payload),
        };
        let partial = match self.partial.take() {
            Some(mut partial) => {
                partial.payload.extend(payload);
                partial
            }
            None => Partial { kind, is_compressed: header.rsv1, payload },
        };
        if header.is_final {
            return self.whole(partial).map(Some);
        }
        self.partial = Some(partial);
        Ok(None)
    }

    fn control(
        &mut self,
        control: Control,
        payload: Vec<u8>,
    ) -> Result<Option<Message>, CloseCode> {
        if let Some(partial) = &mut self.partial
            && partial.is_compressed
            && self.server.reads_control_frames_as_fragments()
        {
            partial.payload.extend(payload);
            return Ok(None);
        }
        Ok(match control {
            Control::Ping => Some(Message::Ping(payload.into())),
            Control::Pong => Some(Message::Pong(payload.into())),
            Control::Close => Some(Message::Close(close_frame(&payload)?)),
            // The parser refuses them.
            Control::Reserved(_) => None,
        })
    }

    fn whole(&mut self, message: Partial) -> Result<Message, CloseCode> {
        let Partial { kind, is_compressed, mut payload } = message;
        if is_compressed {
            let limit = self.server.max_inflated(payload.len()).min(self.max_frame_size);
            payload = match self.inflater.message(&payload, limit) {
                Ok(payload) => payload,
                Err(Refused::TooLarge) => return Err(CloseCode::TOO_BIG),
                Err(Refused::Broken) => return Err(self.server.code_of_broken_stream()),
            };
        }
        match kind {
            Data::Text => match String::from_utf8(payload) {
                Ok(text) => Ok(Message::Text(text.into())),
                Err(_) => Err(INVALID_DATA),
            },
            Data::Binary | Data::Continue | Data::Reserved(_) => {
                Ok(Message::Binary(payload.into()))
            }
        }
    }

    /// Compresses a message; each has RSV1, however small it is. Text isn't checked: a test may want to send garbage.
    pub(super) fn message(&mut self, message: Frame) -> Vec<u8> {
        let (kind, payload) = match message {
            Frame::Text(text) => (Data::Text, text),
            Frame::Binary(data) => (Data::Binary, data),
        };
        frame(OpCode::Data(kind), &self.deflater.message(&payload), true)
    }

    pub(super) fn fault(&mut self, fault: CompressionFault) -> Vec<u8> {
        let text = OpCode::Data(Data::Text);
        match fault {
            // A block of the kind that doesn't exist.
            CompressionFault::BrokenStream => frame(text, &[0b110, 0, 0, 0], true),
            CompressionFault::Bomb(length) => frame(text, &zeros(length), true),
            CompressionFault::CompressedPing => frame(OpCode::Control(Control::Ping), &[0], true),
            CompressionFault::Fragments => {
                let wire = self.deflater.message(BROADCAST);
                let last = wire.len().saturating_sub(1);
                let mut frames = Vec::new();
                for (at, byte) in wire.iter().enumerate() {
                    let opcode = if at == 0 { text } else { OpCode::Data(Data::Continue) };
                    let header = FrameHeader {
                        is_final: at == last,
                        rsv1: at == 0,
                        opcode,
                        ..FrameHeader::default()
                    };
                    frames.extend(with_header(&header, &[*byte]));
                    if at != last {
                        frames.extend(frame(OpCode::Control(Control::Ping), b"between", false));
                    }
                }
                frames
            }
            CompressionFault::FinalBlock => {
                frame(text, &self.deflater.final_message(BROADCAST), true)
            }
        }
    }
}

/// A frame that isn't a fragment.
pub(super) fn frame(opcode: OpCode, payload: &[u8], is_compressed: bool) -> Vec<u8> {
    with_header(&FrameHeader { opcode, rsv1: is_compressed, ..FrameHeader::default() }, payload)
}

fn with_header(header: &FrameHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory doesn't fail.
    let _ = header.format(payload.len() as u64, &mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

fn close_frame(payload: &[u8]) -> Result<Option<CloseFrame>, CloseCode> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let reason = std::str::from_utf8(reason).map_err(|_| INVALID_DATA)?;
            let code = u16::from_be_bytes([*high, *low]).into();
            Ok(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))
        }
        [_] => Err(PROTOCOL_ERROR),
    }
}
