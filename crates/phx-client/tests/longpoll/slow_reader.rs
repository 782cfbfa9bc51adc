//! A reader that takes nothing: the session is polled all the same, before the server forgets it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::server::{Net, broadcast};

/// Phoenix may end a session of which the last poll was answered so long ago.
const EXPIRY: Duration = Duration::from_secs(15);

/// The next poll is on its way when an answer has come, whether its messages are read or not. Beyond that answer and the next one
/// nothing is read, but for no longer than a session lives.
#[tokio::test(start_paused = true)]
async fn a_session_is_polled_in_time() {
    let mut net = Net::pipes();
    let builder = net.builder().stream_capacity(4).stall_after(Duration::from_secs(3_600));
    let (socket, room, mut polls, _posts) = net.joined_with(builder).await;
    let _forgotten = room.on::<Value>("n");
    let messages: Vec<_> = (0..8).map(|number| broadcast("n", &json!(number))).collect();
    let start = Instant::now();
    polls.messages(&messages).await;
    polls.poll().await;
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody has read the answer");
    let mut paused = 0;
    for _ in 0..5 {
        let answered = Instant::now();
        polls.messages(&messages).await;
        polls.poll().await;
        assert!(answered.elapsed() < EXPIRY, "{:?}", answered.elapsed());
        paused += u32::from(answered.elapsed() > Duration::ZERO);
    }
    assert!(paused > 0, "reading is held back");
    assert!(socket.is_connected());
}
