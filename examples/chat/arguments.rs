//! The command line.

use lexopt::{Arg, Parser, ValueExt as _};

pub(crate) const USAGE: &str = "usage: chat [--name NAME] [--room NAME] [--server URL]";

/// What the command line says.
pub(crate) struct Arguments {
    pub(crate) name: String,
    /// A topic below `room:`.
    pub(crate) room: String,
    /// The socket's URL; without it the program starts a server.
    pub(crate) server: Option<String>,
}

impl Arguments {
    /// `None` if the usage is asked for.
    pub(crate) fn parse() -> Result<Option<Self>, lexopt::Error> {
        let mut arguments =
            Arguments { name: "somebody".into(), room: "lobby".into(), server: None };
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("name") => arguments.name = parser.value()?.string()?,
                Arg::Long("room") => arguments.room = parser.value()?.string()?,
                Arg::Long("server") => arguments.server = Some(parser.value()?.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                unexpected => return Err(unexpected.unexpected()),
            }
        }
        Ok(Some(arguments))
    }
}
