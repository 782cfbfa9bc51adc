//! The heap's high-water mark at each limit, and what an idle session takes.

use std::future::Future;
use std::io::Write;

use allocation_counter::{AllocationInfo, measure};
use flate2::Compression;
use flate2::write::GzEncoder;
use phx_client::longpoll::LongPollConfig;
use phx_client::websocket::WebSocketConfig;
use serde_json::json;

use crate::server::{Net, answer};

const KIB: usize = 1 << 10;

/// What is there without any load: twice the pipes' 64 KiB in each direction, of which two connections have one each.
const BASE: usize = 4 * 2 * 64 * KIB;

fn measured<F: Future<Output = ()>>(is_tcp: bool, test: impl Fn(Net) -> F) -> AllocationInfo {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(!is_tcp).build().unwrap();
    measure(|| runtime.block_on(async { test(Net::new(is_tcp)).await }))
}

fn peak<F: Future<Output = ()>>(test: impl Fn(Net) -> F) -> usize {
    usize::try_from(measured(false, test).bytes_max).unwrap()
}

/// Answers of 8 MiB, as they are and compressed, in sessions that take so many bytes of one.
fn answers(max: usize) -> usize {
    let zeros = vec![b'0'; 8 << 20];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&zeros).unwrap();
    let zipped = encoder.finish().unwrap();
    let heads = [
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", zeros.len()), &zeros),
        ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), &zeros),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_owned(), &zipped),
    ];
    peak(|mut net| {
        let heads = &heads;
        async move {
            let mut config = LongPollConfig::default();
            config.max_answer_size = max;
            let builder = net.builder_with(config, WebSocketConfig::default());
            let (_socket, mut polls) = net.connected_with(builder).await;
            for (head, body) in heads {
                polls.say(head).await;
                polls.say(body).await;
                drop(polls);
                polls = net.accept().await;
                polls.request().await;
            }
        }
    })
}

/// Sessions whose every answer sets as many cookies as a head has room for.
fn cookies() -> usize {
    peak(|mut net| async move {
        let (_socket, mut polls) = net.connected().await;
        for n in 0..300 {
            let headers: String =
                (0..60).map(|i| format!("set-cookie: n{n}-{i}={}\r\n", "x".repeat(80))).collect();
            polls
                .say(answer(&headers, &json!({ "status": 200, "token": "T1", "messages": ["x"] })))
                .await;
            let cookies = polls.poll().await.values("cookie").concat();
            assert!(cookies.split("; ").count() <= 16 && cookies.len() < 9 * KIB);
        }
    })
}

/// Heads without end.
fn heads() -> usize {
    let head = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(8 << 20));
    peak(|mut net| {
        let head = &head;
        async move {
            let (_socket, mut polls) = net.connected().await;
            polls.say(head).await;
            drop(polls);
            net.accept().await.request().await;
        }
    })
}

#[test]
fn the_peak_of_what_a_server_says_stays_within_its_limits() {
    let limit = 256 * KIB;
    let peak = answers(limit);
    assert!(peak < 2 * limit + BASE, "{peak} bytes for answers of {limit}");
    // The limit is what keeps it down.
    let unlimited = answers(64 << 20);
    assert!(unlimited > 2 * limit + BASE, "{unlimited} bytes without it");
    for (name, peak) in [("cookies", cookies()), ("heads", heads())] {
        assert!(peak < 16 * KIB + BASE, "{peak} bytes for {name}");
    }
}

/// The client's and the test's part of sessions that wait for messages, over TCP.
#[test]
fn an_idle_session_is_small() {
    const SESSIONS: usize = 20;
    let mut bytes = [0; 2];
    for (count, bytes) in [1, 1 + SESSIONS].into_iter().zip(&mut bytes) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let sender = &sender;
        let held = measured(true, |mut net| async move {
            for _ in 0..count {
                sender.send(net.connected().await).unwrap();
            }
            sender.send(net.connected().await).unwrap();
        });
        *bytes = held.bytes_current;
        drop(receiver);
    }
    let each = (bytes[1] - bytes[0]) / i64::try_from(SESSIONS).unwrap();
    println!("{each} bytes for each idle session");
    assert!(each < 12 * 1024, "{each}");
}
