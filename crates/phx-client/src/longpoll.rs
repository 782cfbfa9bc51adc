//! The long-poll transport, over any stream of bytes, for networks that let no WebSocket through.
//!
//! A [`StreamConnector`](crate::StreamConnector) opens it for sockets with
//! [`transport(TransportKind::LongPoll)`](crate::SocketBuilder::transport). What the requests and answers mean is in
//! [`phx_proto::longpoll`]; this module makes them, on two connections over the streams of the connector's
//! dialer:
//!
//! - The GET that waits for messages has one, which is used again as long as the server keeps it. A request that
//!   certainly wasn't read, because the server had closed the connection, is made again on another one.
//! - POSTs have the other one, which is opened when the socket has a frame to send, and closed after 4 s without any,
//!   before the server does. The transport takes frames only while it is open and no POST is under way: so those that
//!   wait are the socket's, which knows that they weren't sent.
//!
//! The session's requests have the headers of the socket's endpoint, and the cookies that the server has set in this
//! session: at most 16, of at most 8 KiB together. Redirects aren't followed: the session's secrets go to no other
//! place. Answers may be compressed by gzip; the limits hold for what it inflates to. Heads of answers have at most
//! 32 KiB and 128 headers.

mod config;
mod cookies;
mod lane;
mod open;
mod requests;
mod transport;

pub use config::LongPollConfig;
pub(crate) use open::{LongPoll, open};
