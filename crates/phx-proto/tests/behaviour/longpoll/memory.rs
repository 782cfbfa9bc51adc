//! What a session allocates is bounded, whatever the server answers and the socket sends.

use allocation_counter::{AllocationInfo, measure};
use phx_proto::longpoll::{Answer, ExchangeKind, SessionConfig, TokenPlace};
use phx_proto::{Bytes, Endpoint, Frame};

use super::drive::{CREATED, Drive, READ};

const KIB: usize = 1 << 10;

/// Bytes of the largest answer here.
const LIMIT: usize = 1 << 20;

fn config() -> SessionConfig {
    let mut config = SessionConfig::default();
    config.max_answer_bytes = LIMIT;
    config
}

fn peak(run: impl FnOnce()) -> usize {
    let AllocationInfo { bytes_max, .. } = measure(run);
    usize::try_from(bytes_max).unwrap()
}

/// An answer of the largest size, of this entry again and again.
fn full_of(entry: &str) -> Bytes {
    let (before, after) = (r#"{"messages":["#, r#"],"status":200}"#);
    let times = (LIMIT - before.len() - after.len() - entry.len()) / (entry.len() + 1);
    let entries = [entry, ","].concat().repeat(times);
    [before, &entries, entry, after].concat().into()
}

#[test]
fn the_peak_of_a_session_stays_within_its_limits() {
    let text = |text: &str| format!("\"{text}\"");
    let long = LIMIT - 100;
    let entries = [
        text(""),
        text("[]"),
        text(&"x".repeat(long)),
        text(&r#"\""#.repeat(long / 2)),
        text(&r"\u0001".repeat(long / 6)),
        text(&r"\ud83d\ude00".repeat(long / 12)),
        text(&"y".repeat(LIMIT / 2 - 100)),
        "7".to_owned(),
        "[".repeat(long / 2) + &"]".repeat(long / 2),
    ];
    for entry in entries {
        let answer = full_of(&entry);
        assert!(answer.len() <= LIMIT && answer.len() > LIMIT - 200);
        let peak = peak(|| {
            let mut drive = Drive::with(&Endpoint::default(), config(), TokenPlace::Header);
            let create = drive.one(ExchangeKind::Create);
            drive.answer(&create, CREATED);
            drive.made.clear();
            for _ in 0..2 {
                let poll = drive.one(ExchangeKind::Poll);
                let answer = Answer::new(200, answer.to_vec());
                drive.session.handle_answer(drive.now, poll.id(), answer);
            }
            while drive.session.poll_event().is_some() {}
            drive.one(ExchangeKind::Poll);
        });
        let entry = entry.get(..30).unwrap_or(&entry);
        // Twice the two answers that are held.
        assert!(peak < 2 * 2 * LIMIT + 64 * KIB, "{peak} for {entry}");
    }

    // Of a refusal, and of an answer that is too large or has a long token, nothing or little is kept.
    let long_token = format!(r#"{{"status":410,"token":"{}"}}"#, "x".repeat(long));
    for (status, answer) in
        [(503, full_of("7")), (200, vec![b' '; LIMIT + 1].into()), (200, long_token.into())]
    {
        let peak = peak(|| {
            let mut drive = Drive::with(&Endpoint::default(), config(), TokenPlace::Header);
            let create = drive.one(ExchangeKind::Create);
            drive.session.handle_answer(drive.now, create.id(), Answer::new(status, answer));
            assert_eq!(drive.events().len(), 1);
        });
        assert!(peak < 32 * KIB, "{peak}");
    }

    // A POST of the largest size, and a frame beside it: memory that grows is there twice.
    let frame = Frame::text(format!("[{}]", "1".repeat(80_000)));
    let peak = peak(|| {
        let (mut drive, _) = Drive::confirmed();
        for _ in 0..10 {
            while drive.session.room().is_some() {
                drive.send(frame.clone());
            }
            let post = drive.one(ExchangeKind::Post);
            drive.made.clear();
            drive.answer(&post, READ);
        }
    });
    assert!(peak < 2 * 7_900_000 + 128 * KIB, "{peak}");
}

/// Payloads are parts of their frames, so this is what one of them keeps.
#[test]
fn a_frame_that_is_kept_keeps_little_of_its_answer() {
    for len in [1, 80, 256, 257, 1_000, 5_000] {
        let mut kept = None;
        let answer = full_of(&format!("\"{}\"", "x".repeat(len)));
        let held = measure(|| {
            let (mut drive, poll) = Drive::confirmed();
            let answer = Answer::new(200, answer.to_vec());
            drive.session.handle_answer(drive.now, poll.id(), answer);
            kept = drive.session.poll_event();
        });
        assert!(kept.is_some());
        let held = usize::try_from(held.bytes_current).unwrap();
        assert!(held < KIB.max(len) + 100, "{held} for {len}");
    }
}
