//! A server that sends as fast as the client reads: memory stays bounded, heartbeats continue, and reading pauses no
//! longer than promised, with any handling of the messages.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use futures::FutureExt;
use phx_client::proto::{V2Server, events};
use phx_client::{
    Attempt, BoxFuture, Channel, CloseCause, CloseCode, ConnectionState, Connector, Frame, Message,
    Payload, Received, Ref, Serializer, Socket, SocketBuilder, Status, StreamItem, StreamOptions,
    StreamOverflow, Transport,
};
use tokio::time::Instant;

use crate::common::{TestRuntime, paused};

const MESSAGES: u32 = 3_000;
/// Number of messages in the floods of real servers.
const HUNDRED_THOUSAND: u32 = 100_000;
const KIB: u64 = 1 << 10;
/// Capacity of the streams here.
const CAPACITY: usize = 64;

/// Frames of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Numbered messages of 1 KiB each.
    Messages,
    /// Text that isn't a message.
    Garbage,
    /// Replies without a request.
    Replies,
    /// Messages of a topic that isn't joined.
    Strangers,
    /// No more frames.
    Nothing,
}

/// A server that makes each frame when it is read, so that all memory is the client's.
#[derive(Debug)]
struct Server {
    kind: Kind,
    /// True if replies come after the whole flood.
    replies_last: bool,
    started: bool,
    messages: u32,
    sent: u32,
    /// Delay of replies during the flood.
    late: Duration,
    /// Replies, with the times of their requests.
    replies: VecDeque<(Instant, Frame)>,
    heartbeats: Arc<AtomicUsize>,
    waker: Option<Waker>,
}

impl Server {
    fn next(&mut self) -> Option<Frame> {
        let floods = self.started && self.sent < self.messages;
        let is_late = |(asked, _): &(Instant, Frame)| asked.elapsed() < self.late;
        if (!floods || !(self.replies_last || self.replies.front().is_some_and(is_late)))
            && let Some((_, reply)) = self.replies.pop_front()
        {
            return Some(reply);
        }
        if !floods || self.kind == Kind::Nothing {
            return None;
        }
        self.sent += 1;
        let text = format!("\"{:0>1022}\"", self.sent);
        let payload = Payload::from_json_text(text).unwrap();
        let frame = |message: &Message| V2Server.encode(message).unwrap();
        Some(match self.kind {
            Kind::Messages => frame(&Message::new("room:a", "n", payload)),
            Kind::Strangers => frame(&Message::new("room:b", "n", payload)),
            Kind::Replies => {
                let reference = Some(Ref::from(u64::from(self.sent) + 1_000_000));
                frame(&Message::reply("room:a", reference, Status::Ok, payload))
            }
            Kind::Garbage | Kind::Nothing => Frame::text(format!("[{}", "x".repeat(1_000))),
        })
    }

    fn receive(&mut self, frame: Frame) {
        let message = V2Server.decode(frame).unwrap();
        if message.event == events::HEARTBEAT {
            self.heartbeats.fetch_add(1, Ordering::SeqCst);
        }
        let reply = Message::reply(message.topic, message.reference, Status::Ok, Payload::empty());
        let reply = V2Server.encode(&reply.with_join_ref(message.join_ref)).unwrap();
        self.replies.push_back((Instant::now(), reply));
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}

#[derive(Clone)]
struct Line(Arc<Mutex<Server>>);

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Connector for Line {
    fn connect(&self, _: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let transport: Pin<Box<dyn Transport>> = Box::pin(self.clone());
        Box::pin(std::future::ready(Ok(transport)))
    }
}

impl Transport for Line {
    fn poll_receive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        let mut server = self.0.lock().unwrap();
        let frame = server.next();
        server.waker = Some(cx.waker().clone());
        frame.map_or(Poll::Pending, |frame| Poll::Ready(Ok(Received::Frame(frame))))
    }

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), CloseCause> {
        self.0.lock().unwrap().receive(frame);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CloseCause>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: CloseCode,
        _: &str,
    ) -> Poll<CloseCause> {
        Poll::Ready(CloseCause::frame(CloseCode::NORMAL, ""))
    }
}

/// A joined client, before the flood.
struct Flooded {
    line: Line,
    heartbeats: Arc<AtomicUsize>,
    socket: Socket,
    room: Channel,
}

impl Flooded {
    async fn by(kind: Kind, replies_last: bool) -> Self {
        Self::with(kind, replies_last, MESSAGES, |builder| {
            builder.stream_capacity(CAPACITY).heartbeat_interval(Some(Duration::from_secs(2)))
        })
        .await
    }

    async fn with(
        kind: Kind,
        replies_last: bool,
        messages: u32,
        set: impl FnOnce(SocketBuilder) -> SocketBuilder,
    ) -> Self {
        let heartbeats = Arc::<AtomicUsize>::default();
        let line = Line(Arc::new(Mutex::new(Server {
            kind,
            replies_last,
            started: false,
            messages,
            sent: 0,
            late: Duration::ZERO,
            replies: VecDeque::new(),
            heartbeats: Arc::clone(&heartbeats),
            waker: None,
        })));
        let socket = SocketBuilder::new("ws://server.test/socket")
            .runtime(TestRuntime::new())
            .connector(line.clone());
        let socket = set(socket).connect().await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        Flooded { line, heartbeats, socket, room }
    }

    fn start(&self) {
        let mut server = self.line.0.lock().unwrap();
        server.started = true;
        server.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Checks that the first connection is open, and that every heartbeat was answered in time.
    fn is_alive(&self) {
        let counters = self.socket.counters();
        assert!(self.socket.is_connected());
        assert_eq!((counters.opened, counters.heartbeats_missed, counters.events_lost), (1, 0, 0));
    }

    fn heartbeats(&self) -> usize {
        self.heartbeats.load(Ordering::SeqCst)
    }
}

/// Runs a test on one thread in virtual time, and returns its allocations.
fn measured<F: Future<Output = ()>>(test: impl Fn() -> F) -> AllocationInfo {
    measure(|| {
        let limit = Duration::from_secs(3_600);
        paused().block_on(async { tokio::time::timeout(limit, test()).await.expect("it ends") });
    })
}

/// Returns the allowed memory for this number of streams of `CAPACITY` messages of 1 KiB, and as much again for the
/// rest.
fn at_most(streams: u64) -> u64 {
    2 * (streams + 1) * CAPACITY as u64 * (KIB + 128)
}

fn number(payload: &Payload) -> u32 {
    payload.decode::<String>().unwrap().parse().unwrap()
}

#[test]
fn a_live_slow_consumer_loses_nothing_and_memory_stays() {
    let used = measured(async || {
        let flooded = Flooded::by(Kind::Messages, false).await;
        let mut messages = flooded.room.on_raw("n");
        flooded.start();
        let start = Instant::now();
        for expected in 1..=MESSAGES {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match messages.next().await {
                Some(StreamItem::Message(payload)) => assert_eq!(number(&payload), expected),
                other => panic!("{other:?} instead of {expected}"),
            }
        }
        flooded.is_alive();
        let beats = usize::try_from(start.elapsed().as_secs() / 2).unwrap();
        assert!(flooded.heartbeats() + 1 >= beats && beats >= 1, "{}", flooded.heartbeats());
    });
    assert!(used.bytes_total > u64::from(MESSAGES) * KIB, "all of it came: {used:?}");
    assert!(used.bytes_max < at_most(1), "{used:?}");
}

#[test]
fn a_forgotten_stream_holds_the_others_back_once_and_memory_stays() {
    let used = measured(async || {
        let flooded = Flooded::by(Kind::Messages, false).await;
        let mut forgotten = flooded.room.on_raw("n");
        let mut read = flooded.room.on_raw("n");
        flooded.start();
        let mut last = Instant::now();
        let mut longest = Duration::ZERO;
        let mut held_back = Duration::ZERO;
        for expected in 1..=MESSAGES {
            match read.next().await {
                Some(StreamItem::Message(payload)) => assert_eq!(number(&payload), expected),
                other => panic!("{other:?} instead of {expected}"),
            }
            longest = longest.max(last.elapsed());
            held_back += last.elapsed();
            last = Instant::now();
        }
        // The heartbeat under way may end it sooner than `stall_after` (5 s) does.
        assert!(longest <= Duration::from_secs(5), "{longest:?}");
        assert!(held_back <= Duration::from_secs(5), "not again and again: {held_back:?}");
        assert!(held_back > Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(60)).await;
        flooded.is_alive();
        assert!(flooded.heartbeats() >= 29, "{}", flooded.heartbeats());
        // The stream reports the lost messages, and yields the others.
        let mut seen = 0;
        while let Some(item) = forgotten.next().now_or_never().flatten() {
            seen += match item {
                StreamItem::Lagged(lost) => u32::try_from(lost).unwrap(),
                StreamItem::Message(_) => 1,
                other => panic!("{other:?}"),
            };
        }
        assert_eq!(seen, MESSAGES);
    });
    assert!(used.bytes_total > u64::from(MESSAGES) * KIB, "{used:?}");
    assert!(used.bytes_max < at_most(2), "{used:?}");
}

#[test]
fn a_stream_that_drops_holds_nobody_back() {
    for overflow in [StreamOverflow::DropOldest, StreamOverflow::DropNewest] {
        let used = measured(async || {
            let flooded = Flooded::by(Kind::Messages, false).await;
            let _forgotten = flooded.room.on_raw_with("n", StreamOptions::new().overflow(overflow));
            let mut read = flooded.room.on_raw("n").values();
            flooded.start();
            let start = Instant::now();
            for _ in 0..MESSAGES {
                read.next().await.unwrap();
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
            flooded.is_alive();
        });
        assert!(used.bytes_max < at_most(2), "{overflow:?}: {used:?}");
    }
}

/// The reply to the heartbeat comes behind the whole flood, which the program doesn't read.
#[test]
fn a_heartbeat_reply_behind_a_flood_is_found_in_time() {
    measured(async || {
        let flooded = Flooded::by(Kind::Messages, true).await;
        let _forgotten = flooded.room.on_raw("n");
        flooded.start();
        tokio::time::sleep(Duration::from_secs(60)).await;
        flooded.is_alive();
        assert!(flooded.heartbeats() >= 20, "{}", flooded.heartbeats());
    });
}

/// With the default settings: the flood begins in second 25, and the server answers the heartbeat of
/// second 30 twelve seconds later.
#[test]
fn a_late_heartbeat_reply_costs_nothing_while_data_flows() {
    measured(async || {
        let flooded = Flooded::with(Kind::Messages, false, HUNDRED_THOUSAND, |it| it).await;
        flooded.line.0.lock().unwrap().late = Duration::from_secs(12);
        let mut messages = flooded.room.on_raw("n");
        tokio::time::sleep(Duration::from_secs(25)).await;
        flooded.start();
        let start = Instant::now();
        for expected in 1..=HUNDRED_THOUSAND {
            if expected % 3 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            match messages.next().await {
                Some(StreamItem::Message(payload)) => assert_eq!(number(&payload), expected),
                other => panic!("{other:?} instead of {expected}"),
            }
        }
        let took = start.elapsed();
        assert!((30..60).contains(&took.as_secs()), "the reply came while it flooded: {took:?}");
        flooded.is_alive();
        assert_eq!(flooded.heartbeats(), 1);
    });
}

/// The reply waits behind the whole flood, and no frame is read while the reader pauses.
#[test]
fn a_reader_that_pauses_loses_nothing_though_the_reply_waits_behind_the_flood() {
    measured(async || {
        const MESSAGES: u32 = 25_000;
        let flooded = Flooded::with(Kind::Messages, true, MESSAGES, |it| it).await;
        let mut messages = flooded.room.on_raw("n");
        tokio::time::sleep(Duration::from_secs(29)).await;
        flooded.start();
        for expected in 1..=MESSAGES {
            if expected % 500 == 0 {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            match messages.next().await {
                Some(StreamItem::Message(payload)) => assert_eq!(number(&payload), expected),
                other => panic!("{other:?} instead of {expected}"),
            }
        }
        // 50 pauses are 20 s: the reply came within three quarters of the limit.
        flooded.is_alive();
        assert_eq!(flooded.heartbeats(), 1);
    });
}

/// A server that says nothing more while a stream is full, and holds back reading for longer than that.
#[test]
fn a_dead_peer_is_noticed_within_the_interval_and_the_limit_though_a_stream_is_full() {
    measured(async || {
        let patient = |it: SocketBuilder| it.stall_after(Duration::from_secs(3_600));
        let flooded = Flooded::with(Kind::Messages, false, 1_024, patient).await;
        let _full = flooded.room.on_raw("n");
        tokio::time::sleep(Duration::from_secs(29)).await;
        flooded.start();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(flooded.socket.counters().messages, 1_024);
        flooded.line.0.lock().unwrap().replies_last = true;
        flooded.line.0.lock().unwrap().messages = u32::MAX;
        flooded.line.0.lock().unwrap().kind = Kind::Nothing;
        let mut status = flooded.socket.status();
        assert_eq!(status.next().await, Some(ConnectionState::Open));
        let start = Instant::now();
        assert_ne!(status.next().await, Some(ConnectionState::Open));
        let took = start.elapsed();
        assert!((30_000..=30_501).contains(&took.as_millis()), "{took:?}");
        assert_eq!(flooded.socket.counters().heartbeats_missed, 1);
    });
}

/// A stream that takes a message now and then isn't forgotten, but at that pace the reply would come
/// after an hour. It loses messages then, and says how many.
#[test]
fn nor_does_a_stream_that_is_much_too_slow_cost_the_connection() {
    measured(async || {
        let flooded = Flooded::by(Kind::Messages, true).await;
        let mut messages = flooded.room.on_raw("n");
        flooded.start();
        let mut seen = 0;
        while seen < MESSAGES {
            tokio::time::sleep(Duration::from_millis(200)).await;
            seen += match messages.next().await {
                Some(StreamItem::Message(payload)) => {
                    assert_eq!(number(&payload), seen + 1, "in order, with the losses counted");
                    1
                }
                Some(StreamItem::Lagged(lost)) => u32::try_from(lost).unwrap(),
                other => panic!("{other:?}"),
            };
        }
        flooded.is_alive();
    });
}

#[test]
fn what_is_for_nobody_is_dropped_as_it_comes() {
    for kind in [Kind::Garbage, Kind::Replies, Kind::Strangers, Kind::Messages] {
        let used = measured(async || {
            let flooded = Flooded::by(kind, false).await;
            flooded.start();
            // A push is answered during the flood.
            flooded.room.push("post", &1).acknowledged().await.unwrap();
            tokio::time::sleep(Duration::from_secs(10)).await;
            flooded.is_alive();
            let counters = flooded.socket.counters();
            let counted = match kind {
                Kind::Garbage => counters.malformed,
                Kind::Replies => counters.unmatched_replies,
                Kind::Strangers => counters.unknown_topic,
                Kind::Messages | Kind::Nothing => counters.messages,
            };
            assert_eq!(counted, u64::from(MESSAGES), "{kind:?}");
        });
        assert!(used.bytes_max < at_most(0), "{kind:?}: {used:?}");
    }
}
