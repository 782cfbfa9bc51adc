//! Queues between those who make records and those who print them, limited in number and in bytes.
//!
//! How large a record is, is what the server says; and whoever reads the output may take his time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that wait in a queue; one record of any size fits alone.
const MAX_BYTES: u32 = 16 << 20;

/// What has a size.
pub(crate) trait Size {
    /// The bytes it keeps, about.
    fn size(&self) -> usize;
}

/// A queue for this many.
pub(crate) fn queue<T: Size>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    let bytes = Arc::new(Semaphore::new(share(usize::MAX) as usize));
    (Sender { queue: sender, bytes }, Receiver(receiver))
}

/// Where records are put in.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    queue: mpsc::Sender<(T, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
}

/// Where they are taken out.
#[derive(Debug)]
pub(crate) struct Receiver<T>(mpsc::Receiver<(T, OwnedSemaphorePermit)>);

/// Nobody takes anything out any more.
#[derive(Debug)]
pub(crate) struct Closed;

impl<T: Size> Sender<T> {
    /// Puts a record in; waits while there is no room for it.
    pub(crate) async fn send(&self, record: T) -> Result<(), Closed> {
        // The receiver gives all room back when it goes.
        let room = Arc::clone(&self.bytes).acquire_many_owned(share(record.size())).await;
        let room = room.map_err(|_| Closed)?;
        self.queue.send((record, room)).await.map_err(|_| Closed)
    }

    /// Puts a record in if there is room for it: for hooks, which can't wait.
    pub(crate) fn send_now(&self, record: T) {
        let room = Arc::clone(&self.bytes).try_acquire_many_owned(share(record.size()));
        if let Ok(room) = room {
            let _ = self.queue.try_send((record, room));
        }
    }

    /// Waits until nobody takes anything out any more.
    pub(crate) async fn closed(&self) {
        self.queue.closed().await;
    }
}

impl<T> Receiver<T> {
    /// The next record. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.map(|(record, _)| record)
    }

    /// The same, for a thread that may wait.
    pub(crate) fn blocking_recv(&mut self) -> Option<T> {
        self.0.blocking_recv().map(|(record, _)| record)
    }

    /// A record that waits, if there is one.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        self.0.try_recv().ok().map(|(record, _)| record)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { queue: self.queue.clone(), bytes: Arc::clone(&self.bytes) }
    }
}

/// The room that something of this size takes.
fn share(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(MAX_BYTES).min(MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use futures::FutureExt as _;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Large(usize);

    impl Size for Large {
        fn size(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn a_queue_is_limited_in_number_and_bytes() {
        let max = MAX_BYTES as usize;
        let (sender, mut receiver) = queue(4);
        let sent = |size| sender.send(Large(size)).now_or_never().is_some();
        assert!(sent(max / 2) && sent(max / 2), "there is room");
        assert!(!sent(1), "there is none");
        sender.send_now(Large(1));
        assert_eq!(receiver.try_recv(), Some(Large(max / 2)));
        assert!(sent(1) && !sent(max), "there is room for one of them");
        assert_eq!(receiver.try_recv(), Some(Large(max / 2)));
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Some(Large(1)), None));
        assert!(sent(10 * max), "one of any size fits alone");
        assert!(!sent(1));
        assert!(receiver.try_recv().is_some());
        assert!((0..4).all(|_| sent(0)) && !sent(0), "no more than four");
        drop(receiver);
        assert!(matches!(sender.send(Large(0)).now_or_never(), Some(Err(Closed))));
    }

    impl Size for Vec<u8> {
        fn size(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn the_peak_of_a_queue_stays_within_its_limits() {
        const KIB: usize = 1 << 10;
        for (capacity, size, limit) in
            [(256, 4 * KIB, 256 * 4 * KIB), (256, 512 * KIB, MAX_BYTES as usize)]
        {
            let used = measure(|| {
                let (sender, _receiver) = queue(capacity);
                (0..1_000).for_each(|_| sender.send_now(vec![0; size]));
            });
            let allowed = u64::try_from(limit + size + 64 * KIB).unwrap();
            assert!(used.bytes_max < allowed, "{used:?}, {allowed} allowed");
        }
    }
}
