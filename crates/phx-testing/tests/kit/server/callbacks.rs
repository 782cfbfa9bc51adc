//! Order of callbacks, and the messages that wait for them.

use std::sync::{Arc, Mutex};

use phx_proto::Payload;
use phx_testing::{Channel, ChannelCrash, Context, Handled, Handlers, Reason, Server, SocketId};

use crate::wire::{CLOSED, CRASHED, JOIN, JOINED, Wire};

#[test]
fn what_a_join_pushes_comes_after_its_reply() {
    let server = Server::builder().channel("room:*", || {
        Handlers::new().join(|ctx, _| {
            ctx.push("hello", Payload::empty());
            ctx.broadcast("came", Payload::empty());
            Ok(Payload::empty())
        })
    });
    let mut wire = Wire::new(server.build());
    let socket = wire.open();
    wire.send(socket, JOIN);
    let hello = r#"["1",null,"room:a","hello",{}]"#;
    assert_eq!(wire.answers(), [JOINED, hello], "and the joiner isn't subscribed yet");
}

#[test]
fn a_join_that_fails_leaves_nothing_behind() {
    let server = Server::builder().channel("room:*", || {
        Handlers::new().join(|ctx, params| {
            ctx.push("hello", Payload::empty());
            let _ = ctx.track("ann", serde_json::json!({}));
            if params.decode::<bool>().is_ok() {
                ctx.crash();
            }
            Err(Payload::empty())
        })
    });
    let mut wire = Wire::new(server.build());
    let socket = wire.open();
    wire.send(socket, JOIN);
    let rejected = r#"["1","1","room:a","phx_reply",{"response":{},"status":"error"}]"#;
    assert_eq!(wire.answers(), [rejected]);
    wire.send(socket, r#"["2","2","room:a","phx_join",true]"#);
    let crashed =
        r#"["2","2","room:a","phx_reply",{"response":{"reason":"join crashed"},"status":"error"}]"#;
    assert_eq!(wire.answers(), [crashed]);
    assert_eq!(wire.server.topics(socket).count(), 0);
    wire.server.broadcast(wire.now, "room:a", "news", Payload::empty());
    assert!(wire.answers().is_empty());
}

struct Witness {
    reasons: Arc<Mutex<Vec<Reason>>>,
}

impl Channel for Witness {
    fn handle_in(&mut self, _: &mut Context<'_>, event: &str, _: Payload) -> Handled {
        if event == "stop" { Handled::Stop } else { Handled::Crash }
    }

    fn terminate(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        ctx.broadcast_from("gone", Payload::empty());
        self.reasons.lock().unwrap().push(reason);
    }
}

#[test]
fn terminate_says_why_once() {
    let reasons: Arc<Mutex<Vec<Reason>>> = Arc::default();
    let given = reasons.clone();
    let witness = move || Witness { reasons: given.clone() };
    let mut wire = Wire::new(Server::builder().channel("room:*", witness).build());
    let expect = |wire: &mut Wire, end: &dyn Fn(&mut Wire, SocketId), reason, answers: &[&str]| {
        let socket = wire.join();
        end(wire, socket);
        assert_eq!(wire.answers(), answers);
        assert_eq!(*reasons.lock().unwrap(), [reason]);
        reasons.lock().unwrap().clear();
        wire.server.handle_lost(wire.now, socket);
        wire.answers();
        reasons.lock().unwrap().clear();
    };
    let stop = |wire: &mut Wire, socket| wire.send(socket, r#"["1","2","room:a","stop",{}]"#);
    expect(&mut wire, &stop, Reason::Stopped, &[CLOSED]);
    let crash = |wire: &mut Wire, socket| wire.send(socket, r#"["1","2","room:a","crash",{}]"#);
    expect(&mut wire, &crash, Reason::Crashed, &[CRASHED]);
    let left = r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    let leave = |wire: &mut Wire, socket| wire.send(socket, r#"["1","2","room:a","phx_leave",{}]"#);
    expect(&mut wire, &leave, Reason::Left, &[left, CLOSED]);
    let again = r#"["2","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    let join = |wire: &mut Wire, socket| wire.send(socket, r#"["2","2","room:a","phx_join",{}]"#);
    expect(&mut wire, &join, Reason::Duplicate, &[again, CLOSED]);
    let lose = |wire: &mut Wire, socket| wire.server.handle_lost(wire.now, socket);
    expect(&mut wire, &lose, Reason::Closed, &[]);
}

#[test]
fn what_terminate_broadcasts_reaches_the_others() {
    let witness = || Witness { reasons: Arc::default() };
    let mut wire = Wire::new(Server::builder().channel("room:*", witness).build());
    let (ann, _bob) = (wire.join(), wire.join());
    wire.server.handle_lost(wire.now, ann);
    assert_eq!(wire.answers(), [r#"[null,null,"room:a","gone",{}]"#]);
}

#[test]
#[should_panic(expected = "keep sending without time passing")]
fn a_channel_that_sends_to_itself_without_end_fails_its_test() {
    let server = Server::builder().channel("room:*", || {
        Handlers::new()
            .join(|ctx, _| {
                ctx.send(());
                Ok(Payload::empty())
            })
            .handle_info(|ctx, _| {
                ctx.send(());
                Handled::NoReply
            })
    });
    let mut wire = Wire::new(server.build());
    let socket = wire.open();
    wire.send(socket, JOIN);
}

#[test]
fn each_crash_is_reported_with_the_event_that_caused_it() {
    let crashes: Arc<Mutex<Vec<ChannelCrash>>> = Arc::default();
    let reported = crashes.clone();
    let server = Server::builder()
        .on_crash(move |crash| reported.lock().unwrap().push(crash.clone()))
        .channel("room:*", || {
            Handlers::new()
                .join(|ctx, params| {
                    if params.decode::<bool>().is_ok() {
                        ctx.crash();
                    }
                    Ok(Payload::empty())
                })
                .handle_in("stop", |_, _| Handled::Stop)
                .handle_info(|_, _| Handled::Crash)
        });
    let mut wire = Wire::new(server.build());
    let expect = |wire: &mut Wire, event: Option<&str>| {
        let shown = |crash: ChannelCrash| (crash.topic.to_string(), crash.event);
        let got: Vec<_> = crashes.lock().unwrap().drain(..).map(shown).collect();
        assert_eq!(got, [("room:a".to_owned(), event.map(Into::into))]);
        wire.answers();
    };
    let socket = wire.open();
    wire.send(socket, r#"["1","1","room:a","phx_join",true]"#);
    expect(&mut wire, Some("phx_join"));
    let socket = wire.join();
    wire.send(socket, r#"["1","2","room:a","nosuch",{"token":"s3cret"}]"#);
    expect(&mut wire, Some("nosuch"));
    let socket = wire.join();
    assert!(wire.server.send(wire.now, socket, "room:a", ()));
    expect(&mut wire, None);
    let socket = wire.join();
    wire.send(socket, r#"["1","2","room:a","stop",{}]"#);
    assert!(crashes.lock().unwrap().is_empty(), "a channel that stops hasn't crashed");
}
