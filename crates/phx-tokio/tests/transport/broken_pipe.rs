//! After a failed write, frames that the server sent before are still received.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use async_tungstenite::tokio::TokioAdapter;
use phx_tokio::websocket::{WebSocketConfig, upgrade};
use phx_tokio::{CloseCause, CloseCode, Endpoint, Frame};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex, join};

use crate::common::{Connection, attempt, close, receive, receive_head, switching, within};

/// Returns a connection whose server sends `last` and can't be written to any more. Its sending end stays open.
async fn broken(last: &[u8]) -> (Connection, DuplexStream) {
    let (reading, mut saying) = duplex(4_096);
    let (writing, mut hearing) = duplex(4_096);
    let attempt = attempt(&Endpoint::parse("ws://localhost/socket").unwrap());
    let config = WebSocketConfig::default();
    let stream = TokioAdapter::new(join(reading, writing));
    let serve = async {
        let answer = format!("{}\r\n", switching(&receive_head(&mut hearing).await));
        saying.write_all(answer.as_bytes()).await.unwrap();
        saying.write_all(last).await.unwrap();
        drop(hearing);
    };
    let (client, ()) = futures::join!(upgrade(stream, &attempt, &config), serve);
    (Box::pin(client.unwrap()), saying)
}

/// Sends a frame, which fails; receiving reports that.
async fn send_in_vain(client: &mut Connection) {
    client.as_mut().start_send(Frame::text("in vain")).unwrap();
    assert!(futures::poll!(poll_fn(|cx| client.as_mut().poll_flush(cx))).is_pending());
    assert!(futures::poll!(poll_fn(|cx| client.as_mut().poll_ready(cx))).is_pending());
}

/// Waker that counts its calls.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn messages_and_the_close_frame_are_received() {
    let (mut client, _open) = broken(b"\x81\x02hi\x88\x06\x03\xf4bye!").await;
    send_in_vain(&mut client).await;
    assert_eq!(receive(&mut client).await, Ok(Frame::text("hi")));
    let restart = CloseCause::frame(CloseCode::RESTART, "bye!");
    assert_eq!(receive(&mut client).await, Err(restart));
}

#[tokio::test]
async fn with_nothing_more_to_read_the_failure_is_the_end() {
    let (mut client, _open) = broken(b"\x81\x02hi").await;
    send_in_vain(&mut client).await;
    assert_eq!(receive(&mut client).await, Ok(Frame::text("hi")));
    assert_eq!(receive(&mut client).await, Err(CloseCause::io("broken pipe")));
}

#[tokio::test]
async fn whoever_waits_to_receive_is_woken_by_the_failure() {
    let (mut client, _open) = broken(b"").await;
    client.as_mut().start_send(Frame::text("in vain")).unwrap();
    let end = poll_fn(|cx| {
        let received = client.as_mut().poll_receive(cx);
        if received.is_pending() {
            assert!(client.as_mut().poll_flush(cx).is_pending());
        }
        received
    });
    assert_eq!(within(end).await, Err(CloseCause::io("broken pipe")));
}

#[tokio::test]
async fn nobody_is_woken_again_and_again() {
    let (mut client, _open) = broken(b"").await;
    client.as_mut().start_send(Frame::text("in vain")).unwrap();
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    for _ in 0..3 {
        let mut cx = Context::from_waker(&waker);
        assert!(client.as_mut().poll_flush(&mut cx).is_pending());
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn closing_ends_with_the_failure() {
    let (mut client, _open) = broken(b"").await;
    assert_eq!(close(&mut client, 1000, "").await, CloseCause::io("broken pipe"));
}
