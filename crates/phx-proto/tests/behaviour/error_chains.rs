//! An error and its sources each say a thing of their own, so that a chain of them repeats nothing.

use std::error::Error;

use phx_proto::{Config, Instant, NewChannelError, Payload, PushErrorKind, Socket};

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
    let PushErrorKind::Encode(cause) = &refused.reason else { panic!("{refused:?}") };
    assert_eq!(chain(&refused)[1..], [cause.to_string()]);
}

#[test]
fn of_a_channel() {
    let mut socket = Socket::new(Config::default(), 1);
    let error = socket.channel("room:a", Payload::binary(vec![1])).unwrap_err();
    let NewChannelError::Params(cause) = &error else { panic!("{error:?}") };
    assert_eq!(chain(&error), ["the params can't be sent".to_owned(), cause.to_string()]);
}
