//! A WebSocket client (RFC 6455) without I/O: the server's bytes in, messages out; messages in, bytes for the server out.
//!
//! It opens no connection and names no runtime. With the feature `deflate` it has permessage-deflate (RFC 7692); without it,
//! it needs no standard library, only an allocator.
//!
//! # Handshake
//!
//! The caller sends the upgrade request with a [`key`], and compares the answer's `Sec-WebSocket-Accept` with [`accept`].
//! For compression an `Offer` makes the header `Sec-WebSocket-Extensions` and checks the answer's.
//!
//! # Frames
//!
//! ```
//! use phx_websocket::{Codec, Event, Message};
//!
//! // A real client takes its masks from the operating system or a hardware generator.
//! let mut codec = Codec::new(1 << 20, || [1, 2, 3, 4]);
//! codec.send(Message::Text("hi".into()), true).unwrap();
//! assert_eq!(codec.output(), [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]);
//! codec.advance(8); // Written to the server.
//!
//! let mut input = &b"\x82\x03abc\x89"[..];
//! let event = codec.receive(&mut input).unwrap();
//! assert_eq!(event, Some(Event::Message(Message::Binary("abc".into()))));
//! assert_eq!(codec.receive(&mut input), Ok(None)); // A part of a ping, which the codec keeps.
//! ```

#![cfg_attr(not(feature = "deflate"), no_std)]

extern crate alloc;
#[cfg(feature = "deflate")]
extern crate std;

mod close;
mod codec;
#[cfg(feature = "deflate")]
mod deflate;
mod error;
#[cfg(feature = "deflate")]
mod extension;
mod frame;
mod handshake;
mod message;
mod reader;

pub use bytes::Bytes;
pub use close::CloseFrame;
pub use codec::{Codec, Event, Masks};
pub use error::{Error, SendError};
#[cfg(feature = "deflate")]
pub use extension::{Agreed, Offer, OfferError};
pub use handshake::{accept, key};
pub use message::Message;

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
