//! Options of the connection: tokens, versions, TLS, proxies.

use std::fs;
use std::net::SocketAddr;

use phx_pty::{CTRL_C, CTRL_D};
use phx_testing::tls::{Authority, Identity};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::raw::{Received, raw};
use crate::support::{Phx, Server, command, phx};
use crate::terminal;

#[tokio::test]
async fn tokens_come_from_the_environment_and_from_files() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let push = ["push", &server.url, "room:a", "echo"];
    let mut with_variable = command(&push);
    Phx::spawn(with_variable.env("PHX_AUTH_TOKEN", "s3cret")).ends().await.well();

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "s3cret\n").unwrap();
    let token = format!("@{}", path.display());
    phx(&[&push[..], &["--auth-token", &token]].concat()).await.well();
    phx(&[&push[..], &["-p", &format!("token={token}")]].concat()).await.well();
    let literal = phx(&[&push[..], &["-p", &format!("token=@{token}")]].concat()).await;
    literal.badly(3, "HTTP status 403");
    let missing = phx(&[&push[..], &["-p", "token=@no/such/file"]].concat()).await;
    missing.badly(2, "can't read no/such/file: ");

    fs::write(&path, format!("{}?token=s3cret\n", server.url)).unwrap();
    phx(&["push", &token, "room:a", "echo"]).await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn params_and_headers_come_from_the_environment_a_line_each() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let push = ["push", &server.url, "room:a", "echo", "-v", "--show-secrets"];
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "s3cret\n").unwrap();
    let params = format!("a=1\ntoken=@{}\n\nb=2=3\n", path.display());
    let headers = "X-One: 1\r\nX-Two: 2: 3";
    let mut with_variables = command(&[&push[..], &["-p", "b=4", "-H", "X-One: 5"]].concat());
    let ended = Phx::spawn(with_variables.env("PHX_PARAMS", params).env("PHX_HEADER", headers));
    let ended = ended.ends().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for shown in ["a=1&token=s3cret&b=4&vsn", "X-Two: 2: 3", "X-One: 5"] {
        assert!(ended.err.contains(shown), "{shown}: {}", ended.err);
    }
    assert!(!ended.err.contains("X-One: 1"), "an option of the same name wins: {}", ended.err);
    for (variable, value, why) in [
        ("PHX_PARAMS", "a=1\nb", "PHX_PARAMS, line 2: expected NAME=VALUE"),
        ("PHX_HEADER", "\na", "PHX_HEADER, line 2: expected NAME: VALUE"),
        ("PHX_PARAMS", "a=@no/such/file", "line 1: can't read no/such/file: "),
    ] {
        Phx::spawn(command(&push).env(variable, value)).ends().await.badly(2, why);
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_errors_before_anything_is_tried() {
    let push =
        ["push", "ws://127.0.0.1:1/socket", "room:a", "echo", "1", "--connect-timeout", "0s"];
    phx(&push).await.badly(2, "the setting `connect_timeout` must be 1 ms or more");
    let presence = ["presence", "ws://127.0.0.1:1/socket", "room:a", "--state-event", ""];
    phx(&presence).await.badly(2, "the setting `state_event` must be the name of an event");
}

#[tokio::test]
async fn version_one() {
    let server = Server::start().await;
    let push = phx(&["push", &server.url, "room:a", "echo", "1", "--vsn", "1.0.0", "-v"]).await;
    assert_eq!((push.code, &*push.out), (Some(0), "1\n"));
    assert!(push.err.contains(r#"{"topic":"room:a","event":"echo","payload":1,"#), "{}", push.err);
    let bytes = ["push", &server.url, "room:a", "echo", "--vsn", "1.0.0", "--binary"];
    phx(&[&bytes[..], &[env!("CARGO_MANIFEST_PATH")]].concat()).await.badly(2, "binary");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let url = format!("ws://127.0.0.1:{port}/socket");
    let mut push = Phx::start(&["push", &url, "room:a", "echo", "1", "--reconnect", "-v"]);
    push.shows_on_stderr("refused").await;
    let mut server = Phx::start(&["serve", "--port", &port]);
    server.line().await;
    let push = push.ends().await;
    assert_eq!((push.code, &*push.out), (Some(0), "1\n"));
    server.interrupted().await.well();
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    let push = phx(&["push", &url, "room:a", "echo", "--connect-timeout", "100ms"]).await;
    push.badly(3, "can't connect");
}

#[tokio::test]
async fn certificates_are_checked_unless_that_is_turned_off() {
    let server = Server::start().await;
    let files = Certificates::make();
    let url = files.serve(&server.url, None);
    let push = ["push", &url, "room:a", "echo", "1"];
    let untrusted = phx(&push).await;
    untrusted.badly(3, "the certificate isn't trusted: none of the trusted roots has signed it");
    untrusted.badly(3, "`--cacert FILE` trusts a private or self-signed certificate");
    let (ca, key) = (files.path("ca.pem"), files.path("client.key"));
    let trusting = [&push[..], &["--cacert", &ca]].concat();
    assert_eq!(phx(&trusting).await.well(), "1\n");
    let insecure = phx(&[&push[..], &["--insecure"]].concat()).await;
    assert_eq!((insecure.code, &*insecure.out), (Some(0), "1\n"));
    assert!(insecure.err.contains("warning: --insecure"), "it says so loudly: {}", insecure.err);
    let wrong = phx(&[&push[..], &["--cacert", &key]].concat()).await;
    wrong.badly(2, "no certificates in");
    server.stops_empty().await;
}

#[tokio::test]
async fn the_servers_own_certificate_can_be_given_even_if_it_is_marked_as_a_cas() {
    let server = Server::start().await;
    let mut files = Certificates::make();
    files.server = Identity::self_signed(|_| {});
    let url = files.serve(&server.url, None);
    let own = files.path("own.pem");
    fs::write(&own, files.server.certificate.pem()).unwrap();
    let push = ["push", &url, "room:a", "echo", "1", "--cacert"];
    assert_eq!(phx(&[&push[..], &[&own]].concat()).await.well(), "1\n");
    let other = phx(&[&push[..], &[&files.path("ca.pem")]].concat()).await;
    other.badly(3, "it is a CA's own (CA:TRUE, often self-signed)");
    server.stops_empty().await;
}

#[tokio::test]
async fn tls_and_plain_ports_are_named_when_they_are_mixed_up() {
    let server = Server::start().await;
    let tls = Certificates::make().serve(&server.url, None);
    let wrong = tls.replacen("wss", "ws", 1);
    phx(&["push", &wrong, "room:a", "echo", "1"]).await.badly(3, "is it `wss://`?");
    let wrong = server.url.replacen("ws", "wss", 1);
    let wrong = phx(&["push", &wrong, "room:a", "echo", "1"]).await;
    wrong.badly(3, "speak `ws://` at this port?");
    server.stops_empty().await;
}

#[tokio::test]
async fn servers_may_ask_for_certificates() {
    let server = Server::start().await;
    let files = Certificates::make();
    let url = files.serve(&server.url, Some(&files.ca));
    let (ca, cert, key) =
        (files.path("ca.pem"), files.path("client.pem"), files.path("client.key"));
    let push = ["push", &url, "room:a", "echo", "1", "--cacert", &ca];
    phx(&push).await.badly(3, "demands a client certificate");
    let shown = [&push[..], &["--cert", &cert, "--key", &key]].concat();
    assert_eq!(phx(&shown).await.well(), "1\n");
    server.stops_empty().await;
}

/// Starts an HTTP proxy for one connection at a time. Returns its address and the heads of its requests.
async fn proxy() -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let mut client = BufReader::new(client);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                client.read_line(&mut head).await.unwrap();
            }
            let host = head.split(' ').nth(1).unwrap().to_owned();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut behind = TcpStream::connect(host).await.unwrap();
            let _ = sender.send(head);
            let _ = copy_bidirectional(&mut client, &mut behind).await;
        }
    });
    (address, heads)
}

#[tokio::test]
async fn through_a_proxy() {
    let server = Server::start().await;
    let (address, mut heads) = proxy().await;
    let url = format!("http://ann:s3cret@{address}");
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("proxy");
    fs::write(&path, &url).unwrap();
    let words = ["push", &server.url, "room:a", "echo", "1", "-v"];
    let from_file = format!("@{}", path.display());
    // By an option, by this program's variable, and by variables shared with other programs.
    for (variable, value) in [("PHX_PROXY", &from_file), ("http_proxy", &url), ("ALL_PROXY", &url)]
    {
        let push = Phx::spawn(command(&words).env(variable, value)).ends().await;
        assert_eq!((push.code, &*push.out), (Some(0), "1\n"), "{variable}: {push:?}");
        assert!(!push.err.contains("s3cret"), "{}", push.err);
        let head = heads.try_recv().unwrap();
        assert!(head.starts_with("CONNECT 127.0.0.1:"), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic "), "{head}");
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn around_the_environments_proxy() {
    let server = Server::start().await;
    let (address, mut heads) = proxy().await;
    let words = ["push", &server.url, "room:a", "echo", "1"];
    let with = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&[&words[..], more].concat());
        command.env("http_proxy", address.to_string()).envs(variables.iter().copied());
        Phx::spawn(&mut command)
    };
    for (more, variables) in [
        (&["--noproxy", "*"][..], &[][..]),
        (&["--noproxy", "127.0.0.0/8"], &[("no_proxy", "elsewhere")]),
        (&[], &[("no_proxy", "a.test,127.0.0.1")]),
        (&[], &[("NO_PROXY", "127.0.0.1")]),
    ] {
        assert_eq!(with(more, variables).ends().await.well(), "1\n");
        assert!(heads.try_recv().is_err(), "{more:?} {variables:?}");
    }
    assert_eq!(with(&["--noproxy", ""], &[("NO_PROXY", "*")]).ends().await.well(), "1\n");
    heads.try_recv().unwrap();

    // Variables that don't apply to `ws`, and one with a wrong value.
    let mut push = command(&words);
    push.env("https_proxy", "hush://").env("HTTP_PROXY", "hush://");
    assert_eq!(Phx::spawn(&mut push).ends().await.well(), "1\n");
    let broken = with(&[], &[("http_proxy", "hush://hush")]).ends().await;
    broken.badly(2, "the setting `http_proxy` must be the URL of a proxy");
    assert!(!broken.err.contains("hush"), "{broken:?}");
    let nowhere = with(&[], &[("http_proxy", "ann:hush@127.0.0.1:1")]).ends().await;
    nowhere.badly(3, "the proxy http://127.0.0.1:1: ");
    nowhere.badly(3, "; is the proxy running?");
    assert!(!nowhere.err.contains("hush"), "{nowhere:?}");
    server.stops_empty().await;
}

/// An authority, and its certificates for a server and for a client.
struct Certificates {
    directory: TempDir,
    ca: Authority,
    server: Identity,
}

impl Certificates {
    fn make() -> Self {
        let ca = Authority::new("test");
        let (server, client) = (ca.issue(|_| {}), ca.issue(|_| {}));
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: String| fs::write(directory.path().join(name), text);
        write("ca.pem", ca.certificate.pem()).unwrap();
        write("client.pem", client.certificate.pem()).unwrap();
        write("client.key", client.key.serialize_pem()).unwrap();
        Certificates { directory, ca, server }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// Starts TLS in front of the server at `url`, with an authority for client certificates if they are required.
    /// Returns the new URL.
    fn serve(&self, url: &str, clients: Option<&Authority>) -> String {
        let behind = url.split('/').nth(2).unwrap().parse().unwrap();
        let port = self.server.terminate(clients, behind, &Handle::current());
        format!("wss://localhost:{port}/socket")
    }
}

#[tokio::test]
async fn many_connections_read_a_value_once_and_warn_once() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let mut bench = command(&["bench", &server.url, "-s", "3", "-d", "100ms"]);
    let mut bench = Phx::spawn(bench.env("PHX_PARAMS", "token=@-"));
    bench.say("s3cret").await;
    bench.close_input();
    bench.ends().await.measured();
    server.stops_empty().await;

    let url = raw(|message: &Received| vec![message.reply("ok", &json!({}))]).await;
    let ended = phx(&["bench", &url, "-s", "5", "-d", "100ms", "--auth-token", "s3cret"]).await;
    assert_eq!(ended.err.matches("ignored the auth token").count(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_comes_by_the_lane_of_what_is_shown() {
    let url = raw(|message: &Received| vec![message.reply("ok", &json!({}))]).await;
    let plain = [("NO_COLOR", "1")];
    let mut repl = terminal::start(&["repl", &url, "--auth-token", "s3cret"], &plain);
    repl.sees("* warning       ");
    repl.sees("ignored the auth token");
    repl.sees("phx> ");
    repl.types(CTRL_D);
    assert!(!repl.ends(0).contains("warning:"), "it isn't written over the line");
    let mut list = terminal::start(&["presence", &url, "room:a", "--auth-token", "s3cret"], &plain);
    list.sees("room:a  no list has come yet");
    list.sees("* warning       ");
    list.types(CTRL_C);
    assert!(!list.ends(0).contains("warning:"), "it isn't written over the list");
}

#[tokio::test]
async fn everything_works_over_long_poll() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let over = |transport| {
        ["push", &server.url, "room:a", "echo", "{\"n\":1}", "-v", "--transport", transport]
    };
    let token = ["-p", "token=s3cret"];
    for transport in ["websocket", "longpoll", "auto"] {
        let ended = phx(&[&over(transport)[..], &token].concat()).await;
        assert_eq!((ended.code, &*ended.out), (Some(0), "{\"n\":1}\n"), "{transport}: {ended:?}");
        let opened = ended.err.lines().any(|line| line.ends_with("< open: long-poll"));
        assert_eq!(opened, transport == "longpoll", "{transport}: {}", ended.err);
        assert!(!ended.err.contains("s3cret"), "{transport}: {}", ended.err);
        phx(&over(transport)).await.badly(3, "HTTP status 403");
    }
    let v1 = [&over("longpoll")[..], &token, &["--vsn", "1.0.0"]].concat();
    let ended = phx(&v1).await;
    assert_eq!((ended.code, &*ended.out), (Some(0), "{\"n\":1}\n"), "{ended:?}");
    // The server keeps a session for up to 30 s after its last poll, so it doesn't stop empty.
    drop(server);
}
