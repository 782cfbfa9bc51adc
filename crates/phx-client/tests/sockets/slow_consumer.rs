//! Streams that are read slowly or not at all: no loss while they are read, reported losses otherwise, and never the
//! end of the connection.

use std::time::Duration;

use futures::FutureExt;
use phx_client::{Messages, StreamItem, StreamOptions, StreamOverflow};
use serde_json::json;

use crate::common::{Net, settle};

const WAIT: Duration = Duration::from_millis(10);

/// Returns the items that a stream holds.
fn held(messages: &mut Messages<u32>) -> Vec<String> {
    std::iter::from_fn(|| messages.next().now_or_never().flatten())
        .map(|item| match item {
            StreamItem::Message(number) => number.to_string(),
            StreamItem::Lagged(count) => format!("lagged {count}"),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_many_at_a_time_is_alive_with_each_it_gives() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(64).heartbeat_interval(None);
    let (_socket, room, peer) = net.joined_with(builder).await;
    let mut numbers = room.on::<u32>("n");
    for number in 0..300 {
        peer.broadcast("n", &json!(number));
    }
    for expected in 0..300 {
        // As slow as is allowed, for one message.
        tokio::time::sleep(Duration::from_millis(4_900)).await;
        match numbers.next().await {
            Some(StreamItem::Message(number)) => assert_eq!(number, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_holds_back_reading_but_not_sending() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4);
    let (socket, room, mut peer) = net.joined_with(builder).await;
    let mut numbers = room.on::<u32>("n");
    let before = socket.counters().frames_received;
    for number in 0..20 {
        peer.broadcast("n", &json!(number));
    }
    settle().await;
    assert_eq!(socket.counters().frames_received - before, 4);
    room.push("post", &json!({})).detach().unwrap();
    assert_eq!(&*peer.receive().await.event, "post");
    assert_eq!(held(&mut numbers), ["0", "1", "2", "3"]);
    settle().await;
    assert_eq!(held(&mut numbers), ["4", "5", "6", "7"]);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_stream_stalls_loses_its_oldest_and_frees_the_others() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4);
    let (_socket, room, peer) = net.joined_with(builder).await;
    let mut forgotten = room.on::<u32>("n");
    let mut read = room.on::<u32>("n");
    for number in 0..12 {
        peer.broadcast("n", &json!(number));
    }
    let start = tokio::time::Instant::now();
    for expected in 0..12 {
        match read.next().await {
            Some(StreamItem::Message(number)) => assert_eq!(number, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
    assert_eq!(start.elapsed().as_secs(), 5, "others wait once for `stall_after`");
    assert_eq!(held(&mut forgotten), ["lagged 8", "8", "9", "10", "11"]);
    // The stream is read again, and loses nothing from here on.
    for number in 12..18 {
        peer.broadcast("n", &json!(number));
    }
    settle().await;
    assert_eq!(held(&mut forgotten), ["12", "13", "14", "15"]);
    held(&mut read);
    settle().await;
    assert_eq!(held(&mut forgotten), ["16", "17"]);
}

/// The answer to a heartbeat that was sent when reading stopped is due soon after it goes on.
#[tokio::test(start_paused = true)]
async fn a_stream_that_waited_for_a_forgotten_one_has_time_to_be_read() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4).heartbeat_interval(Some(WAIT));
    let (socket, room, peer) = net.joined_with(builder).await;
    let _forgotten = room.on::<u32>("n");
    let mut read = room.on::<u32>("n");
    for number in 0..100 {
        peer.broadcast("n", &json!(number));
    }
    for expected in 0..100 {
        match read.next().await {
            Some(StreamItem::Message(number)) => assert_eq!(number, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
        tokio::time::sleep(WAIT).await;
    }
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_one_item_of_a_full_queue_holds_again() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4);
    let (_socket, room, peer) = net.joined_with(builder).await;
    let mut numbers = room.on::<u32>("n");
    for number in 0..8 {
        peer.broadcast("n", &json!(number));
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(matches!(numbers.next().await, Some(StreamItem::Lagged(4))));
    for number in 8..12 {
        peer.broadcast("n", &json!(number));
    }
    settle().await;
    assert_eq!(held(&mut numbers), ["4", "5", "6", "7"]);
    settle().await;
    assert_eq!(held(&mut numbers), ["8", "9", "10", "11"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_never_costs_the_heartbeat() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4).stall_after(Duration::from_secs(3600));
    let (socket, room, mut peer) = net.joined_with(builder).await;
    let _numbers = room.on::<u32>("n");
    for number in 0..8 {
        peer.broadcast("n", &json!(number));
    }
    let heartbeat = peer.receive_heartbeat().await;
    peer.reply(&heartbeat, "ok", &json!({}));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(socket.is_connected());
    assert_eq!(socket.counters().heartbeats_missed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_frees_the_others_at_once() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4);
    let (_socket, room, peer) = net.joined_with(builder).await;
    let forgotten = room.on::<u32>("n");
    let mut other = room.on::<u32>("other");
    for number in 0..8 {
        peer.broadcast("n", &json!(number));
    }
    peer.broadcast("other", &json!(1));
    settle().await;
    assert!(held(&mut other).is_empty());
    drop(forgotten);
    settle().await;
    assert_eq!(held(&mut other), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_lose_its_oldest_or_its_newest_instead() {
    let mut net = Net::new();
    let (_socket, room, peer) = net.joined().await;
    let two = StreamOptions::new().capacity(2);
    let mut oldest = room.on_with::<u32>("n", two.overflow(StreamOverflow::DropOldest));
    let mut newest = room.on_with::<u32>("n", two.overflow(StreamOverflow::DropNewest));
    for number in 0..5 {
        peer.broadcast("n", &json!(number));
    }
    settle().await;
    assert_eq!(held(&mut oldest), ["lagged 3", "3", "4"]);
    assert_eq!(held(&mut newest), ["0", "1", "lagged 3"]);
}

#[tokio::test(start_paused = true)]
async fn notices_of_a_forgotten_stream_do_not_pile_up() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.joined().await;
    let options = StreamOptions::new().capacity(1).overflow(StreamOverflow::DropNewest);
    let mut forgotten = room.on_with::<u32>("n", options);
    peer.broadcast("n", &json!(0));
    for _ in 0..10 {
        peer.broadcast("n", &json!(1));
        settle().await;
        peer.close(phx_client::CloseCause::io("cable"));
        peer = net.attempt().await.accept();
        peer.accept_join().await;
        settle().await;
    }
    assert_eq!(held(&mut forgotten), ["0", "lagged 10", "Gap"]);
}
