//! The number of connections that this machine allows.

use std::fs;
use std::net::IpAddr;

/// Files that the program needs beside its connections.
const RESERVED: u64 = 64;

/// Ports of one address for connections to one server, where the system doesn't say.
const PORTS: u64 = 28_232;

/// The limits of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Open files of this process; `None` where there is no limit.
    files: Option<u64>,
    /// Ports of one source address.
    ports: u64,
    sources: u64,
}

impl Machine {
    /// Asks the system, and raises this process's limit of open files as far as it may.
    pub(super) fn ask(sources: &[IpAddr]) -> Self {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let ports = range.ok().and_then(|range| ports_of(&range)).unwrap_or(PORTS);
        Machine { files: platform::raised_limit(), ports, sources: sources.len().max(1) as u64 }
    }

    /// The number of connections.
    pub(super) fn allows(self) -> u64 {
        let files = self.files.map_or(u64::MAX, |files| files.saturating_sub(RESERVED));
        files.min(self.ports.saturating_mul(self.sources))
    }

    /// The limits in words.
    pub(super) fn in_words(self) -> String {
        let files = self.files.map_or("no limit of".to_owned(), |files| files.to_string());
        let Machine { ports, sources, .. } = self;
        let sources = match sources {
            1 => "one source address".to_owned(),
            sources => format!("each of {sources} source addresses"),
        };
        let allowed = self.allows();
        format!(
            "this machine allows {allowed} connections: {files} open files, {ports} ports of {sources}"
        )
    }
}

/// The number of ports in a range of the first and the last one.
fn ports_of(range: &str) -> Option<u64> {
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some(last.checked_sub(first)?.saturating_add(1))
}

#[cfg(unix)]
mod platform {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    pub(super) fn raised_limit() -> Option<u64> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        // Without the right to raise it the limit stays as it is.
        let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        Some(if raised { hard } else { soft })
    }
}

#[cfg(not(unix))]
mod platform {
    pub(super) fn raised_limit() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_ports_are_limits() {
        let machine = |files, sources| Machine { files, ports: 28_232, sources };
        assert_eq!(machine(Some(20_000), 1).allows(), 19_936);
        assert_eq!(machine(Some(1_000_000), 1).allows(), 28_232);
        assert_eq!(machine(None, 3).allows(), 84_696);
        assert_eq!(machine(Some(10), 1).allows(), 0);
        assert_eq!(
            machine(Some(20_000), 2).in_words(),
            "this machine allows 19936 connections: 20000 open files, 28232 ports of each of 2 source addresses"
        );
        assert_eq!(ports_of("32768\t60999\n"), Some(28_232));
        assert_eq!((ports_of(""), ports_of("5 4"), ports_of("a b")), (None, None, None));
        assert!(Machine::ask(&[]).allows() > 0);
    }
}
