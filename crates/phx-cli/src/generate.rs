//! `phx completions` and `phx man`, generated from the command line.

use std::fs;
use std::io::{self, Write as _};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::value;

/// Print the completions for a shell.
///
/// For bash: `phx completions bash > ~/.local/share/bash-completion/completions/phx`. For zsh: `phx
/// completions zsh > _phx` in a directory of $fpath. For fish: `phx completions fish >
/// ~/.config/fish/completions/phx.fish`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Print the man page, or write those of all commands into a directory.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Write phx.1, phx-join.1 and the others to this directory.
    #[arg(long, value_name = "DIRECTORY", value_parser = value::path)]
    dir: Option<String>,
}

pub(crate) fn completions(options: &Completions, mut line: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut line, "phx", &mut script);
    print(&script)
}

pub(crate) fn man(options: &Man, line: Command) -> Result<(), Failure> {
    let Some(directory) = &options.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(line).render(&mut page)?;
        return print(&page);
    };
    let unwritable =
        |error: io::Error| Failure::usage(format!("can't write to {directory}: {error}"));
    fs::create_dir_all(directory).map_err(unwritable)?;
    clap_mangen::generate_to(line, directory).map_err(unwritable)
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}
