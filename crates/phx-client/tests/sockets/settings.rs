//! A setting that can't work is an error of `connect` and `spawn`, and nothing runs.

use std::time::Duration;

use futures::FutureExt;
use futures::io::Cursor;
use phx_client::StreamConnector;
use phx_client::dial::Dialer;
use phx_client::websocket::{WebSocketConfig, upgrade};
use phx_client::{
    Attempt, Backoff, BoxFuture, CloseCause, ConnectCause, ConnectError, ConnectionState, Endpoint,
    PresenceConfig, SocketBuilder,
};

use crate::common::{Net, settle};

/// Returns the text of the builder's error, and checks that nothing ran.
async fn error_of(change: impl FnOnce(SocketBuilder) -> SocketBuilder) -> Option<String> {
    let mut net = Net::new();
    let spawned = change(net.builder()).spawn();
    settle().await;
    let attempted = net.attempt().now_or_never().is_some();
    match spawned {
        Ok(socket) => {
            assert_eq!(socket.state(), ConnectionState::Connecting, "the driver is there");
            None
        }
        Err(ConnectError { cause: ConnectCause::Config(error), .. }) => {
            assert!(!attempted, "{error}, and it was tried");
            Some(error.to_string())
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_setting_of_a_builder_says_what_it_may_be() {
    const SHORT: Duration = Duration::from_micros(1);
    let second = Duration::from_secs(1);
    let errors = [
        error_of(|it| it.max_frame_size(usize::MAX)).await,
        error_of(|it| it.max_frame_size(0)).await,
        error_of(|it| it.push_timeout(SHORT)).await,
        error_of(|it| it.join_timeout(SHORT)).await,
        error_of(|it| it.connect_timeout(Duration::ZERO)).await,
        error_of(|it| it.heartbeat_interval(Some(SHORT))).await,
        error_of(|it| it.heartbeat_timeout(Duration::ZERO)).await,
        error_of(|it| it.credentials_timeout(SHORT)).await,
        error_of(|it| it.max_buffered_pushes(0)).await,
        error_of(|it| it.max_answer_bytes(0)).await,
        error_of(|it| it.stream_capacity(0)).await,
        error_of(|it| it.stream_bytes(0)).await,
        error_of(|it| it.reconnect(Backoff::exponential(second, 0, second))).await,
        error_of(|it| it.rejoin(Backoff::default().with_jitter_percent(101))).await,
        error_of(|it| it.proxy("socks4://ann:hush@proxy.test")).await,
        error_of(|it| {
            let read = |name: &str| (name == "all_proxy").then(|| "http://ann:hush@".into());
            it.proxy_from_variables(read)
        })
        .await,
    ];
    let errors: Vec<String> = errors.into_iter().map(Option::unwrap).collect();
    assert_eq!(
        errors,
        [
            "the setting `max_frame_size` must be from 1 byte to 1 GiB",
            "the setting `max_frame_size` must be from 1 byte to 1 GiB",
            "the setting `push_timeout` must be 1 ms or more",
            "the setting `join_timeout` must be 1 ms or more",
            "the setting `connect_timeout` must be 1 ms or more",
            "the setting `heartbeat_interval` must be 1 ms or more",
            "the setting `heartbeat_timeout` must be 1 ms or more",
            "the setting `credentials_timeout` must be 1 ms or more",
            "the setting `max_buffered_pushes` must be 1 or more",
            "the setting `max_answer_bytes` must be 1 or more",
            "the setting `stream_capacity` must be 1 or more",
            "the setting `stream_bytes` must be 1 or more",
            "the setting `reconnect` must be a schedule with a factor of 1 or more",
            "the setting `rejoin` must be a schedule with a jitter of 100 percent at the most",
            "the setting `proxy` must be the URL of a proxy: \
             `http://[USER:PASSWORD@]HOST[:PORT]`, `https://..` or `socks5://..`",
            "the setting `all_proxy` must be the URL of a proxy: \
             `http://[USER:PASSWORD@]HOST[:PORT]`, `https://..` or `socks5://..`",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn extreme_settings_that_can_work_do() {
    for time in [Duration::from_millis(1), Duration::MAX, Duration::MAX / 2] {
        let longest = |it: SocketBuilder| {
            it.push_timeout(time)
                .join_timeout(time)
                .leave_timeout(time)
                .connect_timeout(time)
                .close_timeout(time)
                .heartbeat_interval(Some(time))
                .heartbeat_timeout(time)
                .credentials_timeout(time)
                .stable_after(time)
                .stall_after(time)
                .reconnect(Backoff::steps([time]).with_jitter_percent(100))
        };
        assert_eq!(error_of(longest).await, None);
    }
    let zero = |it: SocketBuilder| {
        it.leave_timeout(Duration::ZERO)
            .close_timeout(Duration::ZERO)
            .stable_after(Duration::ZERO)
            .stall_after(Duration::ZERO)
    };
    assert_eq!(error_of(zero).await, None);
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(usize::MAX).stream_bytes(usize::MAX);
    let (_socket, room, mut peer) =
        net.joined_with(builder.heartbeat_interval(Some(Duration::MAX))).await;
    let push = room.push("msg", &1).acknowledged();
    let sent = peer.receive().await;
    peer.reply(&sent, "ok", &serde_json::json!({}));
    push.await.unwrap();
}

/// Connector that must not be called.
#[derive(Debug)]
struct Nowhere;

impl Dialer for Nowhere {
    type Stream = Cursor<Vec<u8>>;

    fn dial(&self, _: &str, _: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        panic!("dialed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_says_what_its_settings_may_be() {
    let with = |change: fn(&mut WebSocketConfig)| {
        let mut config = WebSocketConfig::default();
        change(&mut config);
        let connector = StreamConnector::new(Nowhere).with_config(config);
        error_of(move |it| it.connector(std::sync::Arc::new(connector)))
    };
    let errors = [
        with(|config| config.read_buffer_size = 0).await,
        with(|config| config.read_buffer_size = usize::MAX).await,
        with(|config| config.write_buffer_size = usize::MAX).await,
    ];
    let errors: Vec<String> = errors.into_iter().map(Option::unwrap).collect();
    assert_eq!(
        errors,
        [
            "the setting `read_buffer_size` must be from 1 byte to 16 MiB",
            "the setting `read_buffer_size` must be from 1 byte to 16 MiB",
            "the setting `write_buffer_size` must be 1 GiB or less",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_made_without_a_socket_asks_too() {
    let net = Net::new();
    let request = Endpoint::parse("ws://server.test/socket").unwrap().request("2.0.0");
    let mut attempt = Attempt::new(request, net.runtime.clone());
    attempt.max_frame_size = usize::MAX;
    let upgraded = upgrade(Cursor::new(Vec::new()), &attempt, &WebSocketConfig::default()).await;
    let Err(CloseCause::InvalidRequest { error, .. }) = upgraded else { panic!("{upgraded:?}") };
    assert_eq!(error, "the setting `max_frame_size` must be from 1 byte to 1 GiB");
}

#[tokio::test(start_paused = true)]
async fn a_presence_says_what_its_settings_may_be() {
    let (_socket, room, _peer) = Net::new().unjoined().await;
    let mut config = PresenceConfig::default();
    config.max_metas = 0;
    let error = room.presence_with::<(), ()>(config).unwrap_err();
    assert_eq!(error.to_string(), "the setting `max_metas` must be 1 or more");
}
