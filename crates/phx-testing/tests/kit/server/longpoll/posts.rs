//! POSTs: what a body is, bad bodies, slow ones, and their limits.

use std::time::Duration;

use phx_testing::{HttpRequest, HttpServer};

use super::{
    Http, JOIN, SECOND, URL, app, echo, echoed, json_of, messages_of, post, seconds, token_of,
};

#[test]
fn a_body_has_at_most_a_hundred_lines_and_the_rest_is_dropped_in_silence() {
    let mut http = Http::new(app());
    let token = http.join();
    let lines: Vec<_> = (2..202).map(echo).collect();
    assert_eq!(http.posted(&token, &lines.join("\n")), 200);
    assert_eq!(http.messages(&token), (2..102).map(echoed).collect::<Vec<_>>());
}

#[test]
fn with_any_other_content_type_a_body_is_one_frame() {
    for content_type in ["application/x-ndjson; charset=utf-8", "application/json", "text/plain"] {
        let mut http = Http::new(app());
        let token = http.open();
        let request = |body: &str| {
            HttpRequest::new("POST", URL)
                .with_header("x-phoenix-longpoll-token", &token)
                .with_header("content-type", content_type)
                .with_body(body.to_owned())
        };
        // A newline is white space in JSON.
        let exchange = http.ask(request(&format!("\n{JOIN}\n")));
        assert_eq!(http.status(exchange), (0, 200, 200.into()));
        assert_eq!(http.messages(&token).len(), 1);
        let exchange = http.ask(request(&format!("{}\n{}", echo(2), echo(3))));
        assert_eq!(http.status(exchange), (10 * SECOND, 200, 408.into()));
    }
}

#[test]
fn a_bad_body_is_answered_408_and_the_session_is_dead_with_the_replies_to_earlier_lines() {
    for bad in ["", "[nope", r#"["1","2","room:a","echo"]"#] {
        let mut http = Http::new(app());
        let token = http.join();
        // With nothing before it, it is a body that is empty or bad; else the last of two lines.
        for body in [bad.to_owned(), format!("{}\n{bad}", echo(2))] {
            let exchange = http.post(&token, &body);
            assert_eq!(http.status(exchange), (10 * SECOND, 200, 408.into()), "{body:?}");
            let poll = http.poll(&token);
            let (took, answer) = http.wait(poll);
            assert_eq!((took, json_of(&answer)["status"].clone()), (2 * SECOND, 410.into()));
            assert!(messages_of(&answer).is_empty());
            // The second body is for a session of its own.
            http = Http::new(app());
            let fresh = http.join();
            assert_eq!(fresh, token, "equal seeds give equal tokens");
        }
    }
}

#[test]
fn a_line_that_is_not_base64_fails_and_only_the_lines_before_it_arrive() {
    for bad in [r#"{"a":1}"#, " []", "AAE", "====", "AA==AA=="] {
        let mut http = Http::new(app());
        let token = http.join();
        let exchange = http.post(&token, &format!("{}\n{bad}\n{}", echo(2), echo(3)));
        let (took, answer) = http.wait(exchange);
        assert_eq!((took, answer.status()), (0, 500), "{bad}");
        assert_eq!(http.messages(&token), [echoed(2)]);
        assert_eq!(http.posted(&token, &echo(4)), 200);
        assert_eq!(http.messages(&token), [echoed(4)]);
    }
}

#[test]
fn a_compressed_body_is_not_understood() {
    let mut http = Http::new(app());
    let token = http.join();
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let exchange = http.ask(post(&token, "").with_body(gzip));
    assert_eq!(http.wait(exchange).1.status(), 500);
}

#[test]
fn a_post_is_answered_when_a_slow_join_is_done() {
    let mut http = Http::new(app());
    let token = http.open();
    let exchange = http.post(&token, r#"["1","1","room:a","phx_join",{"slow":7000}]"#);
    assert_eq!(http.status(exchange), (7 * SECOND, 200, 200.into()));
    assert_eq!(http.messages(&token).len(), 1);
}

#[test]
fn a_post_to_a_slower_join_is_answered_408_and_the_join_succeeds() {
    let mut http = Http::new(app());
    let token = http.open();
    let join = r#"["1","1","room:a","phx_join",{"slow":12000}]"#;
    let exchange = http.post(&token, &format!("{join}\n{}", echo(2)));
    assert_eq!(http.status(exchange), (10 * SECOND, 200, 408.into()));
    http.pass(seconds(2));
    // The line behind the join was not passed on.
    assert_eq!(http.messages(&token).len(), 1);
    assert_eq!(http.posted(&token, &echo(3)), 200);
    assert_eq!(http.messages(&token), [echoed(3)]);
}

#[test]
fn a_post_to_a_busy_session_finds_none() {
    let mut http = Http::new(app());
    let token = http.join();
    let socket = http.server.sockets().next().unwrap();
    http.server.keep_busy(http.now, socket, seconds(5));
    let exchange = http.post(&token, &echo(2));
    assert_eq!(http.status(exchange), (2 * SECOND, 200, 410.into()));
    http.pass(seconds(3));
    assert_eq!(http.posted(&token, &echo(3)), 200);
    assert_eq!(http.messages(&token), [echoed(3)]);
}

#[test]
fn a_body_over_eight_megabytes_is_refused_and_the_session_lives() {
    let mut http = Http::new(app());
    let token = http.join();
    let padded = |length: usize| {
        let line = r#"["1","2","room:a","echo",""]"#;
        line.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - line.len())))
    };
    let exchange = http.post(&token, &padded(8_000_001));
    let (_, answer) = http.wait(exchange);
    assert_eq!((answer.status(), json_of(&answer)["errors"].is_object()), (400, true));
    assert_eq!(http.posted(&token, &padded(8_000_000)), 200);
    assert_eq!(http.messages(&token).len(), 1);
}

#[test]
fn a_binary_frame_is_a_line_of_base64() {
    let mut http = Http::new(app());
    let token = http.join();
    assert_eq!(http.posted(&token, "AAEBBgQxMnJvb206YWVjaG9hYmM="), 200);
    assert_eq!(http.messages(&token), ["\u{1}\u{1}\u{1}\u{6}\u{2}12room:aokabc"]);
}

#[test]
fn v1_works_only_with_another_content_type() {
    let url = "/socket/longpoll?vsn=1.0.0";
    let mut http = Http::new(app());
    let create = http.ask(HttpRequest::new("GET", url));
    let token = token_of(&http.wait(create).1);
    let request = |content_type: &str| {
        HttpRequest::new("POST", url)
            .with_header("x-phoenix-longpoll-token", &token)
            .with_header("content-type", content_type)
            .with_body(r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#)
    };
    let exchange = http.ask(request("application/x-ndjson"));
    assert_eq!(http.wait(exchange).1.status(), 500);
    let exchange = http.ask(request("application/json"));
    assert_eq!(http.status(exchange), (0, 200, 200.into()));
    assert!(http.messages(&token)[0].starts_with(r#"{"event":"phx_reply""#));
}

#[test]
fn other_methods_are_bad_requests() {
    let mut http = Http::new(app());
    for method in ["HEAD", "PUT", "DELETE", "PATCH"] {
        let exchange = http.ask(HttpRequest::new(method, URL));
        let (took, answer) = http.wait(exchange);
        assert_eq!((took, answer.status(), answer.body().len()), (0, 400, 0));
    }
}

#[test]
fn every_answer_is_for_every_origin() {
    let mut http = Http::new(app());
    let cors = ("access-control-allow-origin".to_owned(), "*".to_owned());
    let token = http.join();
    let requests = [
        HttpRequest::new("GET", URL),
        HttpRequest::new("OPTIONS", URL).with_header("access-control-request-headers", "x-a, x-b"),
        HttpRequest::new("PUT", URL),
        HttpRequest::new("POST", URL),
        post(&token, "%"),
    ];
    for request in requests {
        let exchange = http.ask(request);
        let (_, answer) = http.wait(exchange);
        assert!(answer.headers().contains(&cors), "{answer:?}");
    }
    let preflight =
        HttpRequest::new("OPTIONS", URL).with_header("access-control-request-headers", "x-a, x-b");
    let exchange = http.ask(preflight);
    let (_, answer) = http.wait(exchange);
    for (name, value) in [
        ("access-control-allow-headers", "x-a, x-b"),
        ("access-control-allow-methods", "get, post, options"),
        ("access-control-max-age", "3600"),
    ] {
        assert!(answer.headers().contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
}

#[test]
fn posts_are_slow_on_command_and_their_frames_are_not() {
    let mut http = Http::new(app());
    let token = http.join();
    http.server.delay_posts(seconds(3));
    let exchange = http.post(&token, &echo(2));
    assert_eq!(http.messages(&token), [echoed(2)]);
    assert_eq!(http.status(exchange), (3 * SECOND, 200, 200.into()));
    http.server.delay_posts(Duration::ZERO);
    let exchange = http.post(&token, &echo(3));
    assert_eq!(http.status(exchange), (0, 200, 200.into()));
}

#[test]
fn a_post_that_is_given_up_goes_on_with_bandit_and_ends_with_cowboy() {
    for (server, arrived) in [(HttpServer::Bandit, 2), (HttpServer::Cowboy, 1)] {
        let mut http = Http::new(app().http_server(server));
        let token = http.open();
        let join = r#"["1","1","room:a","phx_join",{"slow":1000}]"#;
        let exchange = http.post(&token, &format!("{join}\n{}", echo(2)));
        http.server.handle_abandoned(http.now, exchange);
        http.pass(seconds(1));
        assert_eq!(http.messages(&token).len(), arrived, "{server:?}");
    }
}
