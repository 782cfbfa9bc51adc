//! Credentials and join params are made again for every attempt, in limited time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use phx_client::proto::events;
use phx_client::{CloseCause, ConnectCause, ConnectError, Credentials, Payload};
use serde_json::json;

use crate::common::{Net, Notes, soon};

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_panics_or_hangs_fails_the_attempt_and_is_asked_again() {
    let mut net = Net::new();
    let count = Arc::new(AtomicU32::new(0));
    let notes = Notes::default();
    let closes = notes.clone();
    let builder = net
        .builder()
        .on_close(move |closed| closes.note(format!("{}", closed.cause)))
        .credentials(move || {
            let n = count.fetch_add(1, Ordering::SeqCst);
            async move {
                match n {
                    0 => Err("the vault is shut".into()),
                    1 => panic!("a bug"),
                    2 => std::future::pending().await,
                    _ => Ok(Credentials::new().auth_token("secret")),
                }
            }
        });
    let (socket, peer) = net.connected_with(builder).await;
    assert!(socket.is_connected());
    assert_eq!(
        notes.taken(),
        [
            "can't connect: no credentials: the vault is shut",
            "can't connect: no credentials in time",
            "can't connect: no credentials in time",
        ]
    );
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_function_has_ten_seconds() {
    let net = Net::new();
    let socket = net.builder().credentials(std::future::pending).spawn().unwrap();
    let start = tokio::time::Instant::now();
    let closed = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&closed);
    let _hook = socket.on_close(move |_| notify.notify_one());
    soon(closed.notified()).await;
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn unusable_credentials_are_final_for_a_first_connect() {
    let net = Net::new();
    let builder =
        net.builder().credentials(|| async { Ok(Credentials::new().header("bad name", "x")) });
    match soon(builder.connect()).await.unwrap_err() {
        ConnectError { cause: ConnectCause::Closed(CloseCause::InvalidRequest { .. }), .. } => {}
        other => panic!("{other:?}"),
    }
    soon(net.runtime.all_ended()).await;
}

#[tokio::test(start_paused = true)]
async fn a_mistake_in_the_builder_is_the_error_of_connect_and_spawn() {
    let net = Net::new();
    assert!(matches!(
        net.builder().header("bad name", "x").spawn(),
        Err(ConnectError { cause: ConnectCause::Endpoint(_), .. })
    ));
    let incomplete = phx_client::SocketBuilder::new("ws://server.test/socket").connect().await;
    assert!(matches!(
        incomplete,
        Err(ConnectError { cause: ConnectCause::Incomplete { missing: "runtime", .. }, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn channel_params_that_cannot_be_made_are_asked_for_again() {
    let (socket, mut peer) = Net::new().connected().await;
    let count = Arc::new(AtomicU32::new(0));
    let builder =
        socket.channel("room:a").join_timeout(Duration::from_secs(120)).params_with(move || {
            let n = count.fetch_add(1, Ordering::SeqCst);
            async move {
                match n {
                    0 => Err("the vault is shut".into()),
                    1 => panic!("a bug"),
                    2 => std::future::pending().await,
                    _ => Ok(Payload::empty()),
                }
            }
        });
    let joining = tokio::spawn(builder.join());
    let join = peer.receive().await;
    assert_eq!(join.event, events::JOIN);
    peer.reply(&join, "ok", &json!({}));
    joining.await.unwrap().unwrap();
}
