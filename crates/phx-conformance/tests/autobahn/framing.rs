//! Cases 1 and 2: messages of all lengths, pings and pongs.

use crate::case::{BINARY, Case, End, FIN, PING, PONG, TEXT, frame};

/// Lengths on both sides of each form that a length has. The last case is sent in pieces.
const LENGTHS: [usize; 8] = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, (opcode, byte)) in (1..).zip([(TEXT, b'*'), (BINARY, 0xFE)]) {
        for (number, len) in (1..).zip(LENGTHS) {
            let (id, payload) = (format!("1.{group}.{number}"), vec![byte; len]);
            let sent = frame(FIN | opcode, &payload);
            let parts: Vec<_> = match number {
                8 => sent.chunks(997).map(<[u8]>::to_vec).collect(),
                _ => vec![sent],
            };
            cases.push(Case::new(id, parts).answered(opcode, &payload));
        }
    }
    cases.extend(pings());
    cases
}

fn pings() -> Vec<Case> {
    let ping = |payload: &[u8]| frame(FIN | PING, payload);
    let pong = |payload: &[u8]| frame(FIN | PONG, payload);
    let answered =
        |id: &str, payload: &[u8]| Case::new(id, [ping(payload)]).answered(PONG, payload);
    let ten: Vec<_> = (0..10).map(|number| format!("payload-{number}").into_bytes()).collect();
    let answered_ten = |id: &str| {
        let sent: Vec<_> = ten.iter().map(|payload| ping(payload)).collect();
        ten.iter().fold(Case::new(id, sent), |case, payload| case.answered(PONG, payload))
    };
    vec![
        answered("2.1", b""),
        answered("2.2", b"Hello, world!"),
        answered("2.3", &[0x00, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0x00, 0xFF]),
        answered("2.4", &[0xFE; 125]),
        Case::new("2.5", [ping(&[0xFE; 126])]).ends(End::Failed(1002)),
        answered("2.6", &[0xFE; 125]),
        Case::new("2.7", [pong(b"")]),
        Case::new("2.8", [pong(b"unasked")]),
        Case::new("2.9", [pong(b"unasked"), ping(b"ping")]).answered(PONG, b"ping"),
        answered_ten("2.10"),
        answered_ten("2.11"),
    ]
}
