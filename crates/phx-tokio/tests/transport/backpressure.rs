//! A transport whose peer doesn't read takes a limited number of bytes, and loses none of them.

use std::future::poll_fn;

use async_tungstenite::accept_async;
use async_tungstenite::tokio::TokioAdapter;
use futures::StreamExt;
use phx_tokio::websocket::{WebSocketConfig, upgrade};
use phx_tokio::{Endpoint, Frame};

use crate::common::{Connection, attempt, flush, within};

const SIZE: usize = 1_000;

#[tokio::test]
async fn frames_are_taken_until_the_write_buffer_is_full() {
    let (stream, accepting) = tokio::io::duplex(512);
    let attempt = attempt(&Endpoint::parse("ws://localhost/socket").unwrap());
    let mut config = WebSocketConfig::default();
    config.write_buffer_size = 10 * SIZE;
    let opening = upgrade(TokioAdapter::new(stream), &attempt, &config);
    let (client, server) = futures::join!(opening, accept_async(TokioAdapter::new(accepting)));
    let (mut client, mut server): (Connection, _) = (Box::pin(client.unwrap()), server.unwrap());

    let mut taken = 0;
    while futures::poll!(poll_fn(|cx| client.as_mut().poll_ready(cx))).is_ready() {
        client.as_mut().start_send(Frame::binary(vec![7; SIZE])).unwrap();
        taken += 1;
        assert!(taken < 100, "it takes frames without end");
    }
    assert!(taken >= 10, "{taken} frames don't fill the write buffer");

    let serve = async {
        for _ in 0..taken {
            let message = within(server.next()).await.unwrap().unwrap();
            assert_eq!(message.into_data(), vec![7; SIZE]);
        }
    };
    futures::join!(flush(&mut client), serve);
    assert!(futures::poll!(poll_fn(|cx| client.as_mut().poll_ready(cx))).is_ready());
}
