//! What a POST holds: at most 100 lines and 7,900,000 bytes, no trailing newline, never empty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_proto::Frame;
use phx_proto::longpoll::{Exchange, ExchangeKind};

use super::drive::{Drive, READ, header, push};

fn content_type(post: &Exchange) -> Option<&str> {
    header(post, "content-type")
}

fn body(post: &Exchange) -> String {
    String::from_utf8(post.body().to_vec()).unwrap()
}

/// The POSTs that these frames make, all of which the server reads.
fn posts(frames: impl IntoIterator<Item = Frame>) -> Vec<Exchange> {
    let (mut drive, _) = Drive::confirmed();
    let mut posts = Vec::new();
    let mut frames = frames.into_iter().peekable();
    while frames.peek().is_some() || drive.session.room().is_none() || posts.is_empty() {
        while let Some(frame) = frames.next_if(|_| drive.session.room().is_some()) {
            drive.send(frame);
        }
        let post = drive.one(ExchangeKind::Post);
        drive.answer(&post, READ);
        posts.push(post);
    }
    posts.extend(drive.exchanges());
    posts
}

#[test]
fn lines_of_text_and_base64_with_newlines_between_them() {
    let binary = Frame::binary(&b"\x00\x01\x01\x06\x0812room:lecho_binabc"[..]);
    let posts = posts([push(1), binary, push(2)]);
    assert_eq!(posts.len(), 1);
    assert_eq!(content_type(&posts[0]), Some("application/x-ndjson"), "exactly");
    let expected = "[\"1\",\"1\",\"room:a\",\"echo\",{}]\nAAEBBggxMnJvb206bGVjaG9fYmluYWJj\n[\"1\",\"2\",\"room:a\",\"echo\",{}]";
    assert_eq!(body(&posts[0]), expected);
    let padded = Frame::binary(&b"\x00\xff\xfe\xfd"[..]);
    assert_eq!(body(&self::posts([padded])[0]), "AP/+/Q==");
}

#[test]
fn a_burst_of_ten_thousand_pushes_is_a_hundred_posts_of_a_hundred_lines() {
    let posts = posts((0..10_000).map(push));
    assert_eq!(posts.len(), 100);
    let lines: Vec<_> = posts
        .iter()
        .flat_map(|post| {
            let lines: Vec<_> = body(post).split('\n').map(str::to_owned).collect();
            assert_eq!(lines.len(), 100);
            lines
        })
        .collect();
    assert!(
        lines.iter().zip(0..).all(|(line, number)| *line.as_bytes() == push(number).into_bytes())
    );
}

#[test]
fn a_post_is_never_over_its_bytes() {
    let large = |len: usize| Frame::text(format!("[{}]", "1".repeat(len - 2)));
    let lengths = |frames: Vec<Frame>| -> Vec<_> {
        posts(frames).iter().map(|post| post.body().len()).collect()
    };
    // Exactly full, one byte too many, and one of the size of all alone.
    assert_eq!(lengths(vec![large(7_899_900), large(99)]), [7_900_000]);
    assert_eq!(lengths(vec![large(7_899_900), large(100)]), [7_899_900, 100]);
    assert_eq!(lengths(vec![large(99), large(7_900_000), large(99)]), [99, 7_900_000, 99]);
    // Binary ones count as they are written.
    let binary = |len: usize| Frame::binary(vec![0; len]);
    assert_eq!(lengths(vec![large(99), binary(5_924_925)]), [7_900_000]);
    assert_eq!(lengths(vec![large(99), binary(5_924_926)]), [99, 7_899_904]);
}

#[test]
fn room_says_how_many_bytes_still_fit() {
    let (mut drive, _) = Drive::confirmed();
    // No more than as many short lines have.
    assert_eq!(drive.session.room(), Some(100 * 24));
    drive.send(push(1));
    assert_eq!(drive.session.room(), Some(99 * 24));
    for number in 0..99 {
        drive.send(push(number));
    }
    assert_eq!(drive.session.room(), None);

    let (mut drive, _) = Drive::confirmed();
    drive.send(Frame::text(format!("[{}]", "1".repeat(7_899_897))));
    assert_eq!(drive.session.room(), Some(100));
}

/// A caller that counts bytes may send many very short frames, or binary ones, which become longer.
#[test]
fn frames_beyond_the_room_go_into_later_posts() {
    let (mut drive, _) = Drive::confirmed();
    for number in 0..250 {
        drive.session.send(Frame::text(format!("[{number}]"))).unwrap();
    }
    assert_eq!(drive.session.room(), None);
    let mut lines = Vec::new();
    for count in [100, 100, 50] {
        let post = drive.one(ExchangeKind::Post);
        let text = body(&post);
        assert_eq!(text.split('\n').count(), count);
        lines.extend(text.split('\n').map(str::to_owned));
        drive.answer(&post, READ);
    }
    assert!(lines.into_iter().eq((0..250).map(|number| format!("[{number}]"))));
}

#[test]
fn every_line_is_json_or_base64() {
    let binary = |len: usize| Frame::binary(vec![0xff; len]);
    let frames = (0..50).map(|n| if n % 2 == 0 { push(n) } else { binary(n as usize) });
    for post in posts(frames) {
        for line in body(&post).split('\n') {
            let json = serde_json::from_str::<serde_json::Value>(line).is_ok();
            let base64 = !line.starts_with('[') && STANDARD.decode(line).is_ok();
            assert!(json || (base64 && !line.is_empty()), "{line:?}");
        }
    }
}

#[test]
fn a_text_that_is_no_line_is_sent_alone_with_another_content_type() {
    for alone in [
        r#"{"topic":"room:l","event":"phx_join","payload":{},"ref":"1"}"#,
        "[\"1\",\"1\",\"a\",\"b\",{\n}]",
        "[\"1\",\"1\",\"a\",\"b\",{}]\r",
        "(:a)",
    ] {
        let alone = Frame::text(alone);
        let posts = posts([push(1), push(2), alone.clone(), alone.clone(), push(3)]);
        let types: Vec<_> = posts.iter().map(|post| content_type(post).unwrap()).collect();
        let (lines, single) = ("application/x-ndjson", "application/json");
        assert_eq!(types, [lines, single, single, lines]);
        assert_eq!((posts[1].body(), posts[2].body()), (alone.as_bytes(), alone.as_bytes()));
    }
}
