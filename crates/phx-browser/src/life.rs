//! The life of a page: hidden, frozen, put away, offline, and lied to by scripts.
//!
//! Each test first asserts that the condition it is about really holds.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use phx_client::{Endpoint, EndpointError, TransportKind};
use phx_testing::suite::{Answer, End, Host, Order, Report, ServerKind, Site as _, Verdict};
use serde_json::json;
use tokio::time::timeout;

mod page;

use page::{FOREVER, Page};

/// Time limit of a test.
const LIMIT: Duration = Duration::from_secs(120);

/// Number of tests that run at the same time, each in its own browser.
const AT_A_TIME: usize = 3;

type Test = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Name of a test, and the function that starts it.
type Named = (&'static str, fn(SocketAddr) -> Test);

/// The tests, by their names.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        [$((concat!("life::", stringify!($name)), |pages| Box::pin($name(pages))),)*]
    };
}

/// Runs the tests whose names contain `part`.
pub(crate) async fn run(pages: SocketAddr, part: &str) -> Report {
    let all: [Named; 11] = tests![
        a_hidden_page_with_slow_timers_stays_connected,
        a_frozen_page_leaves_at_once_and_comes_back,
        a_page_in_the_back_forward_cache_leaves_at_once_and_comes_back,
        a_page_that_is_online_again_connects_at_once,
        a_hidden_page_without_a_network_makes_no_attempts,
        events_of_scripts_change_nothing,
        nothing_secret_is_written_to_the_console,
        what_is_recorded_in_a_page_replays_elsewhere,
        what_was_used_is_given_back,
        plain_text_from_a_secure_page_is_refused_by_name,
        a_url_is_read_as_elsewhere,
    ];
    let some = all.into_iter().filter(|(name, _)| name.contains(part));
    let runs = some.map(async |(name, test)| (name, verdict(test(pages)).await));
    let ended = futures::stream::iter(runs).buffered(AT_A_TIME).collect().await;
    Report::new("browser", TransportKind::WebSocket, ended)
}

async fn verdict(test: Test) -> Verdict {
    let began = Instant::now();
    match timeout(LIMIT, tokio::spawn(test)).await {
        Ok(Ok(())) => Verdict::passed(began.elapsed()),
        Ok(Err(panic)) => Verdict::failed(page::text_of(panic)),
        Err(_) => Verdict::failed(format!("not done within {} s", LIMIT.as_secs())),
    }
}

async fn order(server: &Host, order: Order) {
    assert!(matches!(server.order(order).await, Answer::Done));
}

/// Waits until the server has ended the channel `end:a`.
async fn next_end(server: &Host) -> End {
    match timeout(Duration::from_secs(10), server.order(Order::AwaitEnd)).await {
        Ok(Answer::End(end)) => end,
        other => panic!("the server noticed no end: {other:?}"),
    }
}

fn demo() -> Arc<Host> {
    Arc::new(Host::start(ServerKind::Demo))
}

/// Timers of a hidden page go off once a second. Heartbeats every second, with as much time for their replies, are late
/// by up to that, and no sign of a dead peer; messages come at once.
async fn a_hidden_page_with_slow_timers_stays_connected(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({ "heartbeat": 1_000 })).await;
    page.hide().await;
    // The browser slows them down some seconds after the page was hidden. Each of them is set by the one before.
    let chain = "
        const done = arguments[0]
        const timer = then => {
          const began = performance.now()
          setTimeout(() => then(performance.now() - began), 20)
        }
        const measure = (left, sum) => timer(took => left ? measure(left - 1, sum + took) : done(sum))
        const wait = () => timer(took => took > 500 ? measure(5, 0) : wait())
        wait()";
    let took = page.browser.run_async(chain, &[]).await.as_f64().unwrap();
    assert!(took > 3_000.0, "the timers aren't slow: {took} ms");
    let counters = page.counters().await;
    assert_eq!((&counters["opened"], &counters["heartbeats_missed"]), (&json!(1), &json!(0)));
    assert!(counters["frames_sent"].as_u64().unwrap() >= 5, "no heartbeats: {counters}");
    order(&server, Order::Broadcast { event: "shout".to_owned(), first: 7, count: 1 }).await;
    page.until("room:a shout 7", 1).await;
    // Nor does the second message of a burst wait for a timer.
    const BURSTS: u32 = 20;
    let began = Instant::now();
    for first in (0..BURSTS).map(|burst| 100 + 2 * burst) {
        order(&server, Order::Broadcast { event: "shout".to_owned(), first, count: 2 }).await;
        page.until(&format!("room:a shout {}", first + 1), 1).await;
    }
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(u64::from(BURSTS) / 2),
        "messages waited for timers: {took:?}"
    );
    assert_eq!(page.browser.run("return document.visibilityState").await, "hidden");
    page.close().await;
}

async fn a_frozen_page_leaves_at_once_and_comes_back(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({})).await;
    page.browser.devtools("Page.setWebLifecycleState", json!({ "state": "frozen" })).await;
    assert_eq!(next_end(&server).await, End::Closed, "the server knows before the page is back");
    page.browser.devtools("Page.setWebLifecycleState", json!({ "state": "active" })).await;
    page.until("room:a Joined", 2).await;
    let seen = page.seen().await;
    let position = |text: &str| seen.iter().position(|noted| noted.contains(text));
    let order = ["event freeze", "event resume", "room:a gap"].map(position);
    assert!(order.is_sorted() && order[0].is_some(), "{seen:?}");
    assert_eq!(page.counters().await["opened"], 2);
    page.close().await;
}

async fn a_page_in_the_back_forward_cache_leaves_at_once_and_comes_back(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({})).await;
    page.browser.open(&format!("http://localhost:{}/stage.html", pages.port())).await;
    assert_eq!(next_end(&server).await, End::Closed, "the server knows before the page is back");
    page.browser.back().await;
    page.until("event pageshow persisted", 1).await;
    page.until("room:a Joined", 2).await;
    assert_eq!(page.counters().await["opened"], 2);
    page.close().await;
}

async fn a_page_that_is_online_again_connects_at_once(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({})).await;
    order(&server, Order::GoOffline).await;
    order(&server, Order::Cut).await;
    page.until("close", 1).await;
    page.go_offline(true).await;
    page.until("event offline", 1).await;
    order(&server, Order::GoOnline).await;
    assert_eq!(page.counters().await["attempts"], 1, "the schedule has hours");
    page.go_offline(false).await;
    page.until("event online", 1).await;
    page.until("room:a Joined", 2).await;
    assert_eq!(page.counters().await["attempts"], 2);
    page.close().await;
}

async fn a_hidden_page_without_a_network_makes_no_attempts(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({ "delay": 300 })).await;
    order(&server, Order::GoOffline).await;
    order(&server, Order::Cut).await;
    page.until("close", 3).await;
    page.hide().await;
    page.go_offline(true).await;
    page.until("event offline", 1).await;
    let before = page.counters().await["attempts"].as_u64().unwrap();
    // Five of a hidden page's timers: each could be followed by an attempt.
    let waits = "
        const done = arguments[0]
        let left = 5
        const next = () => left-- ? setTimeout(next, 300) : done()
        next()";
    page.browser.run_async(waits, &[]).await;
    let after = page.counters().await["attempts"].as_u64().unwrap();
    assert!(after <= before + 1, "one was under way: {before}, {after}");
    order(&server, Order::GoOnline).await;
    page.go_offline(false).await;
    page.until("room:a Joined", 2).await;
    assert_eq!(page.browser.run("return document.visibilityState").await, "hidden");
    page.close().await;
}

async fn events_of_scripts_change_nothing(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({})).await;
    let lie = "
        for (let times = 0; times < 200; times++) {
          for (const name of ['freeze', 'resume', 'visibilitychange']) {
            document.dispatchEvent(new Event(name))
          }
          for (const name of ['pagehide', 'pageshow', 'online', 'offline']) {
            window.dispatchEvent(new Event(name))
          }
        }";
    page.browser.run(lie).await;
    page.command("push", json!("still there")).await;
    page.until("room:a shout \"still there\"", 1).await;
    assert_eq!(page.counters().await["opened"], 1);

    order(&server, Order::GoOffline).await;
    order(&server, Order::Cut).await;
    page.until("close", 1).await;
    page.browser.run(lie).await;
    // A task of the page after all that the events could have queued.
    page.browser.run_async("setTimeout(arguments[0], 100)", &[]).await;
    assert_eq!(page.counters().await["attempts"], 1);
    page.close().await;
}

async fn nothing_secret_is_written_to_the_console(pages: SocketAddr) {
    const SECRET: &str = "canary-7d1f";
    let server = demo();
    let page = Page::open(pages, &server, json!({ "secret": SECRET, "delay": 20 })).await;
    page.browser.run("console.info('the console is heard')").await;
    page.command("push", json!(SECRET)).await;
    page.until(&format!("shout \"{SECRET}\""), 1).await;
    order(&server, Order::InjectText(format!("[{SECRET}"))).await;
    order(&server, Order::InjectBinary(SECRET.as_bytes().to_vec())).await;
    order(&server, Order::Close { code: 4_000, reason: SECRET.to_owned() }).await;
    page.until("room:a Joined", 2).await;
    order(&server, Order::Cut).await;
    page.until("room:a Joined", 3).await;
    let console = page.browser.console().await.to_string();
    assert!(console.contains("the console is heard"), "{console}");
    assert!(!console.contains(SECRET), "{console}");
    page.close().await;
}

async fn what_is_recorded_in_a_page_replays_elsewhere(pages: SocketAddr) {
    const SECRET: &str = "canary-9b04";
    let server = demo();
    let page =
        Page::open(pages, &server, json!({ "secret": SECRET, "record": true, "delay": 20 })).await;
    page.command("push", json!(SECRET)).await;
    page.until("room:a shout", 1).await;
    order(&server, Order::Cut).await;
    page.until("room:a Joined", 2).await;
    let recording = page.command("recording", json!(null)).await;
    let recording = recording.as_str().expect("a recording");
    assert!(recording.contains("room:a") && !recording.contains(SECRET), "{recording}");
    let replayed = phx_client::recorder::replay(recording.as_bytes());
    let replayed = replayed.unwrap_or_else(|parted| panic!("{parted} in {recording}"));
    assert!(replayed.outputs > 10 && !replayed.is_complete, "{replayed:?}");
    page.close().await;
}

/// 10,000 messages and 1,000 reconnects, and then the same again: in the second half nothing grows.
async fn what_was_used_is_given_back(pages: SocketAddr) {
    let server = demo();
    let page = Page::open(pages, &server, json!({})).await;
    let mut sizes = Vec::new();
    for round in 1..=2 {
        page.command("echoes", json!(5_000)).await;
        page.until("echoes done", round).await;
        page.command("reconnects", json!(500)).await;
        page.until("reconnects done", round).await;
        page.browser
            .run("seen.splice(0, seen.length, ...seen.filter(text => text.endsWith('done')))")
            .await;
        sizes.push(page.memory().await);
    }
    let [(wasm, heap), (wasm_after, heap_after)] = sizes[..] else { panic!("two rounds") };
    assert_eq!(wasm, wasm_after, "WebAssembly's memory grew");
    assert!(heap_after < heap + 300_000, "the heap of JavaScript grew: {heap}, {heap_after}");
    page.close().await;
}

async fn plain_text_from_a_secure_page_is_refused_by_name(pages: SocketAddr) {
    let identity = phx_testing::tls::Authority::new("of a test").issue(|_| {});
    let port = identity.terminate(None, pages, &tokio::runtime::Handle::current());
    let page = Page::load(&format!("https://localhost:{port}/life.html"), false).await;
    assert_eq!(page.browser.run("return location.protocol").await, "https:");
    page.command("open", json!({ "url": "ws://192.0.2.1/socket", "delay": FOREVER })).await;
    page.until("close", 1).await;
    let seen = page.seen().await.concat();
    assert!(seen.contains("use `wss://`"), "{seen}");
    page.close().await;
}

/// The browser's parser and the core's small one read a URL as `url` does in programs, and refuse it by the same part. Left out are the few
/// things in which Chromium's parser differs from the standard or from `url`: `|` and `^` in paths, odd signs in names, labels `xn--..` that
/// decode to nothing.
async fn a_url_is_read_as_elsewhere(pages: SocketAddr) {
    let page = Page::load(&format!("http://localhost:{}/life.html", pages.port()), true).await;
    for url in [
        "ws://localhost:4000/socket",
        " HTTPS://B\u{fc}cher.example:443/a b/../\u{e9}%2f/?x=%41+b&&y&z=%ff&a[b][]=\u{e9}\n",
        "wss://[2001:DB8:0:0::1]:4000",
        "ws://[::ffff:1.2.3.4]/{}`'\"",
        "ws://0x7f.1:080\\socket\\websocket\\",
        "ws://a_b..c-d/?vsn",
        "ws://a/?vsn[x]=2",
        "ws://me:hush@a/",
        "ws://a/#hush",
        "ws://a:0/",
        "ws://a:hush/",
        "ws://a:65536/",
        "ws://hu sh/?b",
        "ws://1.2.3.256/",
        "ws:///",
        "ftp://hush/",
        "/socket",
        "",
    ] {
        let expected = match Endpoint::parse(url) {
            Ok(endpoint) => {
                let request = endpoint.request("2.0.0");
                json!([endpoint.to_string(), request.target(), request.host(), request.port()])
            }
            Err(error) => json!(error.to_string()),
        };
        let read = page.command("endpoint", json!(url)).await;
        assert_eq!(read, expected, "{url:?}");
        assert!(!read.is_string() || !read.to_string().contains("hush"), "{read}");
    }
    // Of an IPv6 address with a zone a browser knows nothing: it is no host.
    let zoned = page.command("endpoint", json!("ws://[fe80::1%25eth0]/")).await;
    assert_eq!(zoned, json!(EndpointError::Host.to_string()));
    page.close().await;
}
