//! An error's text is complete, and its sources don't repeat it.

use std::error::Error;

use phx_proto::{CallError, Config, Instant, Payload, Socket};

fn chain(error: &dyn Error) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        chain.push(error.to_string());
        next = error.source();
    }
    chain
}

#[test]
fn of_a_push() {
    let mut socket = Socket::new(Config::default(), 1);
    let now = Instant::EPOCH;
    let a = socket.channel("room:a", Payload::empty()).unwrap();
    let refused = socket.push(now, a, "msg", Payload::empty(), None).unwrap_err();
    assert_eq!(chain(&refused), ["can't push `msg`: the channel hasn't been joined"]);

    socket.join(now, a, None).unwrap();
    let long = "x".repeat(256);
    let refused = socket.push(now, a, long, Payload::binary(vec![1]), None).unwrap_err();
    let CallError::Encode(cause) = &refused.reason else { panic!("{refused:?}") };
    let text = refused.to_string();
    assert!(text.ends_with(&format!(": it can't be encoded: {cause}")), "{text}");
    assert_eq!(chain(&refused), [text]);
}

#[test]
fn of_a_channel() {
    let mut socket = Socket::new(Config::default(), 1);
    let error = socket.channel("room:a", Payload::binary(vec![1])).unwrap_err();
    let CallError::Encode(cause) = &error else { panic!("{error:?}") };
    assert_eq!(chain(&error), [format!("it can't be encoded: {cause}")]);
}
