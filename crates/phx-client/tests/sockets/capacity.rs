//! Queues that grew during a lost connection shrink on the next one.

use allocation_counter::measure;
use futures::future::join_all;
use phx_client::{CloseCause, PushCause, PushError};
use serde_json::{Value, json};

use crate::common::{Net, paused, settle, soon};

/// Memory that remains after a peak: capacity for a few entries, and the test's own.
const LITTLE: i64 = 12 << 10;

/// Number of pushes under way: as many as may wait for the transport.
const PEAK: usize = 1_000;

#[test]
fn of_a_connection_that_was_dead() {
    let runtime = paused();
    let mut net = Net::new();
    let (socket, room, mut peer) = runtime.block_on(net.joined());
    // While outcomes are kept, nothing is empty. The first has a place of its own.
    let push = |_| room.push::<Value>("msg", &json!({}));
    let kept = [push(0), push(0)];
    let dies = async {
        let pushes: Vec<_> = (0..PEAK).map(push).collect();
        settle().await;
        assert_eq!(std::iter::from_fn(|| peer.try_receive()).count(), kept.len() + PEAK);
        peer.close(CloseCause::io("it was dead"));
        for outcome in soon(join_all(pushes)).await {
            assert!(
                matches!(outcome, Err(PushError { cause: PushCause::Disconnected, .. })),
                "{outcome:?}"
            );
        }
    };
    let at_peak = measure(|| runtime.block_on(dies)).bytes_current;
    assert!(at_peak > 10 * LITTLE, "{at_peak} bytes are no peak");
    let lives_on = async {
        let mut peer = net.attempt().await.accept();
        peer.accept_join().await;
        let heartbeat = peer.receive_heartbeat().await;
        peer.reply(&heartbeat, "ok", &json!({}));
        settle().await;
        assert!(socket.is_connected());
        peer
    };
    let mut peer = None;
    let given_back = measure(|| peer = Some(runtime.block_on(lives_on))).bytes_current;
    drop(kept);
    let left = at_peak + given_back;
    assert!(left < LITTLE, "{left} bytes are left of {at_peak}");
}
