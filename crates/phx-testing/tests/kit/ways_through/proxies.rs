//! Real proxies as child processes.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// An HTTP proxy.
pub(crate) struct Tinyproxy {
    process: Process,
    _directory: TempDir,
}

impl Tinyproxy {
    /// `user` is whom it lets through, with the password.
    pub(crate) fn start(user: Option<(&str, &str)>) -> Self {
        let directory = TempDir::new().unwrap();
        let config = directory.path().join("tinyproxy.conf");
        let port = free_port();
        let user = user.map(|(user, password)| format!("BasicAuth {user} {password}\n"));
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\n{}",
            user.unwrap_or_default()
        );
        fs::write(&config, text).unwrap();
        let process =
            Process::start(port, Command::new("tinyproxy").arg("-d").arg("-c").arg(&config));
        Tinyproxy { process, _directory: directory }
    }

    pub(crate) fn port(&self) -> u16 {
        self.process.port
    }
}

/// A SOCKS5 proxy.
pub(crate) struct Microsocks(Process);

impl Microsocks {
    /// `user` is whom it lets through, with the password.
    pub(crate) fn start(user: Option<(&str, &str)>) -> Self {
        let port = free_port();
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
        if let Some((user, password)) = user {
            command.args(["-u", user, "-P", password]);
        }
        Microsocks(Process::start(port, &mut command))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }
}

/// A child process, which is killed when this is dropped.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start(port: u16, command: &mut Command) -> Self {
        let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = started.unwrap_or_else(|error| {
            let program = command.get_program().to_string_lossy();
            panic!("can't start {program}, which `cargo xtask tools` installs: {error}")
        });
        Process { child, port }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a free port, since neither program reports a port that it chose.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
