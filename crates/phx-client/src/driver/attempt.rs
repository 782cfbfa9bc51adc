//! One connect attempt: credentials, request, transport.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::future::{Either, FutureExt, select};
use phx_proto::{CloseCause, Endpoint, Instant};

use crate::connector::{Attempt, Connector, Transport};
use crate::runtime::{BoxFuture, Clock};
use crate::shared::Shared;
use crate::subscription::isolated;

/// Starts an attempt. The core has its own deadline for the whole of it; dropping the future
/// abandons it.
pub(super) fn start(
    shared: &Arc<Shared>,
    connector: &Arc<dyn Connector>,
    now: Instant,
) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
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
        let attempt = Attempt { request, max_frame_size, runtime, proxy };
        connector.connect(attempt).await.map_err(CloseCause::of_attempt)
    })
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
