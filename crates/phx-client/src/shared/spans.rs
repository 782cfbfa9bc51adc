//! Spans for `tracing`: one for each connection, each channel's life and each push, in OpenTelemetry's names for messaging.
//!
//! A subscriber is foreign code: spans are made before the lock is taken, only moved under it, and end after it is
//! released. Payloads, params and URLs are in none.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use phx_proto::{Escaped, RequestId, TransportId};
use tracing::field::Empty;
use tracing::{Span, debug_span, info_span};

use super::Deferred;

/// The spans of the connection and of pushes. Without a subscriber that wants them there are none.
#[derive(Default)]
pub(crate) struct Spans(Option<Box<Open>>);

#[derive(Default)]
struct Open {
    connection: Option<(TransportId, Span)>,
    pushes: HashMap<RequestId, Span, FixedState>,
}

/// A span that ends when it is dropped, with the kind of its error if it has one.
struct Ended {
    span: Span,
    error: Option<&'static str>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(error) = self.error {
            self.span.record("error.type", error);
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

/// The span if a subscriber wants it.
fn wanted(span: Span) -> Option<Span> {
    (!span.is_disabled()).then_some(span)
}

/// A span from an attempt to connect to the end of the connection.
pub(crate) fn connection(id: TransportId, attempt: u32) -> Option<Span> {
    wanted(info_span!(
        target: "phx_client::span",
        parent: None,
        "connection",
        otel.kind = "client",
        messaging.system = "phoenix",
        phx.connection.id = id.as_u64(),
        phx.connection.attempt = attempt,
        error.type = Empty,
        otel.status_code = Empty,
    ))
}

/// A span from a channel's creation to its end.
pub(crate) fn channel(topic: &str) -> Option<Box<Span>> {
    let span = wanted(info_span!(
        target: "phx_client::span",
        parent: None,
        "channel",
        otel.kind = "consumer",
        messaging.system = "phoenix",
        messaging.destination.name = %Escaped::new(topic),
        error.type = Empty,
        otel.status_code = Empty,
    ));
    span.map(Box::new)
}

/// A span from a push to its outcome. Its parent is the caller's span.
pub(crate) fn push(topic: &str, event: &str, len: usize) -> Option<Span> {
    wanted(debug_span!(
        target: "phx_client::span",
        "push",
        otel.kind = "client",
        messaging.system = "phoenix",
        messaging.operation.name = "push",
        messaging.operation.type = "send",
        messaging.destination.name = %Escaped::new(topic),
        messaging.message.body.size = len,
        phx.event = %Escaped::new(event),
        error.type = Empty,
        otel.status_code = Empty,
    ))
}

/// Ends a span once the lock is released.
pub(crate) fn end(span: Span, error: Option<&'static str>, deferred: &mut Deferred) {
    deferred.drop_box(Box::new(Ended { span, error }));
}

impl Spans {
    /// Keeps the span of a connection, and returns the one before, to be dropped without the lock.
    pub(crate) fn connecting(&mut self, id: TransportId, span: Option<Span>) -> Option<Span> {
        if span.is_none() && self.0.is_none() {
            return None;
        }
        let open = self.0.get_or_insert_default();
        let before = std::mem::replace(&mut open.connection, span.map(|span| (id, span)));
        before.map(|(_, span)| span)
    }

    /// Ends the span of a connection.
    pub(crate) fn closed(
        &mut self,
        id: TransportId,
        error: Option<&'static str>,
        deferred: &mut Deferred,
    ) {
        let Some(open) = &mut self.0 else { return };
        if let Some((_, span)) = open.connection.take_if(|(own, _)| *own == id) {
            end(span, error, deferred);
        }
    }

    /// Keeps the span of a push.
    pub(crate) fn pushed(&mut self, push: RequestId, span: Option<Span>) {
        if let Some(span) = span {
            self.0.get_or_insert_default().pushes.insert(push, span);
        }
    }

    /// Ends the span of a push.
    #[inline]
    pub(crate) fn done(
        &mut self,
        push: RequestId,
        error: Option<&'static str>,
        deferred: &mut Deferred,
    ) {
        if let Some(open) = &mut self.0
            && let Some(span) = open.pushes.remove(&push)
        {
            end(span, error, deferred);
        }
    }

    /// Shrinks the table after a burst.
    pub(crate) fn shrink(&mut self) {
        if let Some(open) = &mut self.0 {
            open.pushes.shrink_to(0);
        }
    }

    /// Ends all of them once the lock is released, since the driver is gone.
    pub(crate) fn stop(&mut self, deferred: &mut Deferred) {
        if let Some(open) = self.0.take() {
            deferred.drop_box(open);
        }
    }
}
