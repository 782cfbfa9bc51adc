//! Case 5: messages in fragments, and control frames between these.

use crate::case::{CONTINUATION, Case, End, FIN, MORE, PING, PONG, TEXT, frame};

pub(crate) fn cases() -> Vec<Case> {
    let begin = |payload: &str| frame(MORE | TEXT, payload.as_bytes());
    let more = |payload: &str| frame(MORE | CONTINUATION, payload.as_bytes());
    let last = |payload: &str| frame(FIN | CONTINUATION, payload.as_bytes());
    let text = |payload: &str| frame(FIN | TEXT, payload.as_bytes());
    let ping = |payload: &str| frame(FIN | PING, payload.as_bytes());
    let fails = |id: &str, parts: &[Vec<u8>]| Case::new(id, parts).ends(End::Failed(1002));

    let two = |id: &str| Case::new(id, [begin("one"), last("two")]).answered(TEXT, b"onetwo");
    let with_ping = |id: &str| {
        let parts = [begin("one"), ping("ping"), last("two")];
        Case::new(id, parts).answered(PONG, b"ping").answered(TEXT, b"onetwo")
    };
    // A continuation of nothing, and then a message.
    let ended = |id: &str| fails(id, &[last("nothing"), text("Hello, world!")]);
    let unended = |id: &str| fails(id, &[more("nothing"), text("Hello, world!")]);
    let five = |id: &str| {
        let first = [begin("one"), more("two"), ping("ping 1")];
        let second = [more("three"), more("four"), ping("ping 2"), last("five")];
        let case = Case::new(id, [first.to_vec(), second.to_vec()].concat());
        let case = case.answered(PONG, b"ping 1").answered(PONG, b"ping 2");
        case.answered(TEXT, b"onetwothreefourfive")
    };
    let twice = |first: &Vec<u8>| {
        [first.clone(), begin("two"), last("three"), first.clone(), begin("two"), last("three")]
    };
    vec![
        fails("5.1", &[frame(MORE | PING, b"one"), last("two")]),
        fails("5.2", &[frame(MORE | PONG, b"one"), last("two")]),
        two("5.3"),
        two("5.4"),
        two("5.5"),
        with_ping("5.6"),
        with_ping("5.7"),
        with_ping("5.8"),
        ended("5.9"),
        ended("5.10"),
        ended("5.11"),
        unended("5.12"),
        unended("5.13"),
        unended("5.14"),
        fails("5.15", &[begin("one"), last("two"), more("three"), text("four")])
            .answered(TEXT, b"onetwo"),
        fails("5.16", &twice(&more("one"))),
        fails("5.17", &twice(&last("one"))),
        fails("5.18", &[begin("one"), text("two")]),
        five("5.19"),
        five("5.20"),
    ]
}
