//! A session of the client is recorded, without secrets, and the recording is replayed.

use std::sync::{Arc, Mutex};

use phx_client::recorder::{Payloads, Recorder, RecordingOptions, Ring, RingLimits, replay};
use phx_client::{Credentials, SocketBuilder, SocketError};
use serde_json::json;

use crate::common::{Net, soon};

const SECRETS: [&str; 6] =
    ["param-secret", "header-secret", "token-secret", "join-secret", "made-secret", "server.test"];

/// Connects with secrets everywhere, joins, pushes, loses the connection and rejoins.
async fn session(net: &mut Net, builder: SocketBuilder) {
    let builder = builder
        .param("password", "param-secret")
        .header("x-key", "header-secret")
        .auth_token("token-secret")
        .credentials(|| async { Ok(Credentials::new().param("once", "made-secret")) });
    let connecting = builder.connect();
    let (socket, mut peer) =
        soon(futures::future::join(connecting, async { net.attempt().await.accept() })).await;
    let socket = socket.unwrap();
    let fixed = socket.channel("room:fixed").params(&json!("join-secret")).create().unwrap();
    let joined = fixed.join();
    soon(peer.accept_join()).await;
    soon(joined).await.unwrap();
    let push = fixed.push("shout", &json!({ "text": "payload-text" })).acknowledged();
    let shout = soon(peer.receive()).await;
    peer.reply(&shout, "ok", &json!({}));
    soon(push).await.unwrap();
    drop(peer);
    let mut peer = soon(net.attempt()).await.accept();
    soon(peer.accept_join()).await;
    soon(socket.disconnect()).await;
}

#[tokio::test(start_paused = true)]
async fn no_mode_has_a_secret_and_each_is_replayed() {
    for payloads in [Payloads::Length, Payloads::Hashed, Payloads::Whole] {
        let mut net = Net::new();
        let ring = Ring::new(RingLimits::default());
        let options = RecordingOptions::default().payloads(payloads);
        let builder = net.builder().recorder(Recorder::from(ring.clone()).options(options));
        session(&mut net, builder).await;
        let recording = String::from_utf8(ring.dump()).unwrap();
        for secret in SECRETS {
            assert!(!recording.contains(secret), "{secret} in {payloads:?}");
        }
        assert_eq!(recording.contains("payload-text"), payloads == Payloads::Whole);
        assert!(recording.contains("room:fixed") && recording.contains("shout"));
        let replayed = replay(recording.as_bytes()).unwrap();
        assert!(replayed.outputs > 20, "{replayed:?}");
    }
}

/// As GUIDE.md has it: a hook dumps the ring when something is wrong, here an error that the program chose.
#[tokio::test(start_paused = true)]
async fn a_hook_dumps_the_session_on_an_error_of_choice() {
    let mut net = Net::new();
    let ring = Ring::new(RingLimits::default());
    let dumps: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (held, dumped) = (ring.clone(), Arc::clone(&dumps));
    let builder = net.builder().recorder(ring).on_error(move |error| {
        if matches!(error, SocketError::Connection(_)) {
            dumped.lock().unwrap().push(held.dump());
        }
    });
    session(&mut net, builder).await;
    let dumps = std::mem::take(&mut *dumps.lock().unwrap());
    let [dump] = &dumps[..] else { panic!("{} dumps", dumps.len()) };
    let text = String::from_utf8(dump.clone()).unwrap();
    assert!(text.contains("{\"event\":{\"closed\":"), "the error isn't in {text}");
    assert!(!replay(&dump[..]).unwrap().is_complete, "the session goes on");
}
