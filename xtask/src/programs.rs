//! Programs of the workspace that take arguments of their own: `cargo xtask NAME ARGS...`.
//!
//! They are built with optimisation, since what they do is done many thousand times.

use crate::command::Program;
use crate::tools;

/// A program of the workspace that `cargo xtask` runs under a name of its own.
pub(crate) struct Forwarded {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    package: &'static str,
    profile: &'static str,
    /// Brings what it needs beside the compiler.
    prepare: fn() -> anyhow::Result<()>,
}

/// Quick to build, and as strict as a test.
const CHECKS: &str = "checks";
/// What users get.
const RELEASE: &str = "release";

fn nothing() -> anyhow::Result<()> {
    Ok(())
}

/// All there are. Each is the subcommand `name` of its package's binary.
pub(crate) const ALL: &[&Forwarded] =
    &[&SIM, &HERD, &FAULTS, &HOSTILE, &SOAK, &SUSPEND, &DIFFERENTIAL, &BENCH];

pub(crate) const SIM: Forwarded = Forwarded {
    name: "sim",
    about: "simulated runs under faults: --runs N --seed S, --plan FILE",
    package: "phx-reliability",
    profile: CHECKS,
    prepare: nothing,
};

pub(crate) const HERD: Forwarded = Forwarded {
    name: "herd",
    about: "very many clients whose server restarts: --clients N --down SECONDS",
    package: "phx-reliability",
    profile: CHECKS,
    prepare: nothing,
};

pub(crate) const FAULTS: Forwarded = Forwarded {
    name: "faults",
    about: "real faults on every adapter, with times",
    package: "phx-reliability",
    profile: CHECKS,
    prepare: nothing,
};

pub(crate) const HOSTILE: Forwarded = Forwarded {
    name: "hostile",
    about: "a server that attacks, on every adapter",
    package: "phx-reliability",
    profile: CHECKS,
    prepare: nothing,
};

pub(crate) const SOAK: Forwarded = Forwarded {
    name: "soak",
    about: "traffic under faults, nothing lost or doubled: --minutes N",
    package: "phx-reliability",
    profile: CHECKS,
    prepare: nothing,
};

pub(crate) const SUSPEND: Forwarded = Forwarded {
    name: "suspend",
    about: "a client whose machine sleeps, as root on Linux: --seconds N",
    package: "phx-reliability",
    profile: CHECKS,
    prepare: nothing,
};

pub(crate) const DIFFERENTIAL: Forwarded = Forwarded {
    name: "differential",
    about: "the core against npm's phoenix, in random scripts: --runs N --seed S",
    package: "phx-conformance",
    profile: CHECKS,
    prepare: tools::node_packages,
};

pub(crate) const BENCH: Forwarded = Forwarded {
    name: "bench",
    about: "what things cost beside their floors, and the goals",
    package: "phx-bench",
    profile: RELEASE,
    prepare: nothing,
};

/// The program of this name.
pub(crate) fn find(name: &str) -> Option<&'static Forwarded> {
    ALL.iter().find(|program| program.name == name).copied()
}

impl Forwarded {
    /// Runs it; any exit code but 0 is an error.
    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        (self.prepare)()?;
        Program::cargo()
            .args(["run", "--locked", "--quiet", "--profile", self.profile])
            .args(["--package", self.package, "--", self.name])
            .args(args)
            .run()
    }
}
