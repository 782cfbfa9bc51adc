//! The dialogue with the modem.

use std::time::Duration;

use crate::{Modem, Signal};

const START: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

fn hear(modem: &mut Modem, now: Duration, bytes: &[u8]) -> Vec<Signal> {
    bytes.iter().filter_map(|byte| modem.receive(now, *byte)).collect()
}

/// Takes what it writes.
fn written(modem: &mut Modem) -> String {
    let mut text = String::new();
    while let Some(byte) = modem.output() {
        text.push(char::from(byte));
        modem.advance();
    }
    text
}

fn online() -> Modem {
    let mut modem = Modem::new();
    modem.dial("phoenix", 4000);
    assert_eq!(written(&mut modem), "ATDphoenix:4000\r");
    // The echo, then the answer.
    assert_eq!(hear(&mut modem, START, b"ATDphoenix:4000\r\r\nCONNECT\r\n"), [Signal::Connected]);
    modem
}

#[test]
fn a_dial_succeeds_or_fails() {
    let mut modem = online();
    assert_eq!(hear(&mut modem, START, b"\x81"), [Signal::Byte(0x81)]);
    for answer in ["NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "ERROR"] {
        let mut modem = Modem::new();
        modem.dial("phoenix", 4000);
        let heard = hear(&mut modem, START, format!("\r\n{answer}\r\n").as_bytes());
        assert_eq!(heard, [Signal::Refused], "{answer}");
        assert!(modem.is_idle());
    }
}

#[test]
fn a_report_of_a_cut_counts_when_nothing_follows_it() {
    let cut = b"\r\nNO CARRIER\r\n";
    let mut modem = online();
    hear(&mut modem, START, b"\x81\x05half\r");
    hear(&mut modem, START, cut);
    assert_eq!(modem.timeout(SECOND / 2), None);
    assert_eq!(modem.timeout(SECOND), Some(Signal::Cut));
    assert!(modem.is_idle());

    let mut modem = online();
    hear(&mut modem, START, cut);
    hear(&mut modem, START, b"more");
    assert_eq!(modem.deadline(), None, "more followed");
    hear(&mut modem, START, cut);
    modem.understood();
    assert_eq!(modem.deadline(), None, "it was the end of a message");
    assert!(!modem.may_be_cut());
}

#[test]
fn it_hangs_up_by_the_escape_sequence() {
    let mut modem = online();
    modem.hang_up(START);
    assert_eq!(written(&mut modem), "");
    assert_eq!(modem.timeout(SECOND), None);
    assert_eq!(written(&mut modem), "+++");
    assert_eq!(hear(&mut modem, SECOND, b"\xFFrest of the peer\r\nOK\r\n"), []);
    assert_eq!(written(&mut modem), "ATH\r");
    assert_eq!(hear(&mut modem, SECOND, b"\r\nOK\r\n"), [Signal::HungUp]);
    assert!(modem.is_idle());
}

#[test]
fn a_modem_that_is_silent_or_was_cut_is_left_all_the_same() {
    let mut modem = online();
    modem.hang_up(START);
    let mut signals = Vec::new();
    while let Some(deadline) = modem.deadline() {
        signals.extend(modem.timeout(deadline));
    }
    assert_eq!((written(&mut modem).as_str(), signals), ("+++ATH\r", vec![Signal::HungUp]));

    let mut modem = online();
    hear(&mut modem, START, b"\r\n");
    modem.hang_up(START);
    hear(&mut modem, START, b"NO CARRIER\r\n");
    assert_eq!(modem.timeout(SECOND), Some(Signal::Cut));
    assert_eq!(written(&mut modem), "");
}

#[test]
fn a_dial_can_be_given_up() {
    let mut modem = Modem::new();
    modem.dial("phoenix", 4000);
    written(&mut modem);
    modem.hang_up(START);
    assert_eq!(written(&mut modem), "\r");
    assert_eq!(hear(&mut modem, START, b"\r\nNO CARRIER\r\n"), [Signal::HungUp]);
}
