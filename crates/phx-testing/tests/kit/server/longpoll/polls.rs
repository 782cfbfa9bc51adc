//! Polls: how long they wait, two at once, given-up ones, and what is lost.

use phx_proto::Frame;
use phx_testing::HttpServer;

use super::{
    Http, SECOND, app, broadcasted, echo, echoed, json_of, messages_of, seconds, token_of,
};

#[test]
fn a_poll_waits_for_ten_seconds() {
    let mut http = Http::new(app());
    let token = http.open();
    let poll = http.poll(&token);
    assert_eq!(http.status(poll), (10 * SECOND, 200, 204.into()));
}

#[test]
fn a_poll_with_messages_is_answered_at_once_and_with_all_of_them() {
    let mut http = Http::new(app());
    let token = http.join();
    (0..2_000).for_each(|_| http.broadcast("news"));
    let poll = http.poll(&token);
    let (took, answer) = http.wait(poll);
    assert_eq!((took, messages_of(&answer).len()), (0, 2_000));
    assert_eq!(token_of(&answer), token);
}

#[test]
fn messages_keep_their_order_in_a_process_that_stays_busy() {
    let mut http = Http::new(app());
    let token = http.join();
    let socket = http.server.sockets().next().unwrap();
    http.server.keep_busy(http.now, socket, seconds(1));
    http.broadcast("first");
    http.server.keep_busy(http.now, socket, seconds(2));
    http.broadcast("second");
    http.pass(seconds(2));
    assert_eq!(http.messages(&token), [broadcasted("first"), broadcasted("second")]);
}

#[test]
fn a_heartbeat_is_answered_and_none_is_needed() {
    let mut http = Http::new(app());
    let token = http.join();
    assert_eq!(http.posted(&token, r#"[null,"5","phoenix","heartbeat",{}]"#), 200);
    let reply = r#"[null,"5","phoenix","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(http.messages(&token), [reply]);
    // Beyond the time after which a WebSocket is idle.
    for _ in 0..20 {
        let poll = http.poll(&token);
        assert_eq!(http.status(poll), (10 * SECOND, 200, 204.into()));
    }
    assert_eq!(http.posted(&token, &echo(6)), 200);
    assert_eq!(http.messages(&token), [echoed(6)]);
}

#[test]
fn of_two_polls_the_second_takes_over_and_the_first_ends_at_its_own_time() {
    let mut http = Http::new(app());
    let token = http.join();
    let first = http.poll(&token);
    http.pass(seconds(4));
    let second = http.poll(&token);
    http.pass(seconds(1));
    http.broadcast("news");
    let (took, answer) = http.wait(second);
    assert_eq!((took, messages_of(&answer)), (SECOND, vec![broadcasted("news")]));
    assert_eq!(http.status(first), (10 * SECOND, 200, 204.into()));
}

#[test]
fn bandit_gives_messages_to_a_poll_that_was_given_up_until_its_time_is_over() {
    let mut http = Http::new(app());
    let token = http.join();
    let poll = http.poll(&token);
    http.server.handle_abandoned(http.now, poll);
    http.pass(seconds(9));
    http.broadcast("lost");
    http.broadcast("kept");
    assert_eq!(http.messages(&token), [broadcasted("kept")]);

    let poll = http.poll(&token);
    http.server.handle_abandoned(http.now, poll);
    http.pass(seconds(10));
    http.broadcast("later");
    assert_eq!(http.messages(&token), [broadcasted("later")]);
    assert!(!http.is_answered(poll), "nobody is there to be answered");
}

#[test]
fn a_new_poll_saves_the_messages_from_one_that_was_given_up() {
    let mut http = Http::new(app());
    let token = http.join();
    let given_up = http.poll(&token);
    http.server.handle_abandoned(http.now, given_up);
    let poll = http.poll(&token);
    http.broadcast("news");
    assert_eq!(messages_of(&http.wait(poll).1), [broadcasted("news")]);
}

#[test]
fn cowboy_keeps_messages_for_the_next_poll() {
    let mut http = Http::new(app().http_server(HttpServer::Cowboy));
    let token = http.join();
    let poll = http.poll(&token);
    http.server.handle_abandoned(http.now, poll);
    http.broadcast("news");
    assert_eq!(http.messages(&token), [broadcasted("news")]);
}

#[test]
fn a_binary_message_that_is_not_utf_8_loses_all_messages_of_its_answer_and_no_others() {
    let mut http = Http::new(app());
    let token = http.join();
    let socket = http.server.sockets().next().unwrap();
    http.broadcast("lost");
    http.server.send_frame(http.now, socket, Frame::binary(b"\x02\x01\x01a\xff".to_vec()));
    http.broadcast("lost");
    let poll = http.poll(&token);
    let (took, answer) = http.wait(poll);
    assert_eq!((took, answer.status()), (0, 500));
    assert_eq!(json_of(&answer)["errors"]["detail"], "500.json");
    http.broadcast("news");
    assert_eq!(http.messages(&token), [broadcasted("news")]);
}

#[test]
fn a_binary_message_that_is_utf_8_is_a_string() {
    let mut http = Http::new(app());
    let token = http.join();
    let socket = http.server.sockets().next().unwrap();
    http.server.send_frame(http.now, socket, Frame::binary(b"\x02\x06\x04room:anewsabc".to_vec()));
    assert_eq!(http.messages(&token), ["\u{2}\u{6}\u{4}room:anewsabc"]);
}

#[test]
fn a_poll_fails_on_command_and_loses_its_messages() {
    let mut http = Http::new(app());
    let token = http.join();
    http.server.fail_next_poll();
    http.broadcast("lost");
    let poll = http.poll(&token);
    assert_eq!(http.wait(poll).1.status(), 500);
    http.broadcast("news");
    assert_eq!(http.messages(&token), [broadcasted("news")]);
}

#[test]
fn a_disconnect_does_not_wake_a_poll_and_the_next_finds_no_session() {
    let with_id = || app().connect(|_| Ok(Some("user:1".to_owned())));
    let ends: [fn(&mut Http); 3] = [
        |http| http.server.disconnect(http.now, "user:1"),
        |http| http.server.drain(http.now),
        |http| {
            let socket = http.server.sockets().next().unwrap();
            http.server.kill_transport(http.now, socket);
        },
    ];
    for end in ends {
        let mut http = Http::new(with_id());
        let token = http.join();
        let poll = http.poll(&token);
        http.pass(seconds(3));
        end(&mut http);
        assert_eq!(http.server.sockets().count(), 0);
        assert_eq!(http.status(poll), (10 * SECOND, 200, 204.into()));
        let poll = http.poll(&token);
        let (took, answer) = http.wait(poll);
        assert_eq!((took, json_of(&answer)["status"].clone()), (2 * SECOND, 410.into()));
        assert_ne!(token_of(&answer), token);
    }
}

#[test]
fn the_end_of_a_channel_comes_as_over_a_websocket() {
    let mut http = Http::new(app());
    let token = http.join();
    let poll = http.poll(&token);
    http.post(&token, r#"["1","2","room:a","stop",{}]"#);
    assert_eq!(messages_of(&http.wait(poll).1), [r#"["1","1","room:a","phx_close",{}]"#]);
    http.post(&token, r#"["2","3","room:a","phx_join",{}]"#);
    http.messages(&token);
    http.post(&token, r#"["2","4","room:a","no_such_event",{}]"#);
    let crashed = r#"["2","2","room:a","phx_error",{"reason":"channel_crash"}]"#;
    assert_eq!(http.messages(&token), [crashed]);
}
