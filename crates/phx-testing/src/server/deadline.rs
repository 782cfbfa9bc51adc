//! Deadlines of connections and requests.

use super::action::SocketId;
use super::http::ExchangeId;

/// What happens at a deadline that wasn't moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// A WebSocket connection is idle.
    Idle(SocketId),
    /// A request has waited long enough.
    Exchange(ExchangeId),
}
