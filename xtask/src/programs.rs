//! Programs of the workspace that take arguments: `cargo xtask NAME ARGS...`.
//!
//! They are built with optimisation, since they repeat their work many thousand times.

use anyhow::Context as _;

use crate::command::Program;
use crate::tools;
use crate::workspace;

/// A program of the workspace that `cargo xtask` runs under a separate name.
pub(crate) struct Forwarded {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    package: &'static str,
    profile: &'static str,
    /// Installs what it needs besides the compiler.
    prepare: fn() -> anyhow::Result<()>,
}

fn nothing() -> anyhow::Result<()> {
    Ok(())
}

/// Packages whose programs are built in the profile `checks`, all by one command. Built one by one, they would have most
/// dependencies built once for each: cargo gives a dependency the features that the named packages ask for.
const BUILT_TOGETHER: [&str; 3] = ["phx-browser", "phx-conformance", "phx-reliability"];

/// All programs. Each is the subcommand `name` of its package's binary.
pub(crate) const ALL: &[&Forwarded] = &[
    &SIM,
    &HERD,
    &FAULTS,
    &HOSTILE,
    &SOAK,
    &SUSPEND,
    &DIFFERENTIAL,
    &WEB,
    &WEB_CHAT,
    &WEB_SIZE,
    &WEB_SPEED,
    &BENCH,
];

pub(crate) const SIM: Forwarded =
    reliability("sim", "simulated runs under faults: --runs N --seed S, --plan FILE --record OUT");
pub(crate) const HERD: Forwarded =
    reliability("herd", "very many clients whose server restarts: --clients N --down SECONDS");
pub(crate) const FAULTS: Forwarded =
    reliability("faults", "real faults on every adapter, with times");
pub(crate) const HOSTILE: Forwarded =
    reliability("hostile", "a server that attacks, on every adapter");
pub(crate) const SOAK: Forwarded =
    reliability("soak", "traffic under faults, nothing lost or doubled: --minutes N");
pub(crate) const SUSPEND: Forwarded =
    reliability("suspend", "a client whose machine sleeps, as root on Linux: --seconds N");

pub(crate) const DIFFERENTIAL: Forwarded = Forwarded {
    package: "phx-conformance",
    prepare: tools::node_packages,
    ..reliability(
        "differential",
        "the core against npm's phoenix, in random scripts: --runs N --seed S",
    )
};

pub(crate) const WEB: Forwarded = Forwarded {
    package: "phx-browser",
    prepare: tools::browser,
    ..reliability("web", "phx-web in a real browser: PART OF A TEST'S NAME")
};

pub(crate) const WEB_CHAT: Forwarded = Forwarded {
    package: "phx-browser",
    prepare: tools::web_chat,
    ..reliability("web-chat", "serves examples/web: a chat of pages and terminals")
};

pub(crate) const WEB_SIZE: Forwarded = Forwarded {
    package: "phx-browser",
    prepare: tools::web_size,
    ..reliability("web-size", "what a browser downloads of examples/web, and the goal")
};

pub(crate) const WEB_SPEED: Forwarded = Forwarded {
    package: "phx-browser",
    prepare: tools::web_speed,
    ..reliability("web-speed", "a page's messages beside npm's phoenix, and the goal")
};

pub(crate) const BENCH: Forwarded = Forwarded {
    package: "phx-bench",
    // The profile that users build with.
    profile: "release",
    ..reliability("bench", "what things cost beside their floors, and the goals")
};

/// Returns a program of phx-reliability, in a profile that builds quickly and has a test's assertions.
const fn reliability(name: &'static str, about: &'static str) -> Forwarded {
    Forwarded { name, about, package: "phx-reliability", profile: "checks", prepare: nothing }
}

/// Returns the program of this name.
pub(crate) fn find(name: &str) -> Option<&'static Forwarded> {
    ALL.iter().find(|program| program.name == name).copied()
}

/// Builds the program `phx` with the features that the tests build it with, so that after them nothing is left to do, and
/// returns its path.
pub(crate) fn phx() -> anyhow::Result<String> {
    Program::cargo()
        .args(["build", "--locked", "--workspace", "--all-features", "--bin", "phx"])
        .run()?;
    path("debug", "phx")
}

/// Returns the path of a program in the target directory.
fn path(profile: &str, name: &str) -> anyhow::Result<String> {
    let path = workspace::target_directory()?.join(profile).join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    Ok(path.to_str().context("the path of the target directory isn't UTF-8")?.to_owned())
}

impl Forwarded {
    /// Runs it; any exit code but 0 is an error.
    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        (self.prepare)()?;
        let packages = match self.profile {
            "checks" => &BUILT_TOGETHER[..],
            _ => &[self.package][..],
        };
        Program::cargo()
            .args(["build", "--locked", "--quiet", "--profile", self.profile])
            .args(packages.iter().flat_map(|package| ["--package", package]))
            .run()?;
        let path = path(self.profile, self.package)?;
        Program::built(&path, self.package).args([self.name]).args(args).run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_among_those_that_are_built() {
        let checks = ALL.iter().filter(|program| program.profile == "checks");
        for program in checks {
            assert!(BUILT_TOGETHER.contains(&program.package), "{}", program.package);
        }
    }
}
