//! Compression of the listener, with a client by hand: the rows of `HttpServer`, and what both servers have in common.

mod client;
mod offers;

use allocation_counter::measure;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use phx_proto::{CloseCode, Frame, Payload};
use phx_testing::listener::CompressionFault;
use phx_testing::{HttpServer, demo_server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::client::{
    BINARY, CLOSE, CONTINUATION, Client, FINAL, PING, PONG, RSV1, RSV2, TEXT, answer, bind, upgrade,
};
use super::client::{JOIN, within};

const BOTH: [HttpServer; 2] = [HttpServer::Bandit, HttpServer::Cowboy];

#[tokio::test]
async fn every_text_and_binary_frame_of_the_server_is_compressed() {
    for (server, offer) in [
        (HttpServer::Bandit, "permessage-deflate"),
        (HttpServer::Cowboy, "permessage-deflate; server_max_window_bits=9"),
        (HttpServer::Bandit, "permessage-deflate; server_no_context_takeover"),
    ] {
        let listener = bind(server, demo_server()).await;
        let mut client = Client::join(&listener, offer).await;
        client.takeover = true;
        for text in [r#"{"a":1}"#, "7"] {
            listener.broadcast("room:a", "news", Payload::from_json_text(text.to_owned()).unwrap());
            let expected = format!(r#"[null,null,"room:a","news",{text}]"#);
            assert_eq!(client.hear().await, expected);
        }
        listener.broadcast("room:a", "news", Payload::binary(vec![1; 700]));
        let (opcode, message) = client.hear_bytes().await;
        assert_eq!((opcode, &message[message.len() - 700..]), (BINARY, &[1; 700][..]));
        listener.all().inject(&Frame::text(""));
        assert_eq!(client.hear().await, "");
        client.send(FINAL | PING, b"a").await;
        assert_eq!(client.receive().await, (FINAL | PONG, b"a".to_vec()));
    }
}

#[tokio::test]
async fn uncompressed_and_fragmented_messages_are_taken_at_any_time() {
    for server in BOTH {
        let listener = bind(server, demo_server()).await;
        let mut client = Client::join(&listener, "permessage-deflate").await;
        let shout = |number| format!(r#"["1","2","room:a","shout",{number}]"#);
        let shouted = |number| format!(r#"[null,null,"room:a","shout",{number}]"#);
        client.send(FINAL | TEXT, shout(1).as_bytes()).await;
        client.say(&shout(2)).await;
        assert_eq!(client.hear().await, shouted(1));
        assert_eq!(client.hear().await, shouted(2));
        client.send(TEXT, b"[\"1\",").await;
        client.send(FINAL | PING, b"between").await;
        client.send(FINAL | CONTINUATION, b"\"2\",\"room:a\",\"shout\",3]").await;
        let wire = client.compress(shout(4).as_bytes(), FlushCompress::Sync);
        client.send(RSV1 | TEXT, &wire[..3]).await;
        client.send(CONTINUATION, &wire[3..4]).await;
        client.send(FINAL | CONTINUATION, &wire[4..]).await;
        assert_eq!(client.receive().await, (FINAL | PONG, b"between".to_vec()));
        assert_eq!(client.hear().await, shouted(3));
        assert_eq!(client.hear().await, shouted(4));
    }
}

/// Rows of 1 kB, with the bytes of those that were sent through Bandit and Cowboy.
fn rows() -> impl Iterator<Item = String> {
    let text = "x".repeat(996);
    (1..=100).map(move |number| format!(r#"{{"id":{number},"text":"{text}"}}"#))
}

/// Sends the rows to a client with this offer, and returns their bytes without compression and with it.
async fn bytes_of_rows(offer: &str) -> (usize, usize) {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    let mut client = Client::join(&listener, offer).await;
    let (mut plain, mut compressed) = (0, 0);
    for row in rows() {
        listener.broadcast("room:a", "row", Payload::from_json_text(row.clone()).unwrap());
        let (_, wire) = client.receive().await;
        let message = client.inflate(&wire, 4_096);
        assert_eq!(message, format!(r#"[null,null,"room:a","row",{row}]"#).as_bytes());
        let head = |length: usize| if length < 126 { 2 } else { 4 };
        plain += message.len() + head(message.len());
        compressed += wire.len() + head(wire.len());
    }
    (plain, compressed)
}

/// Bandit and Cowboy send 100 messages of 1 kB, 104,557 bytes, as 1,788 to 1,899 bytes.
#[tokio::test]
async fn rows_from_the_server_are_as_small_as_those_of_phoenix() {
    let (plain, compressed) = bytes_of_rows("permessage-deflate").await;
    assert!((104_000..105_000).contains(&plain), "{plain}");
    assert!(compressed <= 1_899 * 11 / 10, "{compressed}");
    let (_, alone) = bytes_of_rows("permessage-deflate; server_no_context_takeover").await;
    assert!(compressed < alone / 2 && alone < plain / 10, "{compressed} {alone}");
}

#[tokio::test]
async fn bandit_closes_on_a_message_that_inflates_to_more_than_25_times_its_size() {
    let letters = format!(r#"["1","2","room:a","shout","{}"]"#, "a".repeat(200_000));
    for server in BOTH {
        let listener = bind(server, demo_server()).await;
        let mut client = Client::join(&listener, "permessage-deflate").await;
        client.say(&letters).await;
        match server {
            HttpServer::Bandit => assert_eq!(client.code().await, 1009),
            _ => assert!(client.hear().await.len() > 200_000),
        }
    }
}

/// Empty stored blocks leave the stream as it is, and count for the size on the wire.
#[tokio::test]
async fn bandit_takes_the_same_message_if_it_is_padded() {
    let letters = format!(r#"["1","2","room:a","shout","{}"]"#, "a".repeat(200_000));
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    for (ratio, taken) in [(20, true), (24, true), (26, false)] {
        let mut client = Client::join(&listener, "permessage-deflate").await;
        let mut wire = client.compress(letters.as_bytes(), FlushCompress::Sync);
        while wire.len() < letters.len() / ratio {
            // The tail of what stands before it, and the header of another block.
            wire.extend([0, 0, 0xff, 0xff, 0]);
        }
        client.send(FINAL | RSV1 | TEXT, &wire).await;
        match taken {
            true => assert!(client.hear().await.len() > 200_000),
            false => assert_eq!(client.code().await, 1009),
        }
    }
}

#[tokio::test]
async fn cowboy_reads_a_control_frame_between_fragments_as_part_of_the_message() {
    for server in BOTH {
        let listener = bind(server, demo_server()).await;
        let mut client = Client::join(&listener, "permessage-deflate").await;
        let text = r#"[null,"2","phoenix","heartbeat",{}]"#;
        let wire = client.compress(text.as_bytes(), FlushCompress::Sync);
        client.send(RSV1 | TEXT, b"").await;
        // As part of the stream, it is broken.
        client.send(FINAL | PING, &[0b110; 60]).await;
        client.send(FINAL | CONTINUATION, &wire).await;
        match server {
            HttpServer::Bandit => {
                assert_eq!(client.receive().await, (FINAL | PONG, vec![0b110; 60]));
                assert!(client.hear().await.contains("phx_reply"));
            }
            _ => assert_eq!(client.code().await, 1002),
        }
    }
}

#[tokio::test]
async fn behind_a_final_block_messages_are_read_as_empty() {
    for server in BOTH {
        let listener = bind(server, demo_server().skip_malformed(true)).await;
        let mut client = Client::join(&listener, "permessage-deflate").await;
        let beat = r#"[null,"2","phoenix","heartbeat",{}]"#;
        let wire = client.compress(beat.as_bytes(), FlushCompress::Finish);
        client.send(FINAL | RSV1 | TEXT, &wire).await;
        assert!(client.hear().await.contains("phx_reply"), "the message itself is read");
        client.deflater.reset();
        client.say(beat).await;
        client.send(FINAL | PING, b"").await;
        assert_eq!(client.receive().await.0, FINAL | PONG, "no reply: it was read as empty");
        // Uncompressed messages still are what they are.
        client.send(FINAL | TEXT, beat.as_bytes()).await;
        assert!(client.hear().await.contains("phx_reply"));
    }
}

#[tokio::test]
async fn a_broken_stream_has_each_servers_code() {
    for (server, code) in [(HttpServer::Bandit, 1007), (HttpServer::Cowboy, 1002)] {
        let listener = bind(server, demo_server()).await;
        let mut client = Client::join(&listener, "permessage-deflate").await;
        client.send(FINAL | RSV1 | TEXT, &[0b110, 1, 2, 3]).await;
        assert_eq!(client.code().await, code);
    }
}

#[tokio::test]
async fn frames_against_the_protocol_close_with_1002_and_1007() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    type Case<'a> = (u16, &'a [(u8, &'a [u8])]);
    let cases: &[Case<'_>] = &[
        (1002, &[(FINAL | RSV2 | TEXT, b"{}")]),
        (1002, &[(FINAL | RSV1 | PING, b"")]),
        (1002, &[(PING, b"")]),
        (1002, &[(FINAL | PING, &[0; 126])]),
        (1002, &[(FINAL | CONTINUATION, b"{}")]),
        (1002, &[(TEXT, b"{}"), (FINAL | TEXT, b"{}")]),
        (1002, &[(RSV1 | TEXT, b"{}"), (FINAL | RSV1 | CONTINUATION, b"{}")]),
        (1002, &[(FINAL | 0x03, b"{}")]),
        (1002, &[(FINAL | CLOSE, b"a")]),
        (1007, &[(FINAL | TEXT, &[0xff])]),
        // The same byte, in a stored block.
        (1007, &[(FINAL | RSV1 | TEXT, &[0, 1, 0, 0xfe, 0xff, 0xff, 0])]),
    ];
    for (code, frames) in cases {
        let mut client = Client::connect(&listener, "permessage-deflate").await;
        for (first, payload) in *frames {
            client.send(*first, payload).await;
        }
        assert_eq!(client.code().await, *code, "{frames:?}");
    }
    // Without a mask.
    let mut client = Client::connect(&listener, "permessage-deflate").await;
    client.stream.write_all(&[FINAL | TEXT, 2, b'{', b'}']).await.unwrap();
    assert_eq!(client.code().await, 1002);
}

#[tokio::test]
async fn a_compressed_frame_without_an_agreement_closes_with_1002() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    let (stream, _) = upgrade(&listener, "").await;
    let mut client = Client {
        stream,
        inflater: Decompress::new(false),
        deflater: Compress::new(Compression::default(), false),
        takeover: true,
    };
    client.say(JOIN).await;
    assert_eq!(client.code().await, 1002);
}

/// Sends a frame of 1 MB that inflates to 1 GB.
async fn bomb(server: HttpServer) {
    let listener = bind(server, demo_server().max_frame_size(2 << 20)).await;
    let mut client = Client::connect(&listener, "permessage-deflate").await;
    let mut block = Vec::with_capacity(1 << 20);
    let zeros = vec![0; 1 << 20];
    client.deflater.compress_vec(&zeros, &mut block, FlushCompress::Sync).unwrap();
    client.send(FINAL | RSV1 | BINARY, &block.repeat(1_000)).await;
    assert_eq!(client.code().await, 1009);
}

/// Client and listener run on this thread, whose memory is measured.
#[test]
fn a_bomb_is_inflated_up_to_the_limit_only() {
    for server in BOTH {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let memory = measure(|| runtime.block_on(bomb(server)));
        // The client's zeros, frame and blocks; the listener's copies of the frame, and what it inflates.
        assert!(memory.bytes_max < 24 << 20, "{server:?}: {memory:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    for server in BOTH {
        let listener = bind(server, demo_server().max_frame_size(1_000)).await;
        for (first, payload) in [(FINAL | TEXT, vec![b'a'; 1_001]), (TEXT, vec![b'a'; 1_001])] {
            let mut client = Client::connect(&listener, "permessage-deflate").await;
            client.send(first, &payload).await;
            assert_eq!(client.code().await, 1009);
        }
        let mut client = Client::connect(&listener, "permessage-deflate").await;
        client.say(&"abcdefghij".repeat(101)).await;
        assert_eq!(client.code().await, 1009);
    }
}

#[tokio::test]
async fn both_ends_can_close() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    let mut client = Client::connect(&listener, "permessage-deflate").await;
    client.send(FINAL | CLOSE, &[0x0f, 0xa0]).await;
    assert_eq!(client.code().await, 4000);
    assert_eq!(within(client.stream.read(&mut [0])).await.unwrap(), 0);

    let mut client = Client::join(&listener, "permessage-deflate").await;
    listener.all().close_because(CloseCode::from_u16(4001), "because");
    let (first, payload) = client.receive().await;
    assert_eq!((first, &payload[..]), (FINAL | CLOSE, &b"\x0f\xa1because"[..]));
    client.send(FINAL | TEXT, b"late").await;
    client.send(FINAL | CLOSE, &payload[..2]).await;
    assert_eq!(within(client.stream.read(&mut [0])).await.unwrap(), 0);
}

const FAULT: &str = r#"[null,null,"phoenix","fault",{}]"#;

#[tokio::test]
async fn valid_faults_are_read_by_a_client_that_follows_the_rfc() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    let mut client = Client::join(&listener, "permessage-deflate").await;
    listener.all().inject_compressed(CompressionFault::Fragments);
    let (mut wire, mut pings) = (Vec::new(), 0);
    loop {
        let (first, payload) = client.receive().await;
        match first {
            0x89 => pings += 1,
            _ => {
                let begins = if wire.is_empty() { RSV1 | TEXT } else { CONTINUATION };
                assert_eq!(first & !FINAL, begins);
                wire.extend(payload);
            }
        }
        if first & (FINAL | 0x08) == FINAL {
            break;
        }
    }
    assert_eq!(pings, wire.len() - 1);
    assert_eq!(client.inflate(&wire, 100), FAULT.as_bytes());

    listener.all().inject_compressed(CompressionFault::FinalBlock);
    listener.broadcast("room:a", "news", Payload::empty());
    assert_eq!(client.hear().await, FAULT);
    client.inflater.reset(false);
    assert_eq!(client.hear().await, r#"[null,null,"room:a","news",{}]"#);
}

#[tokio::test]
async fn other_faults_are_what_they_say() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    let mut client = Client::join(&listener, "permessage-deflate").await;
    listener.all().inject_compressed(CompressionFault::Bomb(3_000_000));
    let (first, wire) = client.receive().await;
    assert_eq!(first, FINAL | RSV1 | TEXT);
    assert!(wire.len() < 4_000, "{}", wire.len());
    let inflated = client.inflate(&wire, 4_000_000);
    assert!(inflated.len() == 3_000_000 && inflated.iter().all(|byte| *byte == 0));

    listener.all().inject_compressed(CompressionFault::CompressedPing);
    assert_eq!(client.receive().await.0, FINAL | RSV1 | PING);
    listener.all().inject_compressed(CompressionFault::BrokenStream);
    let (_, wire) = client.receive().await;
    let mut out = Vec::with_capacity(100);
    assert!(client.inflater.decompress_vec(&wire, &mut out, FlushDecompress::None).is_err());

    // Only one connection, and one without compression.
    let (stream, _) = upgrade(&listener, "").await;
    let plain = listener.with(|server, _| server.sockets().last()).unwrap();
    listener.connection(plain).inject_compressed(CompressionFault::BrokenStream);
    client.stream = stream;
    assert_eq!(client.receive().await, (FINAL | RSV1 | TEXT, b"{}".to_vec()));
}

#[tokio::test]
async fn an_answer_can_be_forged_once() {
    let listener = bind(HttpServer::Bandit, demo_server()).await;
    for forged in ["permessage-bzip2", "permessage-deflate; client_max_window_bits=9"] {
        listener.forge_extensions_next(forged);
        let answered = answer(&listener, "").await;
        assert_eq!(answered, ("101".to_owned(), Some(forged.to_owned())));
    }
    assert_eq!(answer(&listener, "").await.1, None);
}
