//! `-v`: frames on standard error, with secrets masked.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use phx_tokio::{
    Attempt, BoxFuture, CloseCause, CloseCode, ConfigError, Connector, Frame, Received, Request,
    ResponseHeaders, Transport, TransportKind, TransportProperties,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::json_text::{Mask, one_line};
use crate::secret::MASKED;
use crate::terminal::{self, DIM, clock, shortened, shown, styled};

/// Characters of a frame that are shown, unless all are asked for.
const SHORT: usize = 2_000;

/// Options of showing frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// True to show frames of any length in full.
    pub(crate) whole: bool,
    /// Shows params, tokens and headers as well.
    pub(crate) secrets: bool,
}

/// Connector that shows the frames of another one.
#[derive(Debug)]
pub(crate) struct ShowFrames<C> {
    connector: C,
    shown: Shown,
}

impl<C: Connector> ShowFrames<C> {
    pub(crate) fn new(connector: C, shown: Shown) -> Self {
        ShowFrames { connector, shown }
    }
}

impl<C: Connector> Connector for ShowFrames<C> {
    fn check(&self) -> Result<(), ConfigError> {
        self.connector.check()
    }

    fn supports(&self, transport: TransportKind) -> bool {
        self.connector.supports(transport)
    }

    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let kind = attempt.transport;
        for line in request_lines(&attempt.request, kind, self.shown) {
            say('>', &line);
        }
        let opening = self.connector.connect(attempt);
        let shown = self.shown;
        Box::pin(async move {
            match opening.await {
                Ok(transport) => {
                    say(
                        '<',
                        if kind == TransportKind::LongPoll { "open: long-poll" } else { "open" },
                    );
                    let closing = AtomicBool::new(false);
                    let transport: Pin<Box<dyn Transport>> =
                        Box::pin(Watched { transport, kind, shown, closing });
                    Ok(transport)
                }
                Err(cause) => Err(ended(cause)),
            }
        })
    }
}

/// Transport whose frames are shown.
struct Watched {
    transport: Pin<Box<dyn Transport>>,
    kind: TransportKind,
    shown: Shown,
    closing: AtomicBool,
}

impl Transport for Watched {
    fn ignored_subprotocols(&self) -> bool {
        self.transport.ignored_subprotocols()
    }

    fn response_headers(&self) -> ResponseHeaders {
        self.transport.response_headers()
    }

    fn properties(&self) -> TransportProperties {
        self.transport.properties()
    }

    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        let received = ready!(self.transport.as_mut().poll_receive(cx));
        match &received {
            Ok(Received::Frame(frame)) => say('<', &frame_text(frame, false, self.shown)),
            Ok(Received::Gap) => say('<', "messages lost"),
            Err(_) => {}
        }
        Poll::Ready(received.map_err(ended))
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.transport.as_mut().poll_ready(cx).map_err(ended)
    }

    fn prepare_send(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.transport.as_mut().prepare_send(cx);
    }

    fn capacity(&self) -> usize {
        self.transport.capacity()
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        say('>', &frame_text(&frame, true, self.shown));
        self.transport.as_mut().start_send(frame).map_err(ended)
    }

    fn start_send_uncompressed(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        say('>', &frame_text(&frame, true, self.shown));
        self.transport.as_mut().start_send_uncompressed(frame).map_err(ended)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.transport.as_mut().poll_flush(cx).map_err(ended)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        code: CloseCode,
        reason: &str,
    ) -> Poll<CloseCause> {
        // Long-poll has no close frame.
        if self.kind == TransportKind::WebSocket && !self.closing.swap(true, Ordering::Relaxed) {
            say('>', &format!("close {code} {reason}"));
        }
        self.transport.as_mut().poll_close(cx, code, reason).map(ended)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.transport).finish()
    }
}

fn ended(cause: CloseCause) -> CloseCause {
    say('<', &shown(&cause.to_string()));
    cause
}

fn say(direction: char, text: &str) {
    let time = styled(DIM, clock(SystemTime::now()));
    terminal::say(&format!("{time} {direction} {}", text.trim_end()));
}

/// The request that opens the transport. Of its params all but the version may be secrets, and so may its headers.
fn request_lines(request: &Request, kind: TransportKind, how: Shown) -> Vec<String> {
    let url = match kind {
        TransportKind::LongPoll => request.long_poll_url(),
        _ => request.url().clone(),
    };
    let mut params = url.query_pairs().map(|(name, value)| {
        if how.secrets || name == "vsn" {
            format!("{}={}", shown(&name), shown(&value))
        } else if value.is_empty() {
            // A query without `=` may be a token itself.
            MASKED.to_owned()
        } else {
            format!("{}={MASKED}", shown(&name))
        }
    });
    let query = params.by_ref().collect::<Vec<_>>().join("&");
    let address = url.as_str().split('?').next().unwrap_or_default();
    let mut lines = vec![format!("GET {address}?{query}")];
    for (name, value) in request.headers() {
        let value = if how.secrets { shown(value) } else { MASKED.to_owned() };
        lines.push(format!("{name}: {value}"));
    }
    let protocols = match kind {
        TransportKind::LongPoll => &[],
        _ => request.protocols(),
    };
    for protocol in protocols {
        let value = match protocol.as_str() {
            "phoenix" => "phoenix",
            _ if how.secrets => protocol,
            _ => MASKED,
        };
        lines.push(format!("sec-websocket-protocol: {}", shown(value)));
    }
    lines
}

fn frame_text(frame: &Frame, is_sent: bool, how: Shown) -> String {
    let text = match frame {
        Frame::Binary(bytes) if how.secrets => {
            format!("<{} bytes> {}", bytes.len(), bytes.escape_ascii())
        }
        Frame::Binary(bytes) => binary_text(bytes, is_sent),
        Frame::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                one_line(text, mask(text, how))
            }
            // Text that can't be parsed can't be masked either.
            _ if how.secrets => bytes.escape_ascii().to_string(),
            _ => format!("<{} bytes, not JSON>", bytes.len()),
        },
    };
    if how.whole { text } else { shortened(&text, SHORT) }
}

/// The names in a binary frame of version 2, and the length of its payload, which may hold secrets.
fn binary_text(bytes: &[u8], is_sent: bool) -> String {
    // Behind the kind are the lengths of the names: refs, topic, and event or status. Supabase's kinds 3 and 4 have
    // the length of metadata and an encoding behind them.
    let (names, others) = match (bytes.first(), is_sent) {
        (Some(0), true) | (Some(1), false) => (4, 0),
        (Some(3), true) => (4, 2),
        (Some(0), false) => (3, 0),
        (Some(2), false) => (2, 0),
        (Some(4), false) => (2, 2),
        _ => (0, 0),
    };
    let rest = bytes.get(1..).unwrap_or_default();
    let Some((lengths, rest)) = rest.split_at_checked(names) else {
        return format!("<{} bytes>", bytes.len());
    };
    let Some((_, mut rest)) = rest.split_at_checked(others) else {
        return format!("<{} bytes>", bytes.len());
    };
    let mut text = format!("<{} bytes>", bytes.len());
    for length in lengths {
        let Some((name, behind)) = rest.split_at_checked(usize::from(*length)) else { break };
        text.push_str(&format!(" {}", name.escape_ascii()));
        rest = behind;
    }
    format!("{text} <payload of {} bytes>", rest.len())
}

/// The params of a join are secrets, as those of the connection are.
fn mask(frame: &str, how: Shown) -> Mask {
    #[derive(Deserialize)]
    struct V1 {
        event: String,
    }
    type V2 = (IgnoredAny, IgnoredAny, IgnoredAny, String, IgnoredAny);

    if how.secrets {
        return Mask::Nothing;
    }
    let event = match serde_json::from_str::<V2>(frame) {
        Ok((.., event, _)) => Some(event),
        Err(_) => serde_json::from_str::<V1>(frame).ok().map(|frame| frame.event),
    };
    match event.as_deref() {
        Some("phx_join") => Mask::FramePayload,
        _ => Mask::Secrets,
    }
}

#[cfg(test)]
mod tests {
    use phx_tokio::Endpoint;

    use super::*;

    const CLOSED: Shown = Shown { whole: false, secrets: false };
    const OPEN: Shown = Shown { whole: true, secrets: true };

    fn request() -> Request {
        Endpoint::parse("wss://example.com/socket")
            .unwrap()
            .with_param("key", "s3cret")
            .with_header("x-app", "s3cret")
            .unwrap()
            .with_auth_token("s3cret")
            .request("2.0.0")
    }

    #[test]
    fn nothing_of_a_request_that_may_be_secret_is_shown() {
        let lines = request_lines(&request(), TransportKind::WebSocket, CLOSED);
        assert_eq!(
            lines,
            [
                "GET wss://example.com/socket/websocket?key=***&vsn=2.0.0",
                "x-app: ***",
                "sec-websocket-protocol: phoenix",
                "sec-websocket-protocol: ***",
            ]
        );
        assert!(
            request_lines(&request(), TransportKind::WebSocket, OPEN).join(" ").contains("s3cret")
        );
    }

    #[test]
    fn the_params_of_joins_are_masked_in_both_versions() {
        for frame in [
            r#"["1","1","room:a","phx_join",{"who":"s3cret"}]"#,
            r#"{"topic":"room:a","event":"phx_join","payload":{"who":"s3cret"},"ref":"1"}"#,
            r#"["1","2","room:a","access_token",{"access_token":"s3cret"}]"#,
        ] {
            let frame = Frame::text(frame);
            assert!(!frame_text(&frame, true, CLOSED).contains("s3cret"));
            assert!(frame_text(&frame, true, OPEN).contains("s3cret"));
        }
        let frame = Frame::text(r#"["1","2","room:a","shout",{"who":"ann"}]"#);
        assert!(frame_text(&frame, true, CLOSED).contains("ann"));
    }

    #[test]
    fn long_frames_are_cut_unless_all_is_asked_for() {
        let frame = Frame::text(format!("[\"{}\"]", "x".repeat(SHORT)));
        assert!(frame_text(&frame, true, CLOSED).ends_with("… (4 bytes more)"));
        assert!(frame_text(&frame, true, OPEN).ends_with("xx\"]"));
    }

    #[test]
    fn nothing_of_a_binary_payload_is_shown() {
        let sent = Frame::binary(&b"\0\x01\x02\x06\x04112room:aechohush"[..]);
        assert_eq!(
            frame_text(&sent, true, CLOSED),
            "<22 bytes> 1 12 room:a echo <payload of 4 bytes>"
        );
        assert!(frame_text(&sent, true, OPEN).contains("hush"));
        let broadcast = Frame::binary(&b"\x02\x06\x05room:ashouthush"[..]);
        assert_eq!(
            frame_text(&broadcast, false, CLOSED),
            "<18 bytes> room:a shout <payload of 4 bytes>"
        );
        // Metadata may be a secret as well.
        let user = Frame::binary(&b"\x04\x06\x04\x04\x00room:asendhushhush"[..]);
        assert_eq!(frame_text(&user, false, CLOSED), "<23 bytes> room:a send <payload of 8 bytes>");
        let sent = Frame::binary(&b"\x03\x01\x01\x06\x04\x04\x0012room:asendhushhush"[..]);
        assert_eq!(
            frame_text(&sent, true, CLOSED),
            "<27 bytes> 1 2 room:a send <payload of 8 bytes>"
        );
        for garbage in [&b""[..], b"\0", b"\0\xff\xff\xff\xffhush", b"hush", b"\x01hush"] {
            let shown = frame_text(&Frame::binary(garbage), false, CLOSED);
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn a_query_that_is_a_token_is_masked() {
        let endpoint = Endpoint::parse("ws://h/socket?s3cret&a=b").unwrap();
        let request = endpoint.with_auth_token("s3cret").request("2.0.0");
        let lines = request_lines(&request, TransportKind::WebSocket, CLOSED);
        assert_eq!(lines[0], "GET ws://h/socket/websocket?***&a=***&vsn=2.0.0");
        // Long-poll has neither that address nor subprotocols.
        let lines = request_lines(&request, TransportKind::LongPoll, CLOSED);
        assert_eq!(lines, ["GET http://h/socket/longpoll?***&a=***&vsn=2.0.0"]);
    }
}
