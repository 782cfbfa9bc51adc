//! Programs of the workspace that take arguments of their own: `cargo xtask NAME ARGS...`.
//!
//! They are built with optimisation, since what they do is done many thousand times.

use crate::command::Program;

/// A program of the workspace that `cargo xtask` runs under a name of its own.
pub(crate) struct Forwarded {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    package: &'static str,
}

/// All there are. Each is the subcommand `name` of its package's binary.
pub(crate) const ALL: &[Forwarded] = &[Forwarded {
    name: "bench",
    about: "what things cost beside their floors, and the goals",
    package: "phx-bench",
}];

/// The program of this name.
pub(crate) fn find(name: &str) -> Option<&'static Forwarded> {
    ALL.iter().find(|program| program.name == name)
}

impl Forwarded {
    /// Runs it; any exit code but 0 is an error.
    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        Program::cargo()
            .args(["run", "--locked", "--quiet", "--release", "--package", self.package, "--"])
            .args([self.name])
            .args(args)
            .run()
    }
}
