//! A modem for a program in an emulator: Hayes's commands on a serial line, which is a TCP connection, and calls as TCP
//! connections to one server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Silence before and after `+++`, a little less than the second that the program waits.
const GUARD: Duration = Duration::from_millis(900);

/// The modem. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Modem {
    state: Arc<Mutex<State>>,
    server: SocketAddr,
    /// Called before the modem answers that it is off.
    at_power_off: Arc<dyn Fn() + Send + Sync>,
}

struct State {
    /// The serial line.
    line: TcpStream,
    call: Option<Call>,
    /// The number of the next call.
    next: u64,
    /// Dials that fail from now on.
    refusals: u32,
}

/// A call whose bytes pass, unless the modem is in command mode or silent.
struct Call {
    number: u64,
    server: TcpStream,
    is_silent: bool,
    is_paused: bool,
}

impl Modem {
    /// Waits until the emulator has connected its serial line to the listener. The modem works until the line ends.
    pub(crate) fn start(
        listener: &TcpListener,
        server: SocketAddr,
        at_power_off: impl Fn() + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let (line, _) = listener.accept().context("no serial line")?;
        line.set_nodelay(true)?;
        let reader = line.try_clone().context("can't share the serial line")?;
        let state = State { line, call: None, next: 0, refusals: 0 };
        let state = Arc::new(Mutex::new(state));
        let modem = Modem { state, server, at_power_off: Arc::new(at_power_off) };
        let serving = modem.clone();
        thread::spawn(move || serving.serve(reader));
        Ok(modem)
    }

    /// Cuts the call, and reports that.
    pub(crate) fn cut(&self) {
        self.state().end_call();
    }

    /// Passes nothing any more in this call, in neither direction, and doesn't report that.
    pub(crate) fn silence(&self) {
        if let Some(call) = &mut self.state().call {
            call.is_silent = true;
        }
    }

    /// Lets the next dials fail.
    pub(crate) fn refuse(&self, dials: u32) {
        self.state().refusals = dials;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the program's bytes until the line ends.
    fn serve(&self, mut line: TcpStream) {
        // The shortest silence that matters is measured to this.
        if line.set_read_timeout(Some(Duration::from_millis(50))).is_err() {
            return;
        }
        let mut command = Vec::new();
        let mut escape = Escape::new(Instant::now());
        let mut bytes = [0; 1024];
        loop {
            match line.read(&mut bytes) {
                Ok(0) => return self.state().end_call(),
                Ok(count) => {
                    for byte in bytes.iter().take(count) {
                        self.take(*byte, &mut command, &mut escape);
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return self.state().end_call(),
            }
            if escape.is_complete(Instant::now()) {
                let mut state = self.state();
                if let Some(call) = &mut state.call {
                    call.is_paused = true;
                }
                state.answer("OK");
            }
        }
    }

    fn take(&self, byte: u8, command: &mut Vec<u8>, escape: &mut Escape) {
        if let Some(call) = self.state().call.as_mut().filter(|call| !call.is_paused) {
            for byte in escape.take(Instant::now(), byte) {
                if !call.is_silent {
                    // The thread that reads from the server notices its end.
                    let _ = call.server.write_all(&[byte]);
                }
            }
        } else if byte == b'\r' {
            let command = std::mem::take(command);
            self.obey(&String::from_utf8_lossy(&command));
        } else {
            command.push(byte);
        }
    }

    fn obey(&self, command: &str) {
        if command.starts_with("ATD") {
            self.dial();
        } else if command == "ATH" {
            let mut state = self.state();
            state.hang_up();
            state.answer("OK");
        } else if command == "AT+CPOF" {
            (self.at_power_off)();
            self.state().answer("OK");
        } else if command.starts_with("AT") {
            self.state().answer("ERROR");
        }
    }

    /// Connects to the server, whatever name was dialed.
    fn dial(&self) {
        let mut state = self.state();
        if state.refusals > 0 {
            state.refusals -= 1;
            return state.answer("NO CARRIER");
        }
        let connected = TcpStream::connect(self.server).and_then(|server| {
            server.set_nodelay(true)?;
            Ok((server.try_clone()?, server))
        });
        let Ok((reader, server)) = connected else {
            return state.answer("NO CARRIER");
        };
        let number = state.next;
        state.next += 1;
        state.call = Some(Call { number, server, is_silent: false, is_paused: false });
        state.answer("CONNECT");
        drop(state);
        let modem = self.clone();
        thread::spawn(move || modem.pass(number, reader));
    }

    /// Passes the server's bytes of this call on.
    fn pass(&self, number: u64, mut server: TcpStream) {
        let mut bytes = [0; 1024];
        loop {
            let count = server.read(&mut bytes).unwrap_or_default();
            let mut state = self.state();
            let Some(call) = state.call.as_ref().filter(|call| call.number == number) else {
                return;
            };
            if call.is_silent || call.is_paused {
                if count == 0 {
                    return;
                }
                continue;
            }
            if count == 0 {
                return state.end_call();
            }
            let bytes = bytes.get(..count).unwrap_or_default();
            // If the emulator has ended, the other thread notices.
            let _ = state.line.write_all(bytes);
        }
    }
}

impl State {
    /// Ends the call, and reports that if there was one.
    fn end_call(&mut self) {
        if self.call.is_some() {
            self.hang_up();
            self.answer("NO CARRIER");
        }
    }

    fn hang_up(&mut self) {
        if let Some(call) = self.call.take() {
            // It may have ended already.
            let _ = call.server.shutdown(Shutdown::Both);
        }
    }

    fn answer(&mut self, text: &str) {
        let _ = write!(self.line, "\r\n{text}\r\n");
    }
}

/// Finds `+++` between silences in the program's bytes.
struct Escape {
    last: Instant,
    /// Pluses after a silence, which are withheld.
    pluses: usize,
}

impl Escape {
    fn new(now: Instant) -> Self {
        Escape { last: now, pluses: 0 }
    }

    /// Takes a byte, and returns those to pass on.
    fn take(&mut self, now: Instant, byte: u8) -> Vec<u8> {
        let was_silent = now.duration_since(self.last) >= GUARD;
        self.last = now;
        if byte == b'+' && self.pluses < 3 && (was_silent || self.pluses > 0) {
            self.pluses += 1;
            return Vec::new();
        }
        let mut bytes = vec![b'+'; std::mem::take(&mut self.pluses)];
        bytes.push(byte);
        bytes
    }

    /// Returns true, once, when silence has followed three pluses.
    fn is_complete(&mut self, now: Instant) -> bool {
        let complete = self.pluses == 3 && now.duration_since(self.last) >= GUARD;
        if complete {
            self.pluses = 0;
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_pluses_between_silences_are_an_escape() {
        let start = Instant::now();
        let mut escape = Escape::new(start);
        for _ in 0..3 {
            assert_eq!(escape.take(start + GUARD, b'+'), [0; 0]);
        }
        assert!(!escape.is_complete(start + GUARD));
        assert!(escape.is_complete(start + GUARD * 2));
        assert!(!escape.is_complete(start + GUARD * 2));
    }

    #[test]
    fn pluses_in_data_pass() {
        let start = Instant::now();
        let mut escape = Escape::new(start);
        assert_eq!(escape.take(start, b'+'), b"+");
        let later = start + GUARD;
        for _ in 0..3 {
            assert_eq!(escape.take(later, b'+'), [0; 0]);
        }
        assert_eq!(escape.take(later, b'x'), b"+++x");
        assert!(!escape.is_complete(later + GUARD));
    }

    #[test]
    fn it_dials_passes_bytes_is_cut_and_refuses() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = TcpStream::connect(port.local_addr().unwrap()).unwrap();
        let modem = Modem::start(&port, server.local_addr().unwrap(), || {}).unwrap();
        let hear = |line: &mut TcpStream, expected: &[u8]| {
            let mut heard = vec![0; expected.len()];
            line.read_exact(&mut heard).unwrap();
            assert_eq!(heard, expected);
        };
        line.write_all(b"ATDserver:1\r").unwrap();
        hear(&mut line, b"\r\nCONNECT\r\n");
        let (mut call, _) = server.accept().unwrap();
        line.write_all(b"ping").unwrap();
        hear(&mut call, b"ping");
        call.write_all(b"pong").unwrap();
        hear(&mut line, b"pong");
        modem.cut();
        hear(&mut line, b"\r\nNO CARRIER\r\n");
        modem.refuse(1);
        line.write_all(b"ATDserver:1\r").unwrap();
        hear(&mut line, b"\r\nNO CARRIER\r\n");
        line.write_all(b"ATDserver:1\r").unwrap();
        hear(&mut line, b"\r\nCONNECT\r\n");
        drop(server.accept().unwrap());
        hear(&mut line, b"\r\nNO CARRIER\r\n");
    }
}
