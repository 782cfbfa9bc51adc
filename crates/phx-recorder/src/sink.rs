//! Where the entries of a recording go.

use crate::entry::Entry;
use crate::header::Header;
use crate::log::Packed;

/// A receiver of a recording. It runs inside the calls of the socket, so it must not wait.
pub(crate) trait Sink: Send + Sync {
    fn begin(&mut self, header: Header);
    fn add(&mut self, entry: Entry);
    /// Adds an input, a message.
    fn add_message(&mut self, message: &Packed);
    /// Adds an output, [`Entry::Delivered`].
    fn add_delivered(&mut self);
}
