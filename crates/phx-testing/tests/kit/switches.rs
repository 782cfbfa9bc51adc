//! A socket that switches between WebSocket and long-poll over and over takes no more memory for it.

use std::time::Duration;

use allocation_counter::measure;
use phx_client::{Backoff, Channel, Messages, Socket, StreamItem, TransportKind};
use phx_testing::demo_server;
use phx_testing::fault_proxy::FaultProxy;
use phx_testing::listener::Listener;
use serde_json::{Value, json};

use crate::within;

/// Time after which long-poll takes the place of a WebSocket.
const AFTER: Duration = Duration::from_millis(100);

/// A socket behind a proxy, and what a program does with it. All that it allocates is allocated on the test's thread, and
/// the server's part elsewhere.
struct Stage {
    proxy: FaultProxy,
    socket: Socket,
    room: Channel,
    messages: Messages<Value>,
}

impl Stage {
    async fn new(server: &Listener) -> Self {
        let proxy = FaultProxy::start(server.address()).unwrap();
        let backoff = Backoff::steps([Duration::from_millis(1)]);
        let socket = phx_tokio::socket(format!("ws://{}/socket", proxy.address()))
            .long_poll_fallback(AFTER)
            .reconnect(backoff.clone())
            .rejoin(backoff)
            .connect();
        let socket = within(socket).await.unwrap();
        let room = within(socket.channel("room:a").join()).await.unwrap();
        let messages = room.on("new_msg");
        Stage { proxy, socket, room, messages }
    }

    /// Waits for this transport, and uses it.
    async fn use_over(&mut self, kind: TransportKind) {
        let mut status = self.socket.status();
        while self.socket.transport() != Some(kind) {
            within(status.next()).await.unwrap();
        }
        for n in 0..20 {
            let echo: Value = within(self.room.push("echo", &json!(n))).await.unwrap();
            assert_eq!(echo, json!(n));
        }
        let body = json!({ "body": "x".repeat(2_000) });
        within(self.room.push("new_msg", &body).acknowledged()).await.unwrap();
        while matches!(within(self.messages.next()).await.unwrap(), StreamItem::Gap) {}
        assert_eq!(self.socket.transport(), Some(kind));
    }

    async fn switch(&mut self, times: u32) {
        for _ in 0..times {
            self.proxy.swallow_frames(true);
            self.proxy.all().cut();
            self.use_over(TransportKind::LongPoll).await;
            self.proxy.swallow_frames(false);
            assert!(self.socket.retry_web_socket());
            self.use_over(TransportKind::WebSocket).await;
        }
    }
}

#[test]
fn they_leave_nothing() {
    let mut server = tokio::runtime::Builder::new_multi_thread();
    let server = server.worker_threads(1).enable_all().build().unwrap();
    let listener = server.block_on(Listener::bind(demo_server().build())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = runtime.block_on(Stage::new(&listener));
    // What grows to its usual size once.
    runtime.block_on(stage.switch(3));
    let taken = measure(|| runtime.block_on(stage.switch(20)));
    assert_eq!(taken.count_current, 0, "{taken:?}");
    // The ref of the channel's join has a digit more, or buffers have another capacity.
    assert!(taken.bytes_current.abs() < 512, "{taken:?}");
}
