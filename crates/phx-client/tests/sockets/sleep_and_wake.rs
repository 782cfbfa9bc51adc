//! Suspend: the runtime's clock and timers stand still, and the client notices it soon after waking, without a burst.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use phx_client::proto::events;
use phx_client::{
    BoxFuture, CloseCause, ConnectCause, ConnectError, Instant, PushCause, PushError, Runtime,
    SocketBuilder,
};
use serde_json::json;

use crate::common::{Net, Notes, Peer, TestRuntime, settle, soon};

const HOUR: Duration = Duration::from_secs(3_600);
/// Time until waking is noticed, as promised in the docs of `Runtime`.
const NOTICED: Duration = Duration::from_secs(5);

/// A machine that can be suspended. It wakes at once, since the test's clock stands still as well.
#[derive(Clone, Debug, Default)]
struct Machine(Arc<AtomicU64>);

impl Machine {
    async fn sleeps(&self, duration: Duration) {
        // Longer than the client keeps a measurement of the suspended time.
        tokio::time::advance(Duration::from_millis(1)).await;
        self.0.fetch_add(duration.as_secs(), Ordering::SeqCst);
    }

    fn builder(&self, net: &Net) -> SocketBuilder {
        net.builder().runtime(OnMachine(net.runtime.clone(), self.clone()))
    }
}

/// A runtime that reports the suspended time of its machine.
#[derive(Debug)]
struct OnMachine(Arc<TestRuntime>, Machine);

impl Runtime for OnMachine {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn suspended(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.1.0.load(Ordering::SeqCst)))
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        self.0.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }
}

/// Returns the frames that the client sends until it closes this connection.
async fn sent_until_closed(peer: &mut Peer) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(message) = soon(peer.receive_or_close()).await {
        sent.push(message.event.to_string());
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_sleep_is_noticed_within_five_seconds() {
    let (mut net, machine, notes) = (Net::new(), Machine::default(), Notes::default());
    let reported = notes.clone();
    let builder =
        machine.builder(&net).on_close(move |closed| reported.note(closed.cause.to_string()));
    let (_socket, room, mut peer) = net.joined_with(builder).await;
    // Just after a heartbeat: the next one is 30 s away on a clock that stood still.
    let heartbeat = peer.receive_heartbeat().await;
    peer.reply(&heartbeat, "ok", &json!({}));
    settle().await;
    let waiting = room.push("ask", &json!({})).acknowledged();
    assert_eq!(&*peer.receive().await.event, "ask");

    machine.sleeps(HOUR).await;
    let woke = tokio::time::Instant::now();
    assert!(sent_until_closed(&mut peer).await.is_empty(), "nothing is sent into the void");
    assert!(woke.elapsed() <= NOTICED, "{:?}", woke.elapsed());
    assert!(matches!(
        soon(waiting).await,
        Err(PushError { cause: PushCause::Disconnected, .. }
            | PushError { cause: PushCause::TimedOut, .. })
    ));
    assert_eq!(notes.taken(), [CloseCause::Suspended.to_string()]);

    let mut peer = net.attempt().await.accept();
    peer.accept_join().await;
    // The schedule's first step is 1 s, a quarter either way.
    assert!(woke.elapsed() <= NOTICED + Duration::from_millis(1_250), "{:?}", woke.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_notices_it_at_once() {
    let (mut net, machine) = (Net::new(), Machine::default());
    let (_socket, room, mut peer) = net.joined_with(machine.builder(&net)).await;
    machine.sleeps(HOUR).await;
    let woke = tokio::time::Instant::now();
    let push = room.push("hello", &json!({})).acknowledged();
    assert!(sent_until_closed(&mut peer).await.is_empty());
    assert_eq!(woke.elapsed(), Duration::ZERO);
    // Pushes after waking are sent once, on the new connection.
    let mut peer = net.attempt().await.accept();
    // The schedule's first step is 1 s, a quarter either way: timers are right again.
    assert!(woke.elapsed() <= Duration::from_millis(1_250), "{:?}", woke.elapsed());
    soon(peer.accept_join()).await;
    let hello = soon(peer.receive()).await;
    assert_eq!(&*hello.event, "hello");
    peer.reply(&hello, "ok", &json!({}));
    soon(push).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reconnect_now_needs_no_schedule() {
    let (mut net, machine) = (Net::new(), Machine::default());
    let (socket, _room, _peer) = net.joined_with(machine.builder(&net)).await;
    machine.sleeps(HOUR).await;
    let woke = tokio::time::Instant::now();
    assert!(socket.reconnect_now());
    let mut peer = net.attempt().await.accept();
    peer.accept_join().await;
    assert_eq!(woke.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn waking_up_is_no_burst() {
    let (mut net, machine) = (Net::new(), Machine::default());
    let builder = machine.builder(&net);
    let (socket, mut peer) = net.connected_with(builder).await;
    let mut rooms = Vec::new();
    for topic in ["room:a", "room:b", "room:c"] {
        let (room, _) = tokio::join!(socket.channel(topic).join(), peer.accept_join());
        rooms.push(room.unwrap());
    }
    for _ in 0..5 {
        machine.sleeps(HOUR).await;
        assert!(sent_until_closed(&mut peer).await.is_empty());
        let attempts = socket.counters().attempts;
        peer = net.attempt().await.accept();
        let joins = [peer.receive().await, peer.receive().await, peer.receive().await];
        for join in &joins {
            assert_eq!(join.event, events::JOIN);
            peer.reply(join, "ok", &json!({}));
        }
        settle().await;
        assert!(peer.try_receive().is_none(), "one join for each channel, and nothing else");
        assert_eq!(socket.counters().attempts, attempts + 1);
        // The next heartbeat is on time, and there is only one.
        let joined = tokio::time::Instant::now();
        let heartbeat = peer.receive_heartbeat().await;
        peer.reply(&heartbeat, "ok", &json!({}));
        settle().await;
        assert!(peer.try_receive().is_none());
        assert_eq!(joined.elapsed().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_nap_keeps_the_connection() {
    let (mut net, machine) = (Net::new(), Machine::default());
    let (socket, _room, mut peer) = net.joined_with(machine.builder(&net)).await;
    machine.sleeps(Duration::from_secs(45)).await;
    let woke = tokio::time::Instant::now();
    let heartbeat = peer.receive_heartbeat().await;
    assert!(woke.elapsed() <= NOTICED, "{:?}", woke.elapsed());
    peer.reply(&heartbeat, "ok", &json!({}));
    settle().await;
    assert!(socket.is_connected());
    assert!(peer.try_receive().is_none());
}

/// The timer was set before the suspend and is late: a frame that arrives first resets it.
#[tokio::test(start_paused = true)]
async fn after_the_first_frame_nothing_is_late() {
    let (mut net, machine) = (Net::new(), Machine::default());
    let (_socket, _room, mut peer) = net.joined_with(machine.builder(&net)).await;
    let heartbeat = peer.receive_heartbeat().await;
    peer.reply(&heartbeat, "ok", &json!({}));
    settle().await;
    tokio::time::advance(Duration::from_secs(11)).await;
    settle().await;
    machine.sleeps(Duration::from_secs(17)).await;
    peer.broadcast("news", &json!({}));
    settle().await;
    let woke = tokio::time::Instant::now();
    peer.receive_heartbeat().await;
    // 11 s and 17 s of the 30 s between two heartbeats had passed.
    let waited = woke.elapsed().as_millis();
    assert!((1_998..=2_002).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_soon_after_the_machine_woke() {
    let (net, machine) = (Net::new(), Machine::default());
    let socket = machine.builder(&net).spawn().unwrap();
    let start = tokio::time::Instant::now();
    let wait = |limit| socket.wait_connected().with_timeout(Duration::from_secs(limit));
    // Without sleep it is exact.
    assert!(matches!(
        wait(7).await,
        Err(ConnectError { cause: ConnectCause::TimedOut { .. }, .. })
    ));
    assert_eq!(start.elapsed(), Duration::from_secs(7));

    let waiting = wait(100);
    let slept = async {
        settle().await;
        machine.sleeps(HOUR).await;
    };
    let (ended, ()) = tokio::join!(waiting, slept);
    assert!(matches!(ended, Err(ConnectError { cause: ConnectCause::TimedOut { .. }, .. })));
    assert_eq!(start.elapsed(), Duration::from_secs(7) + NOTICED);
    assert!(matches!(
        wait(1).await,
        Err(ConnectError { cause: ConnectCause::TimedOut { .. }, .. })
    ));
    assert_eq!(start.elapsed(), Duration::from_secs(8) + NOTICED);
}
