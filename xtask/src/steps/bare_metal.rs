//! Runs `examples/bare_metal` in QEMU against the server of `phx serve`, through a modem, and measures it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::bare_metal::image::Image;
use crate::bare_metal::modem::Modem;
use crate::command::{Program, Session};
use crate::programs;
use crate::step::Outcome;
use crate::tools;
use crate::workspace::BARE_METAL;

/// Directory of its build; another one has other profiles.
const TARGET: &str = "target/bare-metal";

/// The board in QEMU: an STM32F405, a Cortex-M4.
const MACHINE: &str = "netduinoplus2";

/// Time limit for each line that the program or the server must print. The longest wait is that for a silent line to be found:
/// 3 s, 2 s to hang up, and the delays of reconnects.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of each kind when they were accepted. A twentieth more fails.
const ACCEPTED: Sizes = Sizes { flash: 131_270, memory: 8_264, heap: 6_960, stack: 5_664 };

pub(crate) fn check() -> Outcome {
    tools::targets()?;
    tools::qemu()?;
    Program::cargo()
        .args(["build", "--locked", "--release", "--bins", "--manifest-path", BARE_METAL])
        .args(["--target", tools::BOARD_TARGET, "--target-dir", TARGET])
        .run()?;
    Program::cargo()
        .args(["test", "--locked", "--manifest-path", BARE_METAL, "--target-dir", TARGET])
        .run()?;
    let phx = programs::phx()?;

    let program = format!("{TARGET}/{}/release/bare_metal", tools::BOARD_TARGET);
    let image = Image::read(&program)?;
    let memory = play(&phx, &program, &image)?;
    let sizes = Sizes {
        flash: image.flash()?,
        memory: image.memory()?,
        heap: image.heap_peak(&memory)?,
        stack: image.stack_peak(&memory)?,
    };
    print!("\n{}", image.table());
    let line = sizes.line();
    println!("\nbare-metal: {line}");
    sizes.check()?;
    Ok(Some(line))
}

/// Checks that no lint fires in it, on this machine with its tests, and on the board.
pub(crate) fn clippy() -> Outcome {
    tools::targets()?;
    for targets in [&["--all-targets"][..], &["--target", tools::BOARD_TARGET]] {
        Program::cargo()
            .args(["clippy", "--locked", "--manifest-path", BARE_METAL, "--target-dir", TARGET])
            .args(targets.iter().copied())
            .args(["--", "-D", "warnings"])
            .run()?;
    }
    Ok(None)
}

/// Plays the story, and returns a copy of the board's memory at its end.
fn play(phx: &str, program: &str, image: &Image) -> anyhow::Result<Vec<u8>> {
    let mut server = Session::start(phx, &["serve", "--port", "0"])?;
    let url = server.wait_for("ws://", PATIENCE)?;
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    let copy = folder.path().join("memory");

    let (line, monitor) = (listener()?, listener()?);
    let line_at = format!("tcp:{}", line.local_addr()?);
    let monitor_at = format!("tcp:{}", monitor.local_addr()?);
    let mut device = Session::start(
        "qemu-system-arm",
        &[
            &["-machine", MACHINE, "-display", "none"][..],
            &["-semihosting-config", "enable=on,target=native"],
            &["-serial", &line_at, "-monitor", &monitor_at, "-kernel", program],
        ]
        .concat(),
    )?;
    let (monitor, _) = monitor.accept().context("QEMU has no monitor")?;
    let monitor = Mutex::new(Monitor::new(monitor)?);
    let range = image.range()?;
    let to = copy.clone();
    let modem = Modem::start(&line, server_address(&url)?, move || {
        if let Ok(mut monitor) = monitor.lock()
            && let Err(error) = monitor.copy_memory(range, &to)
        {
            println!("no copy of the memory: {error:#}");
        }
    })?;

    device.wait_for("THE SEED IS FIXED", PATIENCE)?;
    for line in ["connected", "joined", "+ sensor", "reply ok"] {
        device.wait_for(line, PATIENCE)?;
    }
    // Somebody else in the room: joins, says something, and leaves.
    let visit = Program::new(phx).args(["push", &url, "room:lobby", "new_msg"]);
    let text = format!("{{\"text\":\"{}\"}}", "x".repeat(900));
    visit.args([&text, "--join-param", "name=visitor"]).run()?;
    for line in ["+ visitor", "new_msg of", "- visitor"] {
        device.wait_for(line, PATIENCE)?;
    }
    modem.cut();
    for line in ["the modem was cut", "connected", "rejoined", "+ sensor"] {
        device.wait_for(line, PATIENCE)?;
    }
    modem.silence();
    modem.refuse(2);
    for line in ["heartbeat", "the dial failed", "the dial failed", "connected", "rejoined"] {
        device.wait_for(line, PATIENCE)?;
    }
    for _ in 0..8 {
        device.wait_for("reply ok of 64 bytes", PATIENCE)?;
    }
    for line in ["closed: left", "disconnected", "done"] {
        device.wait_for(line, PATIENCE)?;
    }
    let status = device.wait(PATIENCE)?;
    ensure!(status.success(), "the program ended with {status}");
    fs::read(&copy).context("there is no copy of the memory")
}

fn listener() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").context("can't listen")
}

/// Returns the address in a URL of `phx serve`.
fn server_address(url: &str) -> anyhow::Result<SocketAddr> {
    let host = url.trim().strip_prefix("ws://").and_then(|rest| rest.split('/').next());
    host.and_then(|host| host.parse().ok()).with_context(|| format!("no address in {url:?}"))
}

/// QEMU's monitor, which takes commands as lines.
struct Monitor(TcpStream);

impl Monitor {
    fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Monitor(stream);
        monitor.wait_for_prompt()?;
        Ok(monitor)
    }

    fn copy_memory(&mut self, (from, len): (u64, u64), to: &Path) -> anyhow::Result<()> {
        writeln!(self.0, "pmemsave {from} {len} \"{}\"", to.display())?;
        self.wait_for_prompt()
    }

    fn wait_for_prompt(&mut self) -> anyhow::Result<()> {
        let mut heard = Vec::new();
        let mut byte = [0];
        while !heard.ends_with(b"\n(qemu) ") && heard != b"(qemu) " {
            self.0.read_exact(&mut byte).context("QEMU's monitor doesn't answer")?;
            heard.extend_from_slice(&byte);
        }
        Ok(())
    }
}

/// Bytes that the program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    flash: u64,
    /// Memory that is taken from the start, the whole heap with it.
    memory: u64,
    heap: u64,
    stack: u64,
}

impl Sizes {
    fn named(self) -> [(&'static str, u64); 4] {
        let Sizes { flash, memory, heap, stack } = self;
        [("flash", flash), ("ram_static", memory), ("heap_peak", heap), ("stack_peak", stack)]
    }

    /// Returns the sizes in KiB.
    fn line(self) -> String {
        let of = |(name, bytes): (&str, u64)| {
            // Tenths, rounded up.
            let tenths = (bytes * 10_u64).div_ceil(1 << 10);
            format!("{name}_kib={}.{}", tenths / 10, tenths % 10)
        };
        self.named().map(of).join(" ")
    }

    /// Checks that nothing has grown by more than a twentieth.
    fn check(self) -> anyhow::Result<()> {
        for ((name, now), (_, accepted)) in self.named().into_iter().zip(ACCEPTED.named()) {
            if now * 20 > accepted * 21 {
                bail!(
                    "{name}: {now} bytes, more than 1.05 times the {accepted} that were accepted"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_kib_and_compared_with_the_accepted_ones() {
        assert_eq!(
            Sizes { flash: 1 << 20, memory: 1, heap: 1024, stack: 1025 }.line(),
            "flash_kib=1024.0 ram_static_kib=0.1 heap_peak_kib=1.0 stack_peak_kib=1.1"
        );
        assert!(ACCEPTED.check().is_ok());
        let grown = Sizes { heap: ACCEPTED.heap * 106 / 100, ..ACCEPTED };
        assert!(grown.check().unwrap_err().to_string().starts_with("heap_peak: "));
    }

    #[test]
    fn the_address_of_a_server_is_in_its_url() {
        let address = server_address("ws://127.0.0.1:4000/socket\n").unwrap();
        assert_eq!(address, "127.0.0.1:4000".parse().unwrap());
        assert!(server_address("nonsense").is_err());
    }
}
