//! `phx`: Phoenix Channels from the command line.

mod bench;
mod cli;
mod columns;
mod connect;
mod failure;
mod frames;
mod generate;
mod interrupt;
mod join;
mod json_text;
mod malformed;
mod mistake;
mod payload;
mod plain_file;
mod presence;
mod printer;
mod push;
mod queue;
mod record;
mod recording;
mod repl;
mod replay;
mod scenario;
mod script;
mod secret;
mod serve;
mod session;
mod supabase;
mod terminal;
mod typed;
mod value;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tokio::runtime::{Builder, Runtime};

use cli::{Cli, Command};
use failure::Failure;
use interrupt::Interrupt;

fn main() -> ExitCode {
    // Mistakes in the arguments end here, with code 2.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return mistake::report(error),
    };
    cli.color.apply();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()
        .map_err(|error| Failure::failed(format!("no signal handler: {error}")))?;
    let runtime =
        runtime(&command).map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Bench(options) => bench::run(options, &mut interrupt).await,
            Command::Join(options) => join::run(options, &mut interrupt).await,
            Command::Push(options) => push::run(options, &mut interrupt).await,
            Command::Presence(options) => presence::run(options, &mut interrupt).await,
            Command::Repl(options) => repl::run(options, &mut interrupt).await,
            Command::Replay(options) => replay::run(options, &mut interrupt).await,
            Command::Script(options) => script::run(options, &mut interrupt).await,
            Command::Serve(options) => serve::run(options, &mut interrupt).await,
            Command::Completions(options) => generate::completions(&options, Cli::command()),
            Command::Man(options) => generate::man(&options, Cli::command()),
        }
    });
    outcome.and(recording::complete(runtime))
}

/// One thread is enough, except for load.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = match command {
        Command::Bench(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder.enable_all().build()
}
