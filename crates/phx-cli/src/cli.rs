//! The command line: what can be said, and what is said about it.

use anstream::ColorChoice;
use clap::{Parser, Subcommand, ValueEnum};

use crate::generate::{Completions, Man};
use crate::{bench, join, presence, push, repl, script, serve};

const EXIT_CODES: &str = "\
Exit codes:
  0    done; join, presence, repl and serve also when they are ended by Ctrl-C,
       SIGTERM or SIGHUP
  1    the server replied with an error
  2    the command line, a file or the input can't be used
  3    can't connect
  4    the server rejected a join
  5    no answer came in time
  6    the connection or the channel ended, or something else went wrong
  130  interrupted by Ctrl-C before it was done (143 by SIGTERM, 129 by SIGHUP)";

/// Phoenix Channels from the command line.
#[derive(Debug, Parser)]
#[command(
    name = "phx",
    version,
    after_help = "`phx COMMAND --help` tells more. Try it without a Phoenix at hand: `phx serve` is a server.",
    after_long_help = EXIT_CODES,
    disable_help_subcommand = true,
    propagate_version = true
)]
pub(crate) struct Cli {
    /// When to use colours; `auto` looks for a terminal, and respects `NO_COLOR`.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
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
    Script(script::Options),
    Bench(bench::Options),
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
}
