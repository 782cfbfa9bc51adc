//! The next action for the driver, of all machines.

use super::channels::Channels;
use super::connection::Connection;
use super::context::Context;
use crate::{Action, ParamsRequestId};

/// The next action; a frame only if there is no other one.
#[inline]
pub(super) fn next(
    cx: &mut Context,
    connection: &mut Connection,
    channels: &mut Channels,
) -> Option<Action> {
    loop {
        if let Some(action) = next_control(cx, connection, channels) {
            return Some(action);
        }
        let transport = connection.sending_transport()?;
        let (takes, connected) = (connection.properties(), connection.is_open());
        // A join that can't be sent frees its turn for another one.
        let sent = channels.next_frame(cx, takes, connected)?;
        if let Ok((frame, why, may_compress)) = sent {
            return Some(Action::Send { transport, frame, why, may_compress });
        }
    }
}

/// The next action that is no frame.
#[inline]
pub(super) fn next_control(
    cx: &mut Context,
    connection: &mut Connection,
    channels: &mut Channels,
) -> Option<Action> {
    // Here, since any call may have freed a turn.
    if cx.turns.is_awaited() {
        channels.give_turns(cx);
    }
    if let Some(action) = connection.poll_control(&cx.requests) {
        return Some(action);
    }
    let (request, channel) = cx.requests.take_params()?;
    Some(Action::RequestParams { channel, request: ParamsRequestId(request) })
}
