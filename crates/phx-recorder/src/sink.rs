//! Where the entries of a recording go.

use std::mem;

use crate::entry::Entry;
use crate::header::Header;
use crate::log::Packed;

/// A receiver of a recording. It runs inside the calls of the socket, so it must not wait.
///
/// Each entry comes with the number of [`Entry::Delivered`] that stand before it: a lock for both takes half as long as
/// one for each.
pub(crate) trait Sink: Send + Sync {
    /// `false` if deliveries can't wait for the entry after them.
    const DELIVERIES_WAIT: bool = true;

    fn begin(&mut self, header: Header);
    fn add(&mut self, deliveries: u32, entry: Entry);
    /// Adds an input, a message.
    fn add_message(&mut self, deliveries: u32, message: &Packed);
}

/// A sink, and the deliveries that it hasn't been given.
///
/// What was delivered follows from the inputs, so a recording that ends before it lacks nothing.
pub(crate) struct Entries<S> {
    sink: S,
    deliveries: u32,
}

impl<S: Sink> Entries<S> {
    pub(crate) fn new(mut sink: S, header: Header) -> Self {
        sink.begin(header);
        Entries { sink, deliveries: 0 }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        self.sink.add(mem::take(&mut self.deliveries), entry);
    }

    #[inline]
    pub(crate) fn add_message(&mut self, message: &Packed) {
        self.sink.add_message(mem::take(&mut self.deliveries), message);
    }

    #[inline]
    pub(crate) fn add_delivered(&mut self) {
        if S::DELIVERIES_WAIT {
            self.deliveries = self.deliveries.saturating_add(1);
        } else {
            self.sink.add(0, Entry::Delivered);
        }
    }
}
