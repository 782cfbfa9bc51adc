//! Tokens: where they are read, and unknown ones.

use phx_proto::TransportKind;
use phx_testing::{HttpRequest, PhoenixVersion, demo_server};

use super::{Http, JOIN, SECOND, URL, app, json_of, poll, post, token_of};

const OLD: PhoenixVersion = PhoenixVersion::new(1, 7, 24);

fn by_param(method: &str, token: &str) -> HttpRequest {
    HttpRequest::new(method, &format!("{URL}&token={token}"))
}

#[test]
fn the_header_and_the_parameter_name_a_session() {
    let mut http = Http::new(app());
    let token = http.join();
    http.broadcast("news");
    let exchange = http.ask(by_param("GET", &token));
    assert_eq!(http.status(exchange), (0, 200, 200.into()));
    http.broadcast("news");
    assert_eq!(http.messages(&token).len(), 1);
}

#[test]
fn of_two_parameters_the_last_one_counts() {
    let mut http = Http::new(app());
    let token = http.join();
    http.broadcast("news");
    let exchange = http.ask(HttpRequest::new("GET", &format!("{URL}&token=mine&token={token}")));
    assert_eq!(http.status(exchange).2, 200);
    let exchange = http.ask(HttpRequest::new("GET", &format!("{URL}&token={token}&token=mine")));
    assert_eq!(http.status(exchange).2, 410);
}

#[test]
fn an_applications_parameter_does_not_collide_with_the_header() {
    let mut http = Http::new(app());
    let token = http.join();
    http.broadcast("news");
    let exchange =
        http.ask(by_param("GET", "mine").with_header("x-phoenix-longpoll-token", &token));
    assert_eq!(http.status(exchange), (0, 200, 200.into()));
}

#[test]
fn a_wrong_header_wins_over_a_right_parameter() {
    let mut http = Http::new(app());
    let token = http.join();
    for wrong in ["", "wrong"] {
        let request = by_param("GET", &token).with_header("x-phoenix-longpoll-token", wrong);
        let exchange = http.ask(request);
        let (took, answer) = http.wait(exchange);
        assert_eq!((took, json_of(&answer)["status"].clone()), (0, 410.into()));
        assert_ne!(token_of(&answer), token);
    }
}

#[test]
fn a_token_that_was_never_signed_is_like_none() {
    let mut http = Http::new(app());
    let exchange = http.poll("never");
    assert_eq!(http.status(exchange), (0, 200, 410.into()));
    let exchange = http.post("never", JOIN);
    let (took, answer) = http.wait(exchange);
    assert_eq!((took, answer.body().as_ref()), (0, br#"{"status":410}"#.as_slice()));
}

#[test]
fn a_token_whose_session_has_ended_is_waited_for() {
    let mut http = Http::new(app());
    let token = http.join();
    http.server.drain(http.now);
    let exchange = http.poll(&token);
    assert_eq!(http.status(exchange), (2 * SECOND, 200, 410.into()));
    let exchange = http.post(&token, JOIN);
    assert_eq!(http.status(exchange), (2 * SECOND, 200, 410.into()));
}

#[test]
fn before_1_8_10_only_the_parameter_names_a_session() {
    for (version, reads_header) in [(OLD, false), (PhoenixVersion::new(1, 8, 9), false)]
        .into_iter()
        .chain([(PhoenixVersion::new(1, 8, 10), true)])
    {
        let mut http = Http::new(app().version(version));
        let token = http.open();
        let posted = http.ask(by_param("POST", &token).with_body(JOIN));
        assert_eq!(http.status(posted), (0, 200, 200.into()));
        let exchange = http.ask(poll(&token));
        let status = if reads_header { 200 } else { 410 };
        assert_eq!(http.status(exchange).2, status, "{version:?}");
        if !reads_header {
            let exchange = http.ask(post(&token, JOIN));
            assert_eq!(http.status(exchange), (0, 200, 410.into()));
            let exchange = http.ask(by_param("GET", &token));
            assert_eq!(http.status(exchange), (0, 200, 200.into()));
        }
    }
}

#[test]
fn the_auth_token_comes_in_a_header_as_it_is() {
    for (version, expected) in [(PhoenixVersion::default(), Some("s3cr-t_=")), (OLD, None)] {
        let server = demo_server().version(version).connect(move |info| {
            assert_eq!(info.auth_token(), expected);
            assert_eq!(info.transport(), TransportKind::LongPoll);
            Ok(None)
        });
        let mut http = Http::new(server);
        let request = HttpRequest::new("GET", URL).with_header("x-phoenix-authtoken", "s3cr-t_=");
        let exchange = http.ask(request);
        assert_eq!(http.status(exchange).2, 410);
    }
}

#[test]
fn no_secret_is_shown() {
    let mut http = Http::new(app());
    let token = http.join();
    let request = by_param("GET", &token).with_header("x-phoenix-longpoll-token", &token);
    assert!(!format!("{request:?}").contains(&token));
    let exchange = http.ask(request);
    let (_, answer) = http.wait(exchange);
    assert!(!format!("{answer:?} {:?}", http.server).contains(&token));
}
