//! The dialogue with a modem that takes Hayes's commands, without I/O: `ATD` dials, then bytes pass as they are.
//!
//! | the program | the modem |
//! |---|---|
//! | `ATDhost:port` | `CONNECT`, or `NO CARRIER` and the like |
//! | bytes | bytes |
//! | | `NO CARRIER`: the connection was cut |
//! | a second of silence, `+++`, a second of silence, `ATH` | `OK`, `OK` |
//! | `AT+CPOF`: power off | `OK` |
//!
//! A modem reports a cut in the stream of bytes itself, where a server's message may contain the same text. So the text counts
//! only if nothing comes for a second after it, and only if it isn't the end of a whole message, see
//! [`understood`](Modem::understood).

use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

/// Time without a byte from the program before and after `+++`, and without a byte from the modem after a cut.
const GUARD: Duration = Duration::from_secs(1);

/// Longest time that the modem has to answer a command, but a dial.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the modem sends when it was cut.
const CUT: &[u8] = b"\r\nNO CARRIER\r\n";

/// Bytes of a line of the modem that are kept; its answers are shorter.
const MAX_LINE: usize = 16;

/// Something that the modem reported or passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// The dial succeeded: bytes pass from here on.
    Connected,
    /// The dial failed.
    Refused,
    /// A byte of the peer.
    Byte(u8),
    /// The connection was cut.
    Cut,
    /// The modem has hung up, as it was asked to.
    HungUp,
}

/// What the modem is doing. Each time is the end of a wait.
#[derive(Debug)]
enum State {
    Idle,
    Dialing,
    Online {
        cut_at: Option<Duration>,
    },
    /// Silent before `+++`.
    Silent {
        until: Duration,
    },
    Escaping {
        until: Duration,
    },
    HangingUp {
        until: Duration,
    },
}

/// The state of a modem, and the bytes for it.
#[derive(Debug)]
pub struct Modem {
    state: State,
    output: Vec<u8>,
    /// Bytes at the output's front that were written.
    written: usize,
    line: [u8; MAX_LINE],
    line_len: usize,
    /// Bytes of [`CUT`] that came last.
    cut_len: usize,
}

impl Modem {
    /// Creates the state of a modem that does nothing.
    #[must_use]
    pub const fn new() -> Self {
        Modem {
            state: State::Idle,
            output: Vec::new(),
            written: 0,
            line: [0; MAX_LINE],
            line_len: 0,
            cut_len: 0,
        }
    }

    /// Returns true if it can dial.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Dials; [`Signal::Connected`] or [`Signal::Refused`] follows. Only an idle modem does.
    pub fn dial(&mut self, host: &str, port: u16) {
        if self.is_idle() {
            // Writing to a vector can't fail.
            let _ = write!(Writer(&mut self.output), "ATD{host}:{port}\r");
            self.state = State::Dialing;
            self.line_len = 0;
        }
    }

    /// Hangs up, whatever the modem does: [`Signal::HungUp`] follows, or [`Signal::Cut`] if it was cut before.
    pub fn hang_up(&mut self, now: Duration) {
        match self.state {
            // Any byte ends a dial.
            State::Dialing => {
                self.output.push(b'\r');
                self.state = State::HangingUp { until: now.saturating_add(PATIENCE) };
            }
            State::Online { .. } => {
                self.state = State::Silent { until: now.saturating_add(GUARD) };
            }
            _ => {}
        }
    }

    /// Switches the modem off; [`Signal::HungUp`] follows. Only an idle modem does.
    pub fn power_off(&mut self, now: Duration) {
        if self.is_idle() {
            self.output.extend_from_slice(b"AT+CPOF\r");
            self.line_len = 0;
            self.state = State::HangingUp { until: now.saturating_add(PATIENCE) };
        }
    }

    /// The bytes so far made a whole message: their end is no report of a cut, whatever it looks like.
    pub fn understood(&mut self) {
        self.cut_len = 0;
        if let State::Online { cut_at } = &mut self.state {
            *cut_at = None;
        }
    }

    /// Returns true if the last bytes may belong to the report of a cut.
    #[must_use]
    pub fn may_be_cut(&self) -> bool {
        self.cut_len > 0
    }

    /// Takes a byte from the modem.
    pub fn receive(&mut self, now: Duration, byte: u8) -> Option<Signal> {
        self.match_cut(byte);
        let was_cut = self.cut_len == CUT.len();
        match &mut self.state {
            State::Online { cut_at } => {
                *cut_at = was_cut.then(|| now.saturating_add(GUARD));
                Some(Signal::Byte(byte))
            }
            // What the peer still sends.
            State::Silent { .. } => None,
            State::Idle => None,
            State::Dialing | State::Escaping { .. } | State::HangingUp { .. } => {
                if byte == b'\n' || byte == b'\r' {
                    // The line ends with both, and a byte after them may be the peer's.
                    let line = self.line.get(..self.line_len).unwrap_or_default();
                    if byte == b'\r' || line.is_empty() {
                        return None;
                    }
                    let answer = Answer::parse(line);
                    self.line_len = 0;
                    return self.answer(now, answer);
                }
                if let Some(place) = self.line.get_mut(self.line_len) {
                    *place = byte;
                    self.line_len = self.line_len.saturating_add(1);
                }
                None
            }
        }
    }

    fn answer(&mut self, now: Duration, answer: Answer) -> Option<Signal> {
        match (&self.state, answer) {
            (State::Dialing, Answer::Connect) => {
                self.state = State::Online { cut_at: None };
                self.cut_len = 0;
                Some(Signal::Connected)
            }
            (State::Dialing, Answer::NoCarrier) => {
                self.state = State::Idle;
                Some(Signal::Refused)
            }
            (State::Escaping { .. }, Answer::Ok) => {
                self.send_hang_up(now);
                None
            }
            (State::Escaping { .. } | State::HangingUp { .. }, Answer::NoCarrier)
            | (State::HangingUp { .. }, Answer::Ok) => {
                self.state = State::Idle;
                Some(Signal::HungUp)
            }
            _ => None,
        }
    }

    fn send_hang_up(&mut self, now: Duration) {
        self.output.extend_from_slice(b"ATH\r");
        self.line_len = 0;
        self.state = State::HangingUp { until: now.saturating_add(PATIENCE) };
    }

    /// Counts the bytes of [`CUT`] that came last. Of all its beginnings only `\r` and `\r\n` are also its ends.
    fn match_cut(&mut self, byte: u8) {
        if self.cut_len == CUT.len() {
            self.cut_len = 2;
        }
        if CUT.get(self.cut_len) == Some(&byte) {
            self.cut_len = self.cut_len.saturating_add(1);
        } else {
            self.cut_len = usize::from(byte == b'\r');
        }
    }

    /// Returns the time at which [`timeout`](Self::timeout) must be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Idle | State::Dialing => None,
            State::Online { cut_at } => cut_at,
            State::Silent { until } | State::Escaping { until } | State::HangingUp { until } => {
                Some(until)
            }
        }
    }

    /// Acts on the time.
    pub fn timeout(&mut self, now: Duration) -> Option<Signal> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.state {
            State::Online { .. } => {
                self.state = State::Idle;
                Some(Signal::Cut)
            }
            State::Silent { .. } if self.cut_len == CUT.len() => {
                self.state = State::Idle;
                Some(Signal::Cut)
            }
            State::Silent { .. } => {
                self.output.extend_from_slice(b"+++");
                self.line_len = 0;
                self.state = State::Escaping { until: now.saturating_add(PATIENCE) };
                None
            }
            // It may have been in command mode all the time.
            State::Escaping { .. } => {
                self.send_hang_up(now);
                None
            }
            State::HangingUp { .. } => {
                self.state = State::Idle;
                Some(Signal::HungUp)
            }
            State::Idle | State::Dialing => None,
        }
    }

    /// Returns the next byte of a command for the modem.
    #[must_use]
    pub fn output(&self) -> Option<u8> {
        self.output.get(self.written).copied()
    }

    /// Drops the byte that [`output`](Self::output) returned: it was written.
    pub fn advance(&mut self) {
        self.written = self.written.saturating_add(1);
        if self.written >= self.output.len() {
            self.output = Vec::new();
            self.written = 0;
        }
    }
}

impl Default for Modem {
    fn default() -> Self {
        Modem::new()
    }
}

/// A line of the modem.
#[derive(Clone, Copy)]
enum Answer {
    Ok,
    Connect,
    NoCarrier,
    /// Noise, an echo, or what this program doesn't need.
    Other,
}

impl Answer {
    fn parse(line: &[u8]) -> Self {
        match line {
            b"OK" => Answer::Ok,
            // With or without the speed.
            [b'C', b'O', b'N', b'N', b'E', b'C', b'T', ..] => Answer::Connect,
            b"NO CARRIER" | b"BUSY" | b"NO ANSWER" | b"NO DIALTONE" | b"ERROR" => Answer::NoCarrier,
            _ => Answer::Other,
        }
    }
}

/// Text appended to bytes.
struct Writer<'a>(&'a mut Vec<u8>);

impl core::fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
