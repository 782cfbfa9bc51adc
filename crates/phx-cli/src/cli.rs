//! The command line and its help.

use anstream::ColorChoice;
use clap::builder::EnumValueParser;
use clap::{Parser, Subcommand, ValueEnum};

use crate::generate::{Completions, Man};
use crate::value;
use crate::{bench, join, presence, push, repl, replay, script, serve};

const AFTER_HELP: &str = "\
Secrets: the URL and the value of any option may be `@PATH`, which is read from
that file, without its last line end (`-p NAME=@PATH`, `-H 'NAME: @PATH'`).
`@@..` is a literal `@..`. The variables PHX_AUTH_TOKEN, PHX_PROXY, PHX_PARAMS
and PHX_HEADER stand for options; the last two hold one value a line.

Exit codes:
  0    done; for join, presence, repl and serve also after Ctrl-C, SIGTERM and
       SIGHUP
  1    the server replied with an error
  2    the command line, a file or the input can't be used
  3    can't connect
  4    the server rejected a join
  5    no answer came in time
  6    the connection or the channel ended, or another error
  7    a threshold of bench was missed
  8    this build does something else than a recording (replay)
  130  Ctrl-C before it was done (143 for SIGTERM, 129 for SIGHUP)";

/// Phoenix Channels from the command line.
#[derive(Debug, Parser)]
#[command(
    name = "phx",
    version,
    after_help = "`phx COMMAND --help` has the details. No Phoenix at hand? `phx serve` is a server to try things on.",
    after_long_help = AFTER_HELP,
    disable_help_subcommand = true,
    propagate_version = true
)]
pub(crate) struct Cli {
    /// When to use colours. `auto`: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_parser = value::OneOf(EnumValueParser::<Color>::new()))]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Join(join::Options),
    Push(push::Options),
    Presence(presence::Options),
    Repl(repl::Options),
    Replay(replay::Options),
    Script(script::Options),
    Bench(bench::Bench),
    Serve(serve::Options),
    Completions(Completions),
    Man(Man),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// For everything that is written from now on.
    pub(crate) fn apply(self) {
        match self {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The canary test goes through what the help lists.
    #[test]
    fn every_option_is_in_the_help() {
        let line = Cli::command();
        let commands = line
            .get_subcommands()
            .flat_map(|command| [command].into_iter().chain(command.get_subcommands()));
        for command in commands {
            for arg in command.get_arguments() {
                let name = arg.get_id();
                let is_hidden = arg.is_hide_set() || arg.is_hide_short_help_set();
                assert!(!is_hidden, "{name} of {}", command.get_name());
                let is_safe = arg.get_env().is_none() || arg.is_hide_env_values_set();
                assert!(is_safe, "the help shows the variable of {name}");
            }
        }
    }
}
