//! An attempt that is dropped takes its connection with it.

use futures::future::{Either, select};
use phx_tokio::Connector;
use phx_tokio::websocket::WebSocketConfig;
use tokio::io::AsyncReadExt;

use crate::common::{attempt, connector, listen, receive_head, within};

#[tokio::test]
async fn a_server_that_says_nothing_sees_the_end_when_the_attempt_is_dropped() {
    let (listener, endpoint) = listen().await;
    let attempt = connector(WebSocketConfig::default()).connect(attempt(&endpoint));
    let serve = std::pin::pin!(async {
        let mut stream = listener.accept().await.unwrap().0;
        receive_head(&mut stream).await;
        stream
    });
    let mut stream = match within(select(attempt, serve)).await {
        Either::Left((outcome, _)) => panic!("there was no answer to give {outcome:?}"),
        Either::Right((stream, attempt)) => {
            drop(attempt);
            stream
        }
    };
    assert_eq!(within(stream.read(&mut [0; 1])).await.unwrap(), 0);
}
