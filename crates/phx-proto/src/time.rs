//! The core's own clock reading.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment on the driver's monotonic clock: the time since an epoch the driver chose.
///
/// The core never reads a clock. A driver picks an epoch (usually "when the socket was made"),
/// and passes the time since then to every `handle_*` call. `std::time::Instant` would tempt code
/// to read the clock, can't be built in a fuzz input, and doesn't exist without `std`.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use phx_proto::Instant;
///
/// let start = Instant::EPOCH;
/// let later = start + Duration::from_secs(5);
/// assert_eq!(later.saturating_duration_since(start), Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The driver's epoch itself.
    pub const EPOCH: Instant = Instant(Duration::ZERO);

    /// The moment `since_epoch` after the driver's epoch.
    #[must_use]
    pub const fn from_epoch(since_epoch: Duration) -> Self {
        Instant(since_epoch)
    }

    /// The time from the driver's epoch to this moment.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// The moment `duration` later, or the last there is (585 billion years after the epoch).
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Instant(self.0.saturating_add(duration))
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is the later of the two.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The same as [`saturating_add`](Instant::saturating_add).
impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        self.saturating_add(duration)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant({:?})", self.0)
    }
}
