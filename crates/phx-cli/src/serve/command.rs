//! Commands that `phx serve` reads from its standard input.

use std::time::Duration;

use phx_testing::Connectivity;
use phx_tokio::{CloseCode, Payload};

use crate::typed::{first_word, json};

/// Largest bomb, which is about a thousandth of that on the wire.
const MAX_BOMB: usize = 4 << 30;

pub(super) const HELP: &str = "\
drop                            reset all connections
close CODE                      close them properly, with this code
drain                           close those with channels with code 1012, as a deploy does
stall, resume                   hold back everything in both directions, and release it
half-open                       lose everything in both directions, as with a pulled cable
latency TIME                    delay everything from now on: latency 50ms
offline, silent, online         refuse new connections, accept and never answer, or as usual
refuse STATUS                   answer the next attempt to connect with this HTTP status
restart [TIME]                  stop, and start again without any state after this time (1s)
abort-polls                     reset the connections of long-poll that wait for messages
close-idle                      close those that wait for requests
fail-poll                       answer the next poll that has messages with 500, which loses them
slow-posts TIME                 hold the answers to POSTs back from now on
break-stream                    send a compressed message that can't be inflated to all
bomb BYTES                      send a compressed message of this many zeros to all
busy TIME                       keep all clients' processes busy, as a slow join does
broadcast TOPIC EVENT [JSON]    send an event to all who joined the topic
connections                     list the connections and their topics
quit                            stop and end";

/// A command line.
#[derive(Debug)]
pub(super) enum Command {
    Drop,
    Close(CloseCode),
    Drain,
    Stall,
    Resume,
    HalfOpen,
    Latency(Duration),
    Connectivity(Connectivity),
    Refuse(u16),
    Restart(Duration),
    AbortPolls,
    CloseIdle,
    FailPoll,
    SlowPosts(Duration),
    BreakStream,
    Bomb(usize),
    Busy(Duration),
    Broadcast(String, String, Payload),
    Connections,
    Help,
    Quit,
}

impl Command {
    /// Parses a line; `None` if it is empty.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let (name, rest) = first_word(line);
        let number = |what: &str| {
            let number = rest.parse::<u16>();
            number.map_err(|_| format!("`{name}` needs {what}"))
        };
        Ok(Some(match name {
            "" => return Ok(None),
            "drop" => Command::Drop,
            "close" => Command::Close(CloseCode::from_u16(number("a code, such as 1001")?)),
            "drain" => Command::Drain,
            "stall" => Command::Stall,
            "resume" => Command::Resume,
            "half-open" => Command::HalfOpen,
            "latency" => Command::Latency(time(rest)?),
            "offline" => Command::Connectivity(Connectivity::Offline),
            "silent" => Command::Connectivity(Connectivity::Silent),
            "online" => Command::Connectivity(Connectivity::Online),
            "refuse" => Command::Refuse(number("an HTTP status, such as 503")?),
            "restart" if rest.is_empty() => Command::Restart(Duration::from_secs(1)),
            "restart" => Command::Restart(time(rest)?),
            "abort-polls" => Command::AbortPolls,
            "close-idle" => Command::CloseIdle,
            "fail-poll" => Command::FailPoll,
            "slow-posts" => Command::SlowPosts(time(rest)?),
            "break-stream" => Command::BreakStream,
            "bomb" => Command::Bomb(bytes(rest)?),
            "busy" => Command::Busy(time(rest)?),
            "broadcast" => {
                let (topic, rest) = first_word(rest);
                let (event, text) = first_word(rest);
                if event.is_empty() {
                    return Err("`broadcast` needs a topic and an event".to_owned());
                }
                Command::Broadcast(topic.to_owned(), event.to_owned(), json(text)?)
            }
            "connections" => Command::Connections,
            "help" => Command::Help,
            "quit" => Command::Quit,
            _ => return Err(format!("there is no `{name}`; `help` lists the commands")),
        }))
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes <= MAX_BOMB);
    bytes.ok_or_else(|| format!("`bomb` needs a number of bytes up to {MAX_BOMB}"))
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("invalid duration `{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_help_is_one() {
        for line in HELP.lines() {
            let names = line.split("  ").next().unwrap_or_default();
            for name in names.split(", ") {
                let (name, rest) = first_word(name);
                let line = match rest {
                    "CODE" | "STATUS" | "BYTES" => format!("{name} 503"),
                    "TIME" => format!("{name} 5ms"),
                    rest => format!("{name} {}", rest.split('[').next().unwrap_or_default()),
                };
                assert!(matches!(Command::parse(&line), Ok(Some(_))), "{line}");
            }
        }
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        assert!(matches!(Command::parse("  "), Ok(None)));
        for line in [
            "nonsense",
            "bomb",
            "bomb 1099511627776",
            "close",
            "latency",
            "latency 5",
            "broadcast a",
            "broadcast a b {",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
