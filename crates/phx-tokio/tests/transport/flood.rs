//! Pongs for a peer that sends pings and reads nothing are limited.

use std::future::poll_fn;
use std::time::Duration;

use async_tungstenite::tokio::TokioAdapter;
use phx_tokio::websocket::{WebSocketConfig, upgrade};
use phx_tokio::{Endpoint, Frame, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use crate::common::{attempt, receive_head, switching};

const PINGS: usize = 2_000;

async fn accept(stream: &mut DuplexStream) {
    let answer = format!("{}\r\n", switching(&receive_head(stream).await));
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pings_are_not_read_while_too_many_pongs_wait_and_are_again_once_they_are_written() {
    let (stream, mut server) = duplex(512);
    let attempt = attempt(&Endpoint::parse("ws://localhost/socket").unwrap());
    let config = WebSocketConfig::default();
    let opening = upgrade(TokioAdapter::new(stream), &attempt, &config);
    let (client, ()) = futures::join!(opening, accept(&mut server));
    let mut client = Box::pin(client.unwrap());

    let receiving =
        tokio::spawn(async move { poll_fn(|cx| client.as_mut().poll_receive(cx)).await });

    let ping = [&[0x89, 100][..], &[7; 100]].concat();
    let mut unsent = ping.repeat(PINGS);
    // The clock jumps ahead once nothing moves any more.
    while let Ok(written) = timeout(Duration::from_secs(1), server.write(&unsent)).await {
        unsent.drain(..written.unwrap());
        assert!(!unsent.is_empty(), "all pings were taken though no pong could be written");
    }

    unsent.extend(b"\x81\x02hi");
    let (mut reading, mut writing) = tokio::io::split(server);
    let ask = async { writing.write_all(&unsent).await.unwrap() };
    let read = async {
        // A pong with its mask.
        let mut pong = [0; 106];
        while reading.read_exact(&mut pong).await.is_ok() {
            assert_eq!(pong[..2], [0x8a, 0x80 | 100]);
        }
    };
    let received = async { timeout(Duration::from_secs(20), receiving).await.unwrap().unwrap() };
    let (_, received, ()) = futures::join!(ask, received, read);
    assert_eq!(received, Ok(Frame::text("hi").into()));
}
