//! What the program needs of a machine.

use core::fmt;
use core::time::Duration;

/// Source of randomness: fills the bytes with values that nobody can guess.
///
/// It makes the keys and masks of a WebSocket, and the seed of the schedules of reconnects. A device must have a real one,
/// such as its random number generator: if all devices have the same seed, then after an outage all of them reconnect in step.
pub type Entropy = fn(&mut [u8]);

/// A machine with a clock and a serial line to a modem.
pub trait Board {
    /// Returns the time since the start. It never goes back.
    fn uptime(&mut self) -> Duration;

    /// Takes the next byte that the modem sent, if there is one.
    fn read(&mut self) -> Option<u8>;

    /// Gives the modem a byte. Returns false if the line takes none now.
    fn write(&mut self, byte: u8) -> bool;

    /// Sleeps until the next byte comes, at most until this time. To return earlier is harmless.
    fn sleep(&mut self, until: Duration);

    /// Shows a line to people.
    fn log(&mut self, line: fmt::Arguments<'_>);
}
