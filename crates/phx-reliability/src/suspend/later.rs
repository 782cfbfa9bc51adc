//! A time namespace whose clock is ahead, for processes to enter.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// A time namespace. It exists as long as the process that was started in it.
pub(super) struct Later {
    inside: Child,
    namespace: File,
}

impl Later {
    pub(super) fn by(seconds: u32) -> anyhow::Result<Self> {
        let mut inside = Command::new("unshare")
            .args(["--time", "--boottime", &seconds.to_string(), "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("util-linux's unshare can't be started")?;
        // Its answer shows that it has entered the namespace.
        let mut echo = [0];
        let mut ask = inside.stdin.take().context("no input")?;
        let mut answer = inside.stdout.take().context("no output")?;
        let answered = ask.write_all(&[1]).and_then(|()| answer.read_exact(&mut echo));
        answered.context("no time namespace: that needs Linux 5.6 and CAP_SYS_ADMIN")?;
        let namespace = File::open(format!("/proc/{}/ns/time", inside.id()));
        inside.stdin = Some(ask);
        Ok(Later { inside, namespace: namespace.context("no time namespace")? })
    }

    /// Moves this process into the namespace.
    #[cfg(target_os = "linux")]
    pub(super) fn enter(&self) -> anyhow::Result<()> {
        use std::os::fd::AsFd as _;

        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

        move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::Time))
            .context("can't move into the time namespace")
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn enter(&self) -> anyhow::Result<()> {
        anyhow::bail!("only Linux has time namespaces, not the system of {:?}", self.namespace)
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.inside.kill();
        let _ = self.inside.wait();
    }
}
