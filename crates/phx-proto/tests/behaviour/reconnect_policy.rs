//! Reconnect policies: by default the socket always reconnects, unless a first attempt is refused in a way that repeating
//! can't change.

use crate::common::{Script, quiet, quiet_but, secs};
use phx_proto::{
    CloseCause, CloseCode, ConnectionState, Reconnect, ReconnectPolicy, TlsCauseKind,
    UpgradeRejection,
};

fn refused(status: u16) -> CloseCause {
    CloseCause::UpgradeRejected(UpgradeRejection::new(status))
}

fn retries(policy: ReconnectPolicy, was_open: bool, cause: CloseCause) -> bool {
    let mut s = Script::new(quiet_but(|config| config.reconnect_policy = policy));
    s.connect();
    if was_open {
        s.opened();
        s.reconnect_now();
    }
    s.forget_lines();
    s.closed(cause);
    let retries = s.socket.connection_state() == ConnectionState::Waiting;
    assert_eq!(s.socket.poll_timeout().is_some(), retries, "no wait without a retry");
    assert_eq!(s.events().iter().any(|line| line.contains("retry in")), retries);
    retries
}

#[test]
fn any_close_code_is_retried() {
    for code in [1000, 1001, 1002, 1005, 1006, 1009, 1011, 1012, 4000] {
        let mut s = Script::open(quiet());
        s.closed(CloseCause::frame(CloseCode::from_u16(code), ""));
        assert_eq!(s.socket.connection_state(), ConnectionState::Waiting, "{code}");
    }
}

#[test]
fn a_first_refusal_is_final_if_asking_again_is_no_use() {
    let policy = ReconnectPolicy::default;
    for status in [301, 400, 401, 403, 404, 499] {
        assert!(!retries(policy(), false, refused(status)), "{status}");
        assert!(retries(policy(), true, refused(status)), "{status}, but it had been open");
    }
    for status in [200, 408, 425, 429, 500, 502, 503] {
        assert!(retries(policy(), false, refused(status)), "{status}");
    }
    assert!(!retries(policy(), false, CloseCause::invalid_request("no token")));
    assert!(retries(policy(), true, CloseCause::invalid_request("no token")));
    assert!(retries(policy(), false, CloseCause::io("no route")));
}

#[test]
fn a_first_certificate_that_no_retry_makes_good_is_final() {
    use TlsCauseKind::{
        BadCertificate, ClientCertificateRefused, ClientCertificateRequired, Ended, Expired,
        NotYetValid, Other, Protocol, Refused, Revoked, UnknownIssuer, WrongName,
    };
    let policy = ReconnectPolicy::default;
    for kind in [UnknownIssuer, WrongName, Expired, Revoked, BadCertificate] {
        assert!(!retries(policy(), false, CloseCause::tls(kind, "")), "{kind:?}");
        assert!(retries(policy(), true, CloseCause::tls(kind, "")), "{kind:?}, after an open one");
    }
    for kind in [
        NotYetValid,
        ClientCertificateRequired,
        ClientCertificateRefused,
        Refused,
        Protocol,
        Ended,
        Other,
    ] {
        assert!(retries(policy(), false, CloseCause::tls(kind, "")), "{kind:?}");
    }
}

#[test]
fn always_and_never() {
    assert!(retries(ReconnectPolicy::always(), false, refused(403)));
    assert!(!retries(ReconnectPolicy::never(), true, CloseCause::io("")));
}

#[test]
fn a_function_decides_by_cause_and_history() {
    let policy = ReconnectPolicy::function(|cause, was_open| match cause.code().as_u16() {
        4001 => Reconnect::Stop,
        4002 => Reconnect::After(secs(99)),
        _ if was_open => Reconnect::Backoff,
        _ => Reconnect::Stop,
    });
    let close = |code| CloseCause::frame(CloseCode::from_u16(code), "");
    assert!(!retries(policy.clone(), true, close(4001)));
    assert!(retries(policy.clone(), true, close(4000)));
    assert!(!retries(policy.clone(), false, close(4000)));
    let mut s = Script::open(quiet_but(|config| config.reconnect_policy = policy));
    s.closed(close(4002));
    assert_eq!(s.events(), ["closed 1: closed by the peer with code 4002, retry in 99s"]);
    assert_eq!(s.next_timeout(), Some(secs(99)));
}

#[test]
fn a_socket_that_stopped_connects_when_it_is_asked_to() {
    let mut s = Script::new(quiet());
    s.connect();
    s.closed(refused(403));
    assert_eq!(s.events(), ["unopened 1: the server refused the connection with HTTP status 403"]);
    assert!(!s.reconnect_now(), "no connection is wanted any more");
    s.connect();
    s.opened();
    assert_eq!(s.actions(), ["connect 1, attempt 1", "connect 2, attempt 1"]);
    assert_eq!(s.events(), ["opened 2"]);
}

#[test]
fn a_reconnecting_socket_keeps_trying_what_refused_it() {
    let mut s = Script::open(quiet());
    s.lost();
    for delay in [1, 2, 5, 10] {
        s.wait(secs(delay));
        s.closed(refused(403));
        assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    }
}

#[test]
fn connecting_during_a_wait_doesnt_make_it_a_first_connection() {
    let mut s = Script::open(quiet());
    s.lost();
    // The network came back, and the server is still deploying.
    s.connect();
    s.closed(refused(403));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    // After a disconnect it is a first connection again.
    s.disconnect();
    s.connect();
    s.closed(refused(403));
    assert_eq!(s.socket.connection_state(), ConnectionState::Closed);
}
