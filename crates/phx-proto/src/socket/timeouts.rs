//! What each deadline does when it has passed.

use super::channel::Channel;
use super::channels::Channels;
use super::connection::Connection;
use super::context::Context;
use super::state::TimeoutReason;
use crate::RequestId;

/// Fires all deadlines that have passed.
pub(super) fn fire_due(cx: &mut Context, connection: &mut Connection, channels: &mut Channels) {
    // One at a time, since what a timer starts may disarm others.
    while let Some((at, why)) = cx.timers.pop_due(cx.now) {
        match why {
            TimeoutReason::Connect => connection.connect_timed_out(cx, channels),
            TimeoutReason::Reconnect => connection.retry_is_due(cx),
            TimeoutReason::Stable => connection.proved_stable(),
            TimeoutReason::Close => connection.close_timed_out(cx, channels),
            TimeoutReason::Heartbeat => connection.heartbeat_is_due(cx, channels, at),
            TimeoutReason::HeartbeatReply => connection.heartbeat_reply_is_due(cx, channels),
            TimeoutReason::Ping(ping) => connection.pong_is_due(cx, ping),
            TimeoutReason::NextJoin => {
                cx.turns.are_due();
                channels.give_turns(cx);
            }
            TimeoutReason::Join(id) => drop(channels.with(cx, id, Channel::attempt_timed_out)),
            TimeoutReason::Rejoin(id) => drop(channels.with(cx, id, Channel::rejoin_is_due)),
            TimeoutReason::ChannelStable(id) => {
                channels.with(cx, id, |channel, _| channel.proved_stable());
            }
            TimeoutReason::Push(RequestId(call)) => {
                channels.with_request(cx, call, |channel, cx| channel.call_timed_out(cx, call));
            }
        }
    }
}
