//! Case 7: close frames, their codes and reasons, and what comes after them.

use crate::case::{CLOSE, CONTINUATION, Case, End, FIN, MORE, PING, TEXT, close, frame};

/// Codes that an endpoint may send, and some that it mustn't (RFC 6455, section 7.4).
const VALID: [u16; 13] =
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const INVALID: [u16; 9] = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
const OUT_OF_RANGE: [u16; 2] = [5000, 65_535];

pub(crate) fn cases() -> Vec<Case> {
    let text = || frame(FIN | TEXT, b"Hello World!");
    let ping = || frame(FIN | PING, b"");
    let normal = End::Closed(Some(1000));
    let closed = |id: &str, parts: &[Vec<u8>]| Case::new(id, parts).ends(normal);
    let failed = |id: &str, part: Vec<u8>, code| Case::new(id, [part]).ends(End::Failed(code));
    let bare = |payload: &[u8]| frame(FIN | CLOSE, payload);
    let large = b"0123456789abcdef".repeat(16 << 10);
    let not_utf8 = ["κόσμε".as_bytes(), &[0xED, 0xA0, 0x80], b"edited"].concat();

    let mut cases = vec![
        closed("7.1.1", &[text(), close(1000, b"")]).answered(TEXT, b"Hello World!"),
        closed("7.1.2", &[close(1000, b""), bare(b"")]),
        closed("7.1.3", &[close(1000, b""), ping()]),
        closed("7.1.4", &[close(1000, b""), text()]),
        closed(
            "7.1.5",
            &[frame(MORE | TEXT, b"one"), close(1000, b""), frame(FIN | CONTINUATION, b"two")],
        ),
        closed("7.1.6", &[frame(FIN | TEXT, &large), text(), close(1000, b""), ping()])
            .answered(TEXT, &large)
            .answered(TEXT, b"Hello World!"),
        Case::new("7.3.1", [bare(b"")]).ends(End::Closed(None)),
        failed("7.3.2", bare(b"a"), 1002),
        closed("7.3.3", &[close(1000, b"")]),
        closed("7.3.4", &[close(1000, b"Hello World!")]),
        closed("7.3.5", &[close(1000, &[b'*'; 123])]),
        failed("7.3.6", close(1000, &[b'*'; 124]), 1002),
        failed("7.5.1", close(1000, &not_utf8), 1007),
    ];
    let codes = |group: &'static str, codes: &'static [u16], answer: fn(u16) -> u16| {
        (1..).zip(codes).map(move |(number, &code)| {
            let case = Case::new(format!("7.{group}.{number}"), [close(code, b"")]);
            case.ends(End::Closed(Some(answer(code))))
        })
    };
    cases.extend(codes("7", &VALID, |code| code));
    cases.extend(codes("9", &INVALID, |_| 1002));
    cases.extend(codes("13", &OUT_OF_RANGE, |_| 1002));
    cases
}
