//! Ends of connections and failed attempts: a server's answers to an upgrade, and frames after it.
//!
//! The first byte is the number of bytes that arrive at a time (`0` and `1`: all); if it is odd, the server stalls
//! after the last byte instead of ending the connection. The rest are the server's bytes; `{accept}` in them becomes
//! the right `Sec-WebSocket-Accept`.
//!
//! Checks: the limits on bodies and frames; `Retry-After` has the value in the head; close codes are valid; the
//! socket's next attempt is no earlier than the server asked for and no later than the schedule and the limit allow,
//! and there is none after a final cause.

use std::pin::pin;
use std::time::Duration;

use futures::Future as _;
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{Attempt, Received, Transport as _};
use phx_proto::{
    Action, CallError, CloseCause, CloseCode, Config, Endpoint, Event, Instant, Socket,
    UpgradeRejection,
};

use crate::peer::{Peer, Timers};

const MAX_BODY: usize = 40;
const MAX_FRAME: usize = 300;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let Some((&how, said)) = input.split_first() else {
        return;
    };
    let piece = match how.wrapping_sub(b'0') {
        0 | 1 => usize::MAX,
        piece => usize::from(piece),
    };
    let peer = Peer::new(said.to_vec(), &[piece], how & 1 == 0);
    let mut config = WebSocketConfig::default();
    config.max_refusal_body = MAX_BODY;
    config.read_buffer_size = 64;
    let mut attempt = Attempt::new(Endpoint::default().request("2.0.0"), Timers::AtOnce);
    attempt.max_frame_size = MAX_FRAME;

    let limit = 100 + said.len();
    let opened = {
        let mut upgrade = pin!(websocket::upgrade(peer.clone(), &attempt, &config));
        peer.run(limit, |cx| upgrade.as_mut().poll(cx))
    };
    match opened {
        None => {}
        Some(Err(cause)) => {
            if let CloseCause::UpgradeRejected(refusal) = &cause {
                check_refusal(refusal, said);
            }
            assert!(!matches!(cause, CloseCause::Frame { .. }), "{cause}");
            check_cause(&cause, false);
        }
        Some(Ok(transport)) => {
            let mut transport = pin!(transport);
            let cause = loop {
                match peer.run(limit, |cx| transport.as_mut().poll_receive(cx)) {
                    Some(Ok(Received::Frame(frame))) => assert!(frame.len() <= MAX_FRAME),
                    Some(Ok(Received::Gap)) => panic!("a WebSocket has no gaps"),
                    Some(Err(cause)) => break Some(cause),
                    // The stream stalls: close from this side, without an answer of the server.
                    None => {
                        break peer.run(limit, |cx| {
                            transport.as_mut().poll_close(cx, CloseCode::NORMAL, "bye")
                        });
                    }
                }
            };
            if let Some(cause) = cause {
                check_cause(&cause, true);
            }
        }
    }
}

fn check_refusal(refusal: &UpgradeRejection, said: &[u8]) {
    // A status from 0 to 99 counts as a 5xx (RFC 9110, section 15).
    assert!(!(100..200).contains(&refusal.status) && refusal.status < 1000, "{}", refusal.status);
    assert!(refusal.body.len() <= MAX_BODY);
    // The model reads plain heads only.
    let Some(end) = said.windows(4).position(|window| window == b"\r\n\r\n") else {
        return;
    };
    let Ok(head) = str::from_utf8(&said[..end]) else { return };
    let is_plain = head.chars().all(|c| matches!(c, ' '..='~' | '\r' | '\n'))
        && head.matches('\r').count() == head.matches("\r\n").count()
        && head.matches('\n').count() == head.matches("\r\n").count();
    if !is_plain || head.starts_with("HTTP/1.1 1") || head.starts_with("HTTP/1.0 1") {
        return;
    }
    let mut values = head.split("\r\n").skip(1).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("retry-after").then_some(value.trim())
    });
    let digits = |value: &&str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match values.next() {
        None => assert_eq!(refusal.retry_after, None),
        Some(value) if digits(&value) => {
            let seconds = value.parse().unwrap_or(u64::MAX);
            assert_eq!(refusal.retry_after, Some(Duration::from_secs(seconds)));
        }
        Some(_) => {}
    }
}

fn check_cause(cause: &CloseCause, was_open: bool) {
    let shown = format!("{cause} {cause:?}");
    if let CloseCause::Frame { code, reason, .. } = cause {
        let code = code.as_u16();
        assert!(matches!(code, 1000..=4999) && !matches!(code, 1004 | 1006 | 1015), "{code}");
        assert!(reason.len() <= 123, "{shown}");
        check_disconnect(CloseCode::from_u16(code), reason);
    }

    let mut socket = Socket::new(Config::default(), shown.len() as u64);
    let now = Instant::EPOCH;
    socket.connect(now);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else {
        panic!("no attempt")
    };
    if was_open {
        socket.handle_opened(now, transport);
    }
    socket.handle_closed(now, transport, cause.clone());
    let retry_in = std::iter::from_fn(|| socket.poll_event()).find_map(|event| match event {
        Event::Closed { retry_in, .. } => Some(retry_in),
        _ => None,
    });
    let retry_in = retry_in.expect("the end of a connection is reported");
    assert_eq!(socket.poll_timeout(), retry_in.map(|delay| now + delay));

    let status = match cause {
        CloseCause::UpgradeRejected(refusal) => Some(refusal.status),
        _ => None,
    };
    let is_final = !was_open
        && status.is_some_and(|code| matches!(code, 300..=499) && !matches!(code, 408 | 425 | 429));
    assert_eq!(retry_in.is_none(), is_final, "{shown}");
    let Some(delay) = retry_in else { return };
    let asked_for = match cause {
        CloseCause::UpgradeRejected(refusal) => refusal.retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let asked_for = asked_for.min(Duration::from_secs(300));
    let (earliest, latest) = (Duration::from_millis(750), Duration::from_millis(1250));
    assert!(delay >= asked_for.max(earliest), "{delay:?} after {shown}");
    assert!(delay <= latest.max(asked_for + (latest - earliest)), "{delay:?} after {shown}");
}

/// Checks that a received code and reason can be sent, if applications may send that code.
fn check_disconnect(code: CloseCode, reason: &str) {
    let mut socket = Socket::new(Config::default(), 1);
    let now = Instant::EPOCH;
    socket.connect(now);
    let _connect = socket.poll_action();
    match socket.disconnect(now, code, reason) {
        Ok(()) => {
            assert!(matches!(code.as_u16(), 1000 | 3000..=4999));
            let Some(Action::Close { code: sent, reason: given, .. }) = socket.poll_action() else {
                panic!("nothing to close");
            };
            assert_eq!((sent, &*given), (code, reason));
        }
        Err(CallError::CloseCode { .. }) => {
            assert!(!matches!(code.as_u16(), 1000 | 3000..=4999));
            assert_eq!(socket.poll_action(), None);
        }
        Err(error) => panic!("{error}"),
    }
}
