//! The commands of `phx repl`.

use phx_tokio::Payload;

use crate::typed::{first_word, json};

pub(super) const HELP: &str = "\
join TOPIC [JSON]               join with these params
replace TOPIC [JSON]            join again with other params, as a new channel
params TOPIC JSON               set the params of the next rejoins
push TOPIC EVENT [JSON]         push and wait for the reply
send TOPIC EVENT [JSON]         push without waiting for a reply
leave TOPIC                     leave the topic
ping                            measure how long a round trip takes
state                           show the connection and the channels
connect, disconnect             end the connection, or connect again
help                            show this text
quit                            leave, disconnect, and end
A dot is the topic joined last: push . shout {\"body\": \"hi\"}";

/// The first words of all commands.
pub(super) const NAMES: [&str; 12] = [
    "connect",
    "disconnect",
    "help",
    "join",
    "leave",
    "params",
    "ping",
    "push",
    "quit",
    "replace",
    "send",
    "state",
];

/// A command line.
#[derive(Debug)]
pub(super) enum Command {
    Join { topic: String, params: Payload, replace: bool },
    Params(String, Payload),
    Leave(String),
    Push(String, String, Payload),
    Send(String, String, Payload),
    Ping,
    State,
    Connect,
    Disconnect,
    Help,
    Quit,
}

impl Command {
    /// Parses a line; `None` if it is empty. `last` is the topic that a dot stands for.
    pub(super) fn parse(line: &str, last: Option<&str>) -> Result<Option<Self>, String> {
        let (name, rest) = first_word(line);
        let (topic, after_topic) = first_word(rest);
        let topic = match (topic, last) {
            (".", Some(last)) => last,
            (topic, _) => topic,
        };
        let needs_topic = || match topic {
            "" => Err(format!("`{name}` needs a topic")),
            "." => Err("nothing was joined yet".to_owned()),
            topic => Ok(topic.to_owned()),
        };
        Ok(Some(match name {
            "" => return Ok(None),
            "join" | "replace" => Command::Join {
                topic: needs_topic()?,
                params: json(after_topic)?,
                replace: name == "replace",
            },
            "params" => Command::Params(needs_topic()?, json(after_topic)?),
            "leave" => Command::Leave(needs_topic()?),
            "push" | "send" => {
                let topic = needs_topic()?;
                let (event, text) = first_word(after_topic);
                if event.is_empty() {
                    return Err(format!("`{name}` needs an event"));
                }
                let (event, payload) = (event.to_owned(), json(text)?);
                match name {
                    "push" => Command::Push(topic, event, payload),
                    _ => Command::Send(topic, event, payload),
                }
            }
            "ping" => Command::Ping,
            "state" => Command::State,
            "connect" => Command::Connect,
            "disconnect" => Command::Disconnect,
            "help" => Command::Help,
            "quit" | "exit" => Command::Quit,
            _ => return Err(format!("there is no `{name}`; `help` lists the commands")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_the_last_topic() {
        let Ok(Some(Command::Push(topic, event, payload))) =
            Command::parse("push  .  shout  {\"a\": 1}", Some("room:a"))
        else {
            panic!("it is a push")
        };
        assert_eq!((&*topic, &*event), ("room:a", "shout"));
        assert_eq!(payload.as_json(), Some("{\"a\": 1}"));
        assert!(Command::parse("leave .", None).is_err());
    }

    #[test]
    fn every_name_is_a_command_and_in_the_help() {
        for name in NAMES {
            assert!(Command::parse(&format!("{name} a 1"), None).is_ok(), "{name}");
            assert!(HELP.contains(name), "{name}");
        }
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        assert!(matches!(Command::parse(" ", None), Ok(None)));
        for line in ["dance", "join", "push a", "push a b c", "send a"] {
            assert!(Command::parse(line, None).is_err(), "{line}");
        }
    }
}
