//! Cases 3 and 4: reserved bits, and opcodes without a meaning.

use crate::case::{BINARY, CLOSE, Case, End, FIN, PING, TEXT, frame};

const HELLO: &[u8] = b"Hello, world!";

pub(crate) fn cases() -> Vec<Case> {
    let text = || frame(FIN | TEXT, HELLO);
    let ping = || frame(FIN | PING, b"");
    // The three reserved bits of a first byte.
    let reserved = |bits: u8, opcode: u8, payload: &[u8]| frame(FIN | bits << 4 | opcode, payload);
    let alone = |id: &str, wrong: Vec<u8>| Case::new(id, [wrong]).ends(End::Failed(1002));
    // A message is answered, and a ping behind the mistake isn't.
    let between = |id: &str, wrong: Vec<u8>| {
        Case::new(id, [text(), wrong, ping()]).answered(TEXT, HELLO).ends(End::Failed(1002))
    };
    vec![
        alone("3.1", reserved(1, TEXT, HELLO)),
        between("3.2", reserved(2, TEXT, HELLO)),
        between("3.3", reserved(3, TEXT, HELLO)),
        between("3.4", reserved(4, TEXT, HELLO)),
        alone("3.5", reserved(5, BINARY, &[0x00, 0xFF, 0xFE])),
        alone("3.6", reserved(6, PING, HELLO)),
        alone("3.7", reserved(7, CLOSE, b"")),
        alone("4.1.1", frame(FIN | 3, b"")),
        alone("4.1.2", frame(FIN | 4, HELLO)),
        between("4.1.3", frame(FIN | 5, b"")),
        between("4.1.4", frame(FIN | 6, HELLO)),
        between("4.1.5", frame(FIN | 7, HELLO)),
        alone("4.2.1", frame(FIN | 11, b"")),
        alone("4.2.2", frame(FIN | 12, HELLO)),
        between("4.2.3", frame(FIN | 13, b"")),
        between("4.2.4", frame(FIN | 14, HELLO)),
        between("4.2.5", frame(FIN | 15, HELLO)),
    ]
}
