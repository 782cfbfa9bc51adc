//! Requests to proxies, and the outcomes of their answers; the proxies are scripted.

use phx_client::StreamConnector;
use phx_client::dial::{Dialer, HttpProxy, Socks5Proxy};
use phx_client::{CloseCause, Connector, Proxy, ProxyCause};

use crate::peer::{Peer, attempt};

async fn http(says: impl Into<Vec<u8>>) -> Result<(), CloseCause> {
    HttpProxy::new(Peer::saying(says), "proxy.test", 3128).dial("a.test", 443).await.map(drop)
}

async fn socks(says: impl Into<Vec<u8>>) -> Result<(), CloseCause> {
    let proxy = Socks5Proxy::new(Peer::saying(says), "proxy.test", 1080);
    proxy.with_password("ann", "pw").dial("a.test", 443).await.map(drop)
}

fn failed(failure: ProxyCause) -> Result<(), CloseCause> {
    Err(CloseCause::Proxy(failure))
}

#[tokio::test]
async fn connect_names_the_server_and_who_asks() {
    let proxy = Peer::saying("HTTP/1.1 200 Connection established\r\n\r\n");
    let dialer =
        HttpProxy::new(proxy.clone(), "proxy.test", 3128).with_basic_auth("ann", "s3:cret");
    drop(dialer.dial("a.test", 443).await.unwrap());
    assert_eq!(
        String::from_utf8(proxy.heard()).unwrap(),
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\
         Proxy-Authorization: Basic YW5uOnMzOmNyZXQ=\r\n\r\n"
    );
    assert_eq!(proxy.asked_for(), [("proxy.test".to_owned(), 3128)]);
}

#[tokio::test]
async fn connect_has_ipv6_addresses_in_brackets() {
    let proxy = Peer::saying("HTTP/1.0 200 OK\r\nVia: x\r\n\r\n");
    drop(HttpProxy::new(proxy.clone(), "proxy.test", 3128).dial("::1", 80).await.unwrap());
    assert_eq!(proxy.heard(), b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
}

#[tokio::test]
async fn an_http_proxys_answers_are_distinguished() {
    let status = ProxyCause::http_status;
    assert_eq!(http("HTTP/1.1 407 Who?\r\n\r\n").await, failed(ProxyCause::NotAuthenticated));
    for (offers, expected) in [
        ("NTLM", ProxyCause::NtlmRequired),
        ("Negotiate, NTLM", ProxyCause::NtlmRequired),
        ("negotiate\r\nProxy-Authenticate: ntlm TlRMTVNT", ProxyCause::NtlmRequired),
        ("Negotiate, Basic realm=\"a\"", ProxyCause::NotAuthenticated),
        ("NTLM\r\nProxy-Authenticate: basic realm=\"a\"", ProxyCause::NotAuthenticated),
        ("Digest realm=\"NTLM\"", ProxyCause::NotAuthenticated),
    ] {
        let answer = format!("HTTP/1.1 407 Who?\r\nProxy-Authenticate: {offers}\r\n\r\n");
        assert_eq!(http(answer).await, failed(expected), "{offers}");
    }
    assert_eq!(http("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").await, failed(status(403)));
    assert_eq!(http("HTTP/1.1 502 Bad Gateway\r\n\r\n").await, failed(status(502)));
    assert_eq!(http("").await, failed(ProxyCause::Ended));
    assert_eq!(http("HTTP/1.1 200 OK\r\nVia: ").await, failed(ProxyCause::Ended));
    assert_eq!(http("SSH-2.0-OpenSSH\r\n\r\n").await, failed(ProxyCause::Malformed));
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000));
    assert_eq!(http(endless).await, failed(ProxyCause::Malformed));
    let early = "HTTP/1.1 200 OK\r\n\r\nwhat the server can't have said yet";
    assert_eq!(http(early).await, failed(ProxyCause::Malformed));
}

#[tokio::test]
async fn a_host_that_would_be_more_than_a_host_is_not_said() {
    let proxy = HttpProxy::new(Peer::saying(""), "proxy.test", 3128);
    for host in ["", "a.test HTTP/1.1", "a.test\r\nX: y"] {
        let failed = proxy.dial(host, 80).await.map(drop);
        assert!(matches!(failed, Err(CloseCause::InvalidRequest { .. })), "{host:?}: {failed:?}");
    }
}

#[tokio::test]
async fn socks_sends_names_as_names_and_addresses_as_addresses() {
    const OK: [u8; 12] = [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for (host, address) in [
        ("a.test", b"\x03\x06a.test".to_vec()),
        ("192.0.2.1", vec![1, 192, 0, 2, 1]),
        ("::1", vec![4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        let proxy = Peer::saying(OK);
        drop(Socks5Proxy::new(proxy.clone(), "proxy.test", 1080).dial(host, 443).await.unwrap());
        let expected = [&[5, 1, 0, 5, 1, 0], &*address, &[1, 187]].concat();
        assert_eq!(proxy.heard(), expected, "{host}");
    }
}

#[tokio::test]
async fn socks_says_user_and_password_when_asked() {
    let proxy = Peer::saying([5, 2, 1, 0, 5, 0, 0, 3, 1, b'x', 0, 80]);
    let dialer = Socks5Proxy::new(proxy.clone(), "proxy.test", 1080).with_password("ann", "pw");
    drop(dialer.dial("192.0.2.1", 80).await.unwrap());
    let heard = proxy.heard();
    assert!(heard.starts_with(b"\x05\x02\x00\x02\x01\x03ann\x02pw\x05\x01\x00"), "{heard:?}");
}

#[tokio::test]
async fn a_socks_proxys_answers_are_distinguished() {
    for code in 1..=9 {
        let reply = socks([5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        assert_eq!(reply, failed(ProxyCause::socks_reply(code)));
    }
    assert_eq!(socks([5, 2, 1, 1]).await, failed(ProxyCause::NotAuthenticated));
    assert_eq!(socks([5, 0xff]).await, failed(ProxyCause::NotAuthenticated));
    assert_eq!(socks([]).await, failed(ProxyCause::Ended));
    assert_eq!(socks([5, 0, 5, 0, 0, 1, 0]).await, failed(ProxyCause::Ended));
    assert_eq!(socks([4, 0]).await, failed(ProxyCause::Malformed));
    assert_eq!(socks([5, 7]).await, failed(ProxyCause::Malformed));
    assert_eq!(socks([5, 0, 4, 0, 0, 1]).await, failed(ProxyCause::Malformed));
    assert_eq!(socks([5, 0, 5, 0, 0, 9]).await, failed(ProxyCause::Malformed));
    assert_eq!(socks([5, 2, 9, 0]).await, failed(ProxyCause::Malformed));
}

#[tokio::test]
async fn what_socks_cannot_say_is_not_tried() {
    let proxy = Peer::saying("");
    let long = "x".repeat(256);
    let plain = Socks5Proxy::new(proxy.clone(), "proxy.test", 1080);
    let nobody = plain.clone().with_password("", "pw");
    let talkative = plain.clone().with_password("ann", &long);
    let failed = [
        plain.dial(&long, 80).await.map(drop),
        nobody.dial("a.test", 80).await.map(drop),
        talkative.dial("a.test", 80).await.map(drop),
    ];
    for failed in failed {
        assert!(matches!(failed, Err(CloseCause::InvalidRequest { .. })), "{failed:?}");
    }
    assert!(proxy.heard().is_empty());
}

/// Returns the cause of an attempt through this proxy.
async fn through(proxy: &str, peer: &Peer) -> CloseCause {
    let mut attempt = attempt();
    attempt.proxy = Some(Proxy::parse(proxy).unwrap());
    let connector = StreamConnector::new(peer.clone());
    connector.connect(attempt).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn the_proxy_of_an_attempt_gets_user_and_password_and_the_server_does_not() {
    let peer = Peer::new("HTTP/1.1 200 OK\r\n\r\n", "", usize::MAX);
    peer.ends();
    through("http://ann:MARK-pw@proxy.test:3128", &peer).await;
    assert_eq!(peer.asked_for(), [("proxy.test".to_owned(), 3128)]);
    let heard = String::from_utf8(peer.heard()).unwrap();
    let (to_proxy, to_server) = heard.split_once("\r\n\r\n").unwrap();
    assert!(to_proxy.starts_with("CONNECT server.test:80 HTTP/1.1\r\n"), "{heard}");
    assert!(to_proxy.contains("Proxy-Authorization: Basic YW5uOk1BUkstcHc="), "{heard}");
    assert!(to_server.starts_with("GET /socket/websocket?vsn=2.0.0 HTTP/1.1"), "{heard}");
    assert!(!to_server.contains("Proxy-Auth") && !to_server.contains("YW5uOk1BUkstcHc"), "{heard}");

    let peer = Peer::saying([5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    through("socks5://ann:pw@proxy.test", &peer).await;
    assert_eq!(peer.asked_for(), [("proxy.test".to_owned(), 1080)]);
    let heard = peer.heard();
    let expected = b"\x05\x02\x00\x02\x01\x03ann\x02pw\x05\x01\x00\x03\x0bserver.test\x00\x50GET /";
    assert!(heard.starts_with(expected), "{heard:?}");
}

#[tokio::test]
async fn failures_on_the_way_through_show_no_user_and_no_password() {
    let mut shown = String::new();
    for proxy in [
        "http://MARK:MARK-pw@proxy.test",
        "socks5://MARK:MARK-pw@proxy.test",
        "https://MARK@proxy.test",
    ] {
        shown.push_str(&format!("{:?}", Proxy::parse(proxy)));
        for answer in [
            "",
            "HTTP/1.1 407 Who?\r\n\r\nMARK",
            "HTTP/1.1 403 MARK\r\n\r\n",
            "\x05\x02\x01\x01",
            "MARK\r\n",
        ] {
            let cause = through(proxy, &Peer::saying(answer)).await;
            shown.push_str(&format!("{cause} {cause:?}\n"));
        }
        let proxy = Proxy::parse(proxy).unwrap();
        let mut attempt = attempt();
        attempt.proxy = Some(proxy.clone());
        shown.push_str(&format!("{proxy} {proxy:?} {attempt:?}"));
    }
    for mark in ["MARK", "TUFSSz", "77, 65, 82"] {
        assert!(!shown.contains(mark), "{shown}");
    }
}

#[tokio::test]
async fn users_and_passwords_are_shown_nowhere() {
    let refusing = Peer::saying("HTTP/1.1 407 Who?\r\nX: MARK-echoed\r\n\r\nMARK");
    let http = HttpProxy::new(refusing, "proxy.test", 3128).with_basic_auth("MARK", "MARK-pw");
    let refusing = Peer::saying([5, 2, 1, 1]);
    let socks = Socks5Proxy::new(refusing, "proxy.test", 1080).with_password("MARK", "MARK-pw");
    let mut shown = format!("{http:?} {socks:?}");
    for failed in [
        http.dial("a.test", 80).await.map(drop).unwrap_err(),
        socks.dial("a.test", 80).await.map(drop).unwrap_err(),
        socks
            .clone()
            .with_password("MARK", &"MARK".repeat(99))
            .dial("a", 80)
            .await
            .map(drop)
            .unwrap_err(),
    ] {
        shown.push_str(&format!("{failed} {failed:?}"));
    }
    for mark in ["MARK", "TUFSSz", "\u{4d}, 65, 82"] {
        assert!(!shown.contains(mark), "{shown}");
    }
}
