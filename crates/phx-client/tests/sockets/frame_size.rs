//! There is one limit on the size of a frame, and the transport is told of it.

use crate::common::Net;

#[tokio::test(start_paused = true)]
async fn the_connector_gets_the_sockets_limit() {
    let mut net = Net::new();
    let _socket = net.builder().max_frame_size(1_000).spawn().unwrap();
    assert_eq!(net.attempt().await.max_frame_size, 1_000);
}
