//! One connect attempt: credentials, request, transport, and long-poll if no WebSocket opens.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::future::{Either, FutureExt, select};
use phx_proto::{CloseCause, Endpoint, Escaped, Instant, TransportKind};

use super::fallback::Plan;
use crate::connector::{Attempt, Connector, Transport};
use crate::log::LogKind;
use crate::runtime::{BoxFuture, Clock};
use crate::shared::Shared;
use crate::subscription::isolated;

/// An attempt under way.
pub(super) type Opening = BoxFuture<Result<Opened, CloseCause>>;

/// A transport that an attempt has opened.
pub(super) struct Opened {
    pub(super) kind: TransportKind,
    pub(super) transport: Pin<Box<dyn Transport>>,
}

/// Starts an attempt. The core has a deadline for the whole of it; dropping the future abandons it.
pub(super) fn start(
    shared: &Arc<Shared>,
    connector: &Arc<dyn Connector>,
    now: Instant,
    plan: Plan,
) -> Opening {
    let shared = Arc::clone(shared);
    let connector = Arc::clone(connector);
    Box::pin(async move {
        let endpoint = endpoint(&shared, now).await?;
        let (serializer, max_frame_size) = {
            let state = shared.lock();
            let config = state.core.config();
            (Arc::clone(&config.serializer), config.max_frame_size)
        };
        let request = endpoint.request(serializer.vsn());
        let runtime = Arc::clone(shared.runtime.runtime());
        let proxy = shared.settings.proxy.clone();
        let open = |kind| {
            let (request, runtime, proxy) = (request.clone(), Arc::clone(&runtime), proxy.clone());
            connector.connect(Attempt {
                request,
                transport: kind,
                max_frame_size,
                runtime,
                proxy,
                #[cfg(feature = "deflate")]
                compression: shared.settings.compression,
                #[cfg(feature = "deflate")]
                wire: shared.wire.clone(),
            })
        };
        let kind = plan.first;
        let Some(after) = plan.long_poll_after else {
            return open(kind).await.map(|transport| Opened { kind, transport });
        };
        // From here: credentials that take long say nothing about WebSockets.
        let timer = pin!(shared.runtime.sleep_until(shared.runtime.now() + after));
        let failure = match select(open(kind), timer).await {
            Either::Left((Ok(transport), _)) => return Ok(Opened { kind, transport }),
            Either::Left((Err(cause), _)) => Some(cause),
            Either::Right(_) => None,
        };
        let reason = match &failure {
            None => "no WebSocket in time".to_owned(),
            // Its `Display` would say that a connection was lost.
            Some(CloseCause::Io { error, .. }) if !error.is_empty() => error.clone(),
            Some(cause) => cause.to_string(),
        };
        report_fallback(&shared, &reason);
        let kind = TransportKind::LongPoll;
        let transport = open(kind).await.map_err(|cause| of_both(failure, cause))?;
        Ok(Opened { kind, transport })
    })
}

/// Reports that long-poll takes the place of a WebSocket.
fn report_fallback(shared: &Shared, cause: &str) {
    let cause = Escaped::new(cause);
    tracing::info!(target: "phx_client::connection", %cause, "falling back to long-poll");
    let log = &shared.settings.log;
    log.record(LogKind::Transport, None, || format!("falling back to long-poll: {cause}"));
}

/// Reports that a transport of the kind `next` takes the place of an open one.
pub(super) fn report_switch(shared: &Shared, next: TransportKind) {
    if next == TransportKind::LongPoll {
        return report_fallback(shared, "no frame came over the WebSocket");
    }
    tracing::info!(target: "phx_client::connection", "trying a WebSocket again");
    let log = &shared.settings.log;
    log.record(LogKind::Transport, None, || "trying a WebSocket again".into());
}

/// The cause of an attempt of which both transports failed.
fn of_both(web_socket: Option<CloseCause>, long_poll: CloseCause) -> CloseCause {
    match (web_socket, long_poll) {
        // An answer of the server to a plain request. A refused upgrade may be a proxy's.
        (_, CloseCause::UpgradeRejected(refusal)) if refusal.status != 404 => {
            CloseCause::UpgradeRejected(refusal)
        }
        // The server has no long-poll: a final refusal would be wrong.
        (None, CloseCause::UpgradeRejected(_)) => {
            CloseCause::connect_failed("no WebSocket in time, and the server has no long-poll")
        }
        (None, cause) | (Some(cause), _) => cause,
    }
}

/// The endpoint with this attempt's credentials.
async fn endpoint(shared: &Shared, now: Instant) -> Result<Endpoint, CloseCause> {
    let endpoint = shared.endpoint.clone();
    let Some(function) = &shared.settings.credentials else {
        return Ok(endpoint);
    };
    let deadline = now + shared.settings.credentials_timeout;
    // The reason may pass, so these failures are retried.
    let Some(making) = isolated("credentials", || function()) else {
        return Err(CloseCause::connect_failed("the function that makes the credentials panicked"));
    };
    let credentials = match limited(making, &shared.runtime, deadline).await {
        Some(Ok(credentials)) => credentials,
        Some(Err(error)) => {
            return Err(CloseCause::connect_failed(format!("no credentials: {error}")));
        }
        None => return Err(CloseCause::connect_failed("no credentials in time")),
    };
    credentials.apply(endpoint).map_err(|error| CloseCause::invalid_request(error.to_string()))
}

/// The result of foreign code before `deadline`; `None` if it is late or panics.
pub(super) async fn limited<T>(
    making: BoxFuture<T>,
    clock: &Clock,
    deadline: Instant,
) -> Option<T> {
    let timer = pin!(clock.sleep_until(deadline));
    match select(AssertUnwindSafe(making).catch_unwind(), timer).await {
        Either::Left((made, _)) => made.ok(),
        Either::Right(((), _)) => None,
    }
}
