//! Where the entries of a recording go.

use crate::entry::Entry;
use crate::header::Header;

/// A receiver of a recording. It runs inside the calls of the socket, so it must not wait.
pub(crate) trait Sink: Send + Sync {
    fn begin(&mut self, header: Header);
    fn add(&mut self, entry: Entry);
}
