//! The proper end of a session: channels are left, and the connection is closed.

use std::time::Duration;

use futures::future::join_all;
use phx_tokio::{Channel, Socket};

use crate::interrupt::Interrupt;

/// For the server to confirm that channels are left, before the connection is closed all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// Leaves the channels and disconnects. A second interrupt ends the wait at once.
pub(crate) async fn farewell(socket: &Socket, channels: &[Channel], interrupt: &mut Interrupt) {
    let goodbye = async {
        if socket.is_connected() {
            // The outcome of the leaves makes no difference at the end.
            let _ =
                join_all(channels.iter().map(|channel| channel.leave_with_timeout(PATIENCE))).await;
        }
        socket.disconnect().await;
    };
    tokio::select! {
        () = goodbye => {}
        _ = interrupt.next() => {}
    }
}
