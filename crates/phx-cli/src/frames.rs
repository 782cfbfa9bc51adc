//! `-v`: the frames as they go over the wire, on standard error, with secrets masked.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use phx_tokio::{
    Attempt, BoxFuture, CloseCause, CloseCode, ConfigError, Connector, Frame, Request, Transport,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::json_text::{Mask, one_line};
use crate::terminal::{self, DIM, clock, shortened, shown, styled};

/// Characters of a frame that are shown, unless all are asked for.
const SHORT: usize = 2_000;

/// How frames are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Frames of any length, whole.
    pub(crate) whole: bool,
    /// Params, tokens and headers, too.
    pub(crate) secrets: bool,
}

/// A connector that shows what goes over the connections of another one.
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

    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        for line in request_lines(&attempt.request, self.shown) {
            say('>', &line);
        }
        let opening = self.connector.connect(attempt);
        let shown = self.shown;
        Box::pin(async move {
            match opening.await {
                Ok(transport) => {
                    say('<', "open");
                    let closing = AtomicBool::new(false);
                    let transport: Pin<Box<dyn Transport>> =
                        Box::pin(Watched { transport, shown, closing });
                    Ok(transport)
                }
                Err(cause) => Err(ended(cause)),
            }
        })
    }
}

/// A transport whose frames are shown.
struct Watched {
    transport: Pin<Box<dyn Transport>>,
    shown: Shown,
    closing: AtomicBool,
}

impl Transport for Watched {
    fn poll_receive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Frame, CloseCause>> {
        let received = ready!(self.transport.as_mut().poll_receive(cx));
        if let Ok(frame) = &received {
            say('<', &frame_text(frame, self.shown));
        }
        Poll::Ready(received.map_err(ended))
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        self.transport.as_mut().poll_ready(cx).map_err(ended)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        say('>', &frame_text(&frame, self.shown));
        self.transport.as_mut().start_send(frame).map_err(ended)
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
        if !self.closing.swap(true, Ordering::Relaxed) {
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

/// The upgrade request. Of its params all but the version may be secrets, and so may its headers.
fn request_lines(request: &Request, how: Shown) -> Vec<String> {
    let url = request.url();
    let mut params = url.query_pairs().map(|(name, value)| {
        let value = if how.secrets || name == "vsn" { shown(&value) } else { "***".to_owned() };
        format!("{}={value}", shown(&name))
    });
    let query = params.by_ref().collect::<Vec<_>>().join("&");
    let mut lines = vec![format!("GET {request}?{query}")];
    for (name, value) in request.headers() {
        let value = if how.secrets { shown(value) } else { "***".to_owned() };
        lines.push(format!("{name}: {value}"));
    }
    for protocol in request.protocols() {
        let value = match protocol.as_str() {
            "phoenix" => "phoenix",
            _ if how.secrets => protocol,
            _ => "***",
        };
        lines.push(format!("sec-websocket-protocol: {}", shown(value)));
    }
    lines
}

fn frame_text(frame: &Frame, how: Shown) -> String {
    let text = match frame {
        Frame::Binary(bytes) => {
            format!("<{} bytes> {}", bytes.len(), bytes.escape_ascii())
        }
        Frame::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                one_line(text, mask(text, how))
            }
            // What can't be understood can't be masked either.
            _ if how.secrets => bytes.escape_ascii().to_string(),
            _ => format!("<{} bytes, not JSON>", bytes.len()),
        },
    };
    if how.whole { text } else { shortened(&text, SHORT) }
}

/// The params of a join are secrets as those of the connection are.
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

    const MASKED: Shown = Shown { whole: false, secrets: false };
    const OPEN: Shown = Shown { whole: true, secrets: true };

    fn request() -> Request {
        Endpoint::parse("wss://example.com/socket")
            .unwrap()
            .with_param("key", "s3cret")
            .with_header("x-app", "s3cret")
            .unwrap()
            .with_auth_token("s3cret")
            .unwrap()
            .request("2.0.0")
    }

    #[test]
    fn nothing_of_a_request_that_may_be_secret_is_shown() {
        let lines = request_lines(&request(), MASKED);
        assert_eq!(
            lines,
            [
                "GET wss://example.com/socket/websocket?key=***&vsn=2.0.0",
                "x-app: ***",
                "sec-websocket-protocol: phoenix",
                "sec-websocket-protocol: ***",
            ]
        );
        assert!(request_lines(&request(), OPEN).join(" ").contains("s3cret"));
    }

    #[test]
    fn the_params_of_joins_are_masked_in_both_versions() {
        for frame in [
            r#"["1","1","room:a","phx_join",{"who":"s3cret"}]"#,
            r#"{"topic":"room:a","event":"phx_join","payload":{"who":"s3cret"},"ref":"1"}"#,
            r#"["1","2","room:a","access_token",{"access_token":"s3cret"}]"#,
        ] {
            let frame = Frame::text(frame);
            assert!(!frame_text(&frame, MASKED).contains("s3cret"));
            assert!(frame_text(&frame, OPEN).contains("s3cret"));
        }
        let frame = Frame::text(r#"["1","2","room:a","shout",{"who":"ann"}]"#);
        assert!(frame_text(&frame, MASKED).contains("ann"));
    }

    #[test]
    fn long_frames_are_cut_unless_all_is_asked_for() {
        let frame = Frame::text(format!("[\"{}\"]", "x".repeat(SHORT)));
        assert!(frame_text(&frame, MASKED).ends_with("… (4 bytes more)"));
        assert!(frame_text(&frame, OPEN).ends_with("xx\"]"));
    }
}
