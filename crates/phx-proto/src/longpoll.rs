//! Long-poll: a session over HTTP requests, for networks that let no WebSocket through.
//!
//! A [`Session`] is one transport of a [`Socket`](crate::Socket): frames go in, frames come out. Like the socket it does
//! no I/O. It says which HTTP requests to make ([`Exchange`]): one that creates the session on the server, then one GET at
//! a time that waits for messages (a poll), and at most one POST at a time with up to 100 frames. The driver makes
//! them, and reports each one's [`Answer`] or [`Unanswered`].
//!
//! The session knows what the statuses of Phoenix mean: that 410 may come from a session which is busy, and 408 to a POST
//! from one that is dead or late; that a poll answered 500 has lost messages, which is a [`Gap`](SessionEvent::Gap); and in
//! which place the server reads the session's token.
//!
//! # Examples
//!
//! ```
//! use phx_proto::longpoll::{Answer, ExchangeKind, Session, SessionConfig, SessionEvent, TokenPlace};
//! use phx_proto::{Endpoint, Frame, Instant};
//!
//! let now = Instant::EPOCH;
//! let request = Endpoint::parse("ws://localhost:4000/socket")?.request("2.0.0");
//! let mut session = Session::new(&request, SessionConfig::default(), TokenPlace::Unknown);
//!
//! let create = session.poll_exchange(now).unwrap();
//! assert_eq!((create.method(), create.target()), ("GET", "/socket/longpoll?vsn=2.0.0"));
//! let answer = Answer::new(200, r#"{"messages":[],"status":410,"token":"T1"}"#);
//! session.handle_answer(now, create.id(), answer);
//! assert_eq!(session.poll_event(), Some(SessionEvent::Opened));
//!
//! let poll = session.poll_exchange(now).unwrap();
//! session.send(Frame::text(r#"["1","1","room:a","phx_join",{}]"#)).unwrap();
//! let post = session.poll_exchange(now).unwrap();
//! assert_eq!((poll.kind(), post.kind()), (ExchangeKind::Poll, ExchangeKind::Post));
//!
//! session.handle_answer(now, post.id(), Answer::new(200, r#"{"status":200}"#));
//! let answer = r#"{"messages":["[\"1\",\"1\",\"room:a\",\"phx_reply\",{}]"],"status":200,"token":"T1"}"#;
//! session.handle_answer(now, poll.id(), Answer::new(200, answer));
//! let reply = Frame::text(r#"["1","1","room:a","phx_reply",{}]"#);
//! assert_eq!(session.poll_event(), Some(SessionEvent::Frame(reply)));
//! # Ok::<(), phx_proto::EndpointError>(())
//! ```

mod answer;
mod batch;
mod config;
mod exchange;
mod messages;
mod poll;
mod post;
mod session;
mod target;
mod token;

pub use config::SessionConfig;
pub use exchange::{Answer, Exchange, ExchangeId, Unanswered};
pub use session::{Session, SessionEvent};
pub use token::TokenPlace;

pub use crate::close::ExchangeKind;
