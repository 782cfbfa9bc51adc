//! Pending params of a channel.

use std::sync::Arc;

use phx_proto::{ChannelId, Instant, ParamsRequestId, Payload};

use super::attempt::limited;
use crate::runtime::BoxFuture;
use crate::shared::Shared;
use crate::subscription::isolated;

/// Calls the channel's function. `None` if it is late, fails or panics.
pub(super) fn start(
    shared: &Arc<Shared>,
    now: Instant,
    channel: ChannelId,
    request: ParamsRequestId,
) -> BoxFuture<(ParamsRequestId, Option<Payload>)> {
    let function = {
        let state = shared.lock();
        state.channels.get(channel).and_then(|entry| entry.params.clone())
    };
    let deadline = now + shared.settings.credentials_timeout;
    let shared = Arc::clone(shared);
    Box::pin(async move {
        let making = function.and_then(|function| isolated("channel params", || function()));
        let params = match making {
            Some(making) => limited(making, &shared.runtime, deadline).await.flatten(),
            None => None,
        };
        (request, params)
    })
}
