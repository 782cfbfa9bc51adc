//! The command line of `phx bench`: a load, or something to do with what loads measured.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

use super::compare::CompareOptions;
use super::merge::MergeOptions;
use super::options::Options;

/// What `phx bench` does.
#[derive(Debug)]
pub(crate) enum Bench {
    /// Without a subcommand.
    Load(Box<Options>),
    Action(Action),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Compare(CompareOptions),
    Merge(MergeOptions),
}

impl Args for Bench {
    fn augment_args(command: Command) -> Command {
        // The URL is required only where there is no subcommand.
        let command = Action::augment_subcommands(Options::augment_args(command));
        command
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .disable_help_subcommand(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Bench::augment_args(command)
    }
}

impl FromArgMatches for Bench {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        match matches.subcommand_name() {
            Some(_) => Action::from_arg_matches(matches).map(Bench::Action),
            None => Options::from_arg_matches(matches).map(Box::new).map(Bench::Load),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Bench::from_arg_matches(matches)?;
        Ok(())
    }
}
