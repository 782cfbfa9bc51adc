//! Texts of the causes of a connection's end.

use phx_proto::longpoll::ExchangeKind;
use phx_proto::{
    AnswerCause, CloseCause, CloseCode, CompressionCause, LongPollCause, ProxyCause,
    ResponseHeaders, TlsCause, TlsCauseKind, UpgradeRejection,
};

#[test]
fn every_cause_says_what_happened() {
    let restart = CloseCode::from(1012);
    for (cause, words, code) in [
        (CloseCause::frame(restart, ""), "closed by the peer with code 1012", restart),
        (CloseCause::frame(restart, "bye"), "closed by the peer with code 1012: bye", restart),
        (CloseCause::io(""), "connection lost", CloseCode::ABNORMAL),
        (CloseCause::io("reset"), "connection lost: reset", CloseCode::ABNORMAL),
        (
            CloseCause::tls(TlsCauseKind::Expired, "the certificate has expired"),
            "TLS: the certificate has expired",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::UpgradeRejected(UpgradeRejection::new(403).with_body("secret")),
            "the server refused the connection with HTTP status 403",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::Proxy(ProxyCause::Ended),
            "the proxy ended the connection",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::Compression(CompressionCause::OtherExtension),
            "the server answered with an extension that wasn't offered",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::Compression(CompressionCause::MalformedAnswer),
            "the server answered the offer of compression with malformed parameters",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::Compression(CompressionCause::BeyondOffer),
            "the server wants compression that needs more memory than was offered",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::Compression(CompressionCause::BrokenMessage),
            "the server sent a compressed message that can't be inflated",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::LongPoll(LongPollCause::Gone),
            "long-poll: the server doesn't know the session any more",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::LongPoll(LongPollCause::timed_out(ExchangeKind::Poll)),
            "long-poll: the server didn't answer a poll in time",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Post, 500)),
            "long-poll: the server answered a POST with the status 500",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::LongPoll(LongPollCause::invalid_answer(
                ExchangeKind::Create,
                AnswerCause::NoToken,
            )),
            "long-poll: the answer to the request for a session isn't one of Phoenix: it has no token",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::LongPoll(LongPollCause::answer_too_large(9)),
            "long-poll: an answer is over the limit of 9 bytes",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::LongPoll(LongPollCause::EmptyFrame),
            "long-poll: the serializer made an empty frame",
            CloseCode::ABNORMAL,
        ),
        (
            CloseCause::invalid_request("no token"),
            "the request can't be made: no token",
            CloseCode::ABNORMAL,
        ),
        (CloseCause::Disconnected, "disconnected", CloseCode::NORMAL),
        (CloseCause::Replaced, "replaced by a new connection", CloseCode::ABNORMAL),
        (CloseCause::ConnectTimedOut, "the connection took too long to open", CloseCode::ABNORMAL),
        (CloseCause::HeartbeatTimedOut, "the heartbeat had no reply in time", CloseCode::ABNORMAL),
        (CloseCause::Suspended, "the program was suspended", CloseCode::ABNORMAL),
    ] {
        assert_eq!(cause.to_string(), words);
        assert_eq!(cause.code(), code, "{words}");
    }
}

#[test]
fn of_a_redirect_scheme_host_and_path_are_shown() {
    let long = format!("/{}", "x".repeat(1_000));
    for (location, shown) in [
        ("https://ann:hush@h.test:8443/login?token=hush#hush", Some("https://h.test:8443/login")),
        ("https://h.test", Some("https://h.test/")),
        ("/login?token=hush", Some("/login")),
        ("login#hush", Some("/login")),
        ("//ann:hush@other.test/a?hush", Some("//other.test/a")),
        ("?hush", Some("/")),
        ("data:text/html,hush", Some("data:")),
        ("mailto:hush@h.test", Some("mailto:")),
        ("https://h.test/\u{1b}[2J\u{202e}", Some("https://h.test/%1B[2J%E2%80%AE")),
        ("http://[hush", None),
        (&long, Some(&long[..100])),
    ] {
        for status in [301, 302, 307, 308] {
            let headers = ResponseHeaders::new([("location", location)]);
            let rejection = UpgradeRejection::new(status).with_headers(headers);
            let text = rejection.to_string();
            assert!(!format!("{text} {rejection:?}").contains("hush"), "{location}: {text}");
            match shown {
                None => assert!(!text.contains("redirect"), "{text}"),
                Some(shown) => {
                    let begin = format!("HTTP status {status}, a redirect to {shown}");
                    assert!(
                        text.contains(&begin) && text.ends_with(", which isn't followed"),
                        "{text}"
                    );
                }
            }
            assert!(text.len() < 400, "{text}");
            assert_eq!(CloseCause::UpgradeRejected(rejection).to_string(), text);
        }
    }
    let headers = ResponseHeaders::new([("Location", "https://h.test/")]);
    let created = UpgradeRejection::new(201).with_headers(headers).to_string();
    assert_eq!(created, "the server refused the connection with HTTP status 201");
}

#[test]
fn headers_of_an_answer_keep_their_order_and_show_their_names() {
    let pairs: [(&str, &[u8]); 4] =
        [("A", b"hush: 1"), ("b", b""), ("A", b"\xff"), ("Bad", b"x\ny: z")];
    let headers = ResponseHeaders::new(pairs);
    assert_eq!(headers.iter().collect::<Vec<_>>(), pairs[..3]);
    assert_eq!(headers.get("a"), Some(&b"hush: 1"[..]));
    assert_eq!((headers.get("c"), headers.is_empty()), (None, false));
    assert_eq!(format!("{headers:?}"), r#"["A", "b", "A"]"#);
    assert!(ResponseHeaders::default().is_empty());
}

#[test]
fn a_tls_failure_is_a_kind_and_words() {
    let failure = TlsCause::new(TlsCauseKind::WrongName, "not for this name");
    assert_eq!(failure.kind, TlsCauseKind::WrongName);
    assert_eq!(failure.to_string(), "not for this name");
    assert_eq!(CloseCause::tls(failure.kind, &failure.error[..]), CloseCause::Tls(failure));
}

#[test]
fn of_a_proxys_http_statuses_two_are_about_the_password() {
    for status in [401, 407] {
        assert_eq!(ProxyCause::http_status(status), ProxyCause::NotAuthenticated);
    }
    assert_eq!(ProxyCause::NotAuthenticated.to_string(), "wants another user and password");
    assert!(ProxyCause::NtlmRequired.to_string().starts_with("wants NTLM or Negotiate, which"));
    assert_eq!(ProxyCause::http_status(502).to_string(), "answered with HTTP status 502");
    assert_eq!(ProxyCause::Malformed.to_string(), "gave no proper answer");
}

#[test]
fn the_codes_of_socks_have_words() {
    let words: Vec<String> =
        (1..=9).map(|code| ProxyCause::socks_reply(code).to_string()).collect();
    assert_eq!(
        words,
        [
            "failed",
            "doesn't allow the connection",
            "can't reach the server's network",
            "can't reach the server",
            "was refused the connection by the server",
            "couldn't reach the server in time",
            "can't open connections",
            "can't handle this kind of address",
            "answered with the unknown code 9",
        ]
    );
}
