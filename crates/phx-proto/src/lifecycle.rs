//! Changes around the program that decide whether attempts to connect make sense.

/// A change around the program, for [`Socket::handle_lifecycle`](crate::Socket::handle_lifecycle): a page that is hidden
/// or shown, a device that loses or finds its network, a program that is about to be suspended. A new socket is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lifecycle {
    /// The program runs, is used, or has a network, after a time in which that wasn't so. A socket that waits connects at
    /// once, but not within 2 s after the last attempt began, and its schedule starts over. An open connection is checked
    /// by a heartbeat.
    Active,
    /// An attempt to connect would be of no use. An open connection or an attempt under way stays; no further one begins
    /// until the program is active, but by a call of the user.
    Held,
    /// The program is about to stop for a time that isn't known. A connection or attempt ends now, with the cause
    /// [`CloseCause::Suspended`](crate::CloseCause::Suspended), and no other one begins, as for [`Held`](Self::Held).
    Suspending,
}
