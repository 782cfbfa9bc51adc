//! What is said to people of a connection that ended.

use phx_proto::{CloseCause, CloseCode, ProxyCause, TlsCause, TlsCauseKind, UpgradeRejection};

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
            CloseCause::invalid_request("no token"),
            "the request can't be made: no token",
            CloseCode::ABNORMAL,
        ),
        (CloseCause::Disconnected, "disconnected", CloseCode::NORMAL),
        (CloseCause::Replaced, "replaced by a new connection", CloseCode::ABNORMAL),
        (CloseCause::ConnectTimedOut, "the connection took too long to open", CloseCode::ABNORMAL),
        (CloseCause::HeartbeatTimedOut, "the heartbeat had no reply in time", CloseCode::ABNORMAL),
        (
            CloseCause::Suspended,
            "the program was asleep for longer than the peer waits",
            CloseCode::ABNORMAL,
        ),
    ] {
        assert_eq!(cause.to_string(), words);
        assert_eq!(cause.code(), code, "{words}");
    }
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
