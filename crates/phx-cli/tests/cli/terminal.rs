//! `phx` in a terminal.

use phx_pty::{CTRL_C, Signal, Terminal};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, command, phx};

#[tokio::test]
async fn a_terminal_gets_colours_unless_it_wants_none() {
    let server = Server::start().await;
    let push = ["push", "--no-reply", &server.url, "room:a", "shout", "1"];
    let join = ["join", &server.url, "room:a", "-n", "1"];
    let mut colourful = start(&join, &[]);
    colourful.sees("joined");
    phx(&push).await.well();
    colourful.sees("\x1b[32mshout");
    colourful.ends(0);
    for (args, variable) in [(&[][..], &[("NO_COLOR", "1")][..]), (&["--color", "never"], &[])] {
        let mut plain = start(&[&join[..], args].concat(), variable);
        plain.sees("room:a  * joined");
        phx(&push).await.well();
        assert!(!plain.ends(0).contains('\x1b'));
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn text_of_others_cannot_act_on_the_terminal() {
    let server = Server::start().await;
    let mut join = start(&["join", &server.url, "room:a", "-n", "2"], &[]);
    join.sees("joined");
    let payload = "{\"a\u{7f}\u{202e}\": \"\\u001b[2J\u{9b}2J\"}";
    phx(&["push", "--no-reply", &server.url, "room:a", "shout", payload]).await.well();
    join.sees(r#"{"a\u007f\u202e":"\u001b[2J\u009b2J"}"#);
    phx(&["push", "--no-reply", &server.url, "room:a", "whisper", "2"]).await.well();
    join.sees("whisper");
    join.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn long_lines_are_wrapped_with_an_indent() {
    let server = Server::start().await;
    let mut narrow = command(&["join", &server.url, "room:a", "-n", "1"]).into_std();
    narrow.env("NO_COLOR", "1");
    let mut join = Terminal::start_sized(narrow, 80);
    join.sees("joined");
    let payload = r#"{"body": "some words that go on and on", "list": [1, 2, 3]}"#;
    phx(&["push", "--no-reply", &server.url, "room:a", "shout", payload]).await.well();
    join.sees("shout           {\"body\":\"some words that go on and on\",\r\n");
    join.sees(&format!("{:38}\"list\":[1,2,3]}}\r\n", ""));
    join.ends(0);

    let mut pretty =
        start(&["join", "--pretty", &server.url, "room:a", "-n", "1"], &[("NO_COLOR", "1")]);
    pretty.sees("joined");
    phx(&["push", "--no-reply", &server.url, "room:a", "shout", payload]).await.well();
    pretty.sees(
        "    {\r\n      \"body\": \"some words that go on and on\",\r\n      \"list\": [\r\n",
    );
    pretty.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn ctrl_c_ends_a_join_properly() {
    let server = Server::start().await;
    let mut join = start(&["join", &server.url, "room:a"], &[]);
    join.sees("joined");
    join.types(CTRL_C);
    join.ends(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn bytes_are_not_written_to_a_terminal() {
    let server = Server::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0, 255]).unwrap();
    let path = file.path().to_str().unwrap();
    let push = ["push", &server.url, "room:a", "echo", "--binary", path];
    let mut push = start(&push, &[]);
    push.sees("<2 bytes> AP8=");
    push.ends(0);
    server.stops_empty().await;
}

/// The settings of the terminal are checked in each test in which a program ends.
#[tokio::test]
async fn every_signal_ends_it_properly_and_gives_the_terminal_back() {
    let server = Server::start().await;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut join = start(&["join", &server.url, "room:a"], &[]);
        join.sees("joined");
        join.signal(signal);
        join.ends(0);

        let mut presence = start(&["presence", &server.url, "room:a", "-j", "name=ann"], &[]);
        presence.sees("1 present");
        presence.signal(signal);
        presence.ends(0);

        let mut repl = joined_repl(&server);
        repl.types("half a li");
        repl.sees("half a li");
        repl.signal(signal);
        let shown = repl.ends(0);
        assert!(shown.ends_with("\r\n"), "the shell's prompt has a line of its own: {shown:?}");
    }
    let mut bench = start(&["bench", &server.url, "--duration", "20s"], &[]);
    bench.sees("of 20 s");
    bench.signal(Signal::TERM);
    bench.ends(143);
    server.stops_empty().await;
}

/// Text that is typed during the wait for the server's close frame is echoed by the terminal only.
#[tokio::test]
async fn keys_do_nothing_in_a_terminal_that_was_given_back() {
    let mut server = Server::start().await;
    let mut repl = joined_repl(&server);
    server.say("stall").await;
    repl.signal(Signal::TERM);
    repl.sees("\x1b[?2004l\r\n");
    repl.types("ls\r");
    repl.sees("ls\r\n");
    let shown = repl.ends(0);
    assert!(shown.ends_with("\x1b[?2004l\r\nls\r\n"), "{shown:?}");
    server.say("resume").await;
    server.stops_empty().await;
}

#[tokio::test]
async fn output_that_was_stopped_keeps_no_signal_from_ending_it() {
    let mut server = Server::start().await;
    let repl = joined_repl(&server);
    repl.stops_output();
    server.say(r#"broadcast room:a shout {"n": 1}"#).await;
    repl.signal(Signal::TERM);
    repl.is_gone(0);
    server.stops_empty().await;
}

#[tokio::test]
async fn output_that_was_stopped_before_the_first_prompt_does_not_either() {
    let mut server = Server::start().await;
    let repl = start(&["repl", "--no-history", &server.url], &[]);
    repl.stops_output();
    server.has_connections(1).await;
    repl.signal(Signal::TERM);
    // It may not know yet that it is connected.
    repl.is_gone_with_one_of(&[0, 143]);
    server.stops_empty().await;
}

/// The line editor changes the settings of any terminal that keys come from.
#[tokio::test]
async fn a_terminal_that_only_keys_come_from_is_given_back() {
    let server = Server::start().await;
    let command = command(&["repl", "--no-history", &server.url]).into_std();
    let (repl, output) = Terminal::start_piped(command);
    let mut output = BufReader::new(ChildStdout::from_std(output).unwrap());
    let mut shown = Vec::new();
    timeout(PATIENCE, output.read_until(b'>', &mut shown)).await.expect("a prompt").unwrap();
    repl.signal(Signal::TERM);
    repl.ends(0);
    server.stops_empty().await;
}

/// The signal may arrive while the line editor is changing the terminal's settings.
#[tokio::test]
async fn a_signal_before_the_first_prompt_gives_the_terminal_back() {
    let server = Server::start().await;
    let mut repl = start(&["repl", "--no-history", &server.url], &[]);
    repl.sees("connected");
    repl.signal(Signal::TERM);
    // It may not know yet that it is connected.
    let shown = repl.ends_with_one_of(&[0, 143]);
    assert!(shown.ends_with("\r\n"), "nothing is drawn any more: {shown:?}");
    server.stops_empty().await;
}

#[tokio::test]
async fn closing_the_terminal_ends_it_properly() {
    let server = Server::start().await;
    let mut join = start(&["join", &server.url, "room:a"], &[]);
    join.sees("joined");
    join.is_closed(0);
    let mut presence = start(&["presence", &server.url, "room:a", "-j", "name=ann"], &[]);
    presence.sees("1 present");
    presence.is_closed(0);
    joined_repl(&server).is_closed(0);
    server.stops_empty().await;
}

/// Starts a `phx repl` that has joined `room:a` and shows its prompt.
fn joined_repl(server: &Server) -> Terminal {
    let mut repl = start(&["repl", "--no-history", &server.url], &[]);
    repl.sees("phx> ");
    repl.types("join room:a\r");
    repl.sees("joined");
    repl.sees("phx> ");
    repl
}

/// Starts a `phx` in a separate terminal, with these variables.
pub(crate) fn start(args: &[&str], variables: &[(&str, &str)]) -> Terminal {
    let mut command = command(args).into_std();
    command.envs(variables.iter().copied());
    Terminal::start(command)
}
