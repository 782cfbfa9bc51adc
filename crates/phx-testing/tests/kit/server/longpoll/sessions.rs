//! Sessions: how they begin, when they end, and busy ones.

use phx_testing::{HttpRequest, UpgradeRejection};
use serde_json::json;

use super::{
    Http, JOIN, SECOND, URL, app, broadcasted, echo, json_of, messages_of, seconds, token_of,
};

#[test]
fn a_get_without_a_token_creates_a_session() {
    let mut http = Http::new(app());
    let exchange = http.ask(HttpRequest::new("GET", URL));
    let (took, answer) = http.wait(exchange);
    let token = token_of(&answer);
    assert_eq!((took, answer.status()), (0, 200));
    assert_eq!(json_of(&answer), json!({ "messages": [], "status": 410, "token": token }));
    assert_eq!(http.server.sockets().count(), 1);
}

#[test]
fn a_refusal_is_403_whatever_the_application_says() {
    let refusals = [UpgradeRejection::new(403), UpgradeRejection::new(429).with_body("slow down")];
    for refusal in refusals {
        let mut http = Http::new(app().connect(move |_| Err(refusal.clone())));
        let exchange = http.ask(HttpRequest::new("GET", URL));
        let (_, answer) = http.wait(exchange);
        assert_eq!((answer.status(), json_of(&answer)), (200, json!({ "status": 403 })));
    }
}

#[test]
fn a_session_lives_without_polls_for_fifteen_to_thirty_seconds() {
    // It looks every 15 s, and an age of 15 s isn't too old.
    for (last_poll, end) in [(0, 30), (1, 30), (14, 30), (16, 45), (29, 45)] {
        let mut http = Http::new(app());
        let token = http.join();
        if last_poll > 0 {
            http.pass(seconds(last_poll));
            http.broadcast("news");
            assert_eq!(http.messages(&token).len(), 1);
        }
        http.pass(seconds(end - 1 - last_poll));
        assert_eq!(http.server.sockets().count(), 1, "last poll at {last_poll} s");
        http.pass(seconds(1));
        assert_eq!(http.server.sockets().count(), 0, "last poll at {last_poll} s");
    }
}

#[test]
fn posts_are_no_polls() {
    let mut http = Http::new(app());
    let token = http.join();
    for reference in 2..31 {
        http.pass(seconds(1));
        assert_eq!(http.posted(&token, &echo(reference)), 200);
    }
    http.pass(seconds(1));
    let exchange = http.post(&token, &echo(31));
    assert_eq!(http.status(exchange), (2 * SECOND, 200, 410.into()));
}

#[test]
fn a_busy_session_answers_410_with_a_new_token_and_goes_on_under_its_old_one() {
    let mut http = Http::new(app());
    let token = http.open();
    let post = http.post(&token, r#"["1","1","room:a","phx_join",{"slow":5000}]"#);
    let poll = http.poll(&token);
    let (took, answer) = http.wait(poll);
    assert_eq!((took, json_of(&answer)["status"].clone()), (2 * SECOND, 410.into()));
    let stray = token_of(&answer);
    assert_ne!(stray, token);
    assert_eq!(http.status(post), (5 * SECOND, 200, 200.into()));
    assert_eq!(http.messages(&token).len(), 1, "the join's reply");
    http.broadcast("news");
    assert_eq!(http.messages(&token), [broadcasted("news")]);
    // The other one is empty.
    let poll = http.poll(&stray);
    assert_eq!(http.status(poll), (10 * SECOND, 200, 204.into()));
}

#[test]
fn a_session_that_is_busy_for_less_is_only_late() {
    let mut http = Http::new(app());
    let token = http.open();
    http.post(&token, r#"["1","1","room:a","phx_join",{"slow":1900}]"#);
    let poll = http.poll(&token);
    let (took, answer) = http.wait(poll);
    assert_eq!((took, messages_of(&answer).len()), (1_900, 1));
}

#[test]
fn a_poll_that_waits_while_the_session_becomes_busy_gets_the_reply() {
    let mut http = Http::new(app());
    let token = http.open();
    let poll = http.poll(&token);
    http.post(&token, r#"["1","1","room:a","phx_join",{"slow":5000}]"#);
    let (took, answer) = http.wait(poll);
    assert_eq!((took, messages_of(&answer).len()), (5 * SECOND, 1));
}

#[test]
fn a_shutdown_refuses_every_request() {
    let mut http = Http::new(app());
    let token = http.open();
    http.server.shutdown(http.now);
    for request in [HttpRequest::new("GET", URL), super::post(&token, JOIN)] {
        let exchange = http.ask(request);
        assert_eq!(http.wait(exchange).1.status(), 503);
    }
}

#[test]
fn another_path_is_not_found() {
    let mut http = Http::new(app());
    for path in ["/other/longpoll", "/socket/longpoll/x", "/socket"] {
        let exchange = http.ask(HttpRequest::new("GET", path));
        assert_eq!(http.wait(exchange).1.status(), 404, "{path}");
    }
    let exchange = http.ask(HttpRequest::new("GET", "/socket/longpoll/?vsn=2.0.0"));
    token_of(&http.wait(exchange).1);
}
