//! Queues of records on their way to the printer, limited in number and in bytes.
//!
//! The server decides how large a record is, and the reader of the output may be slow. Records of hooks, which
//! can't wait, have a separate limit, so that messages never displace them; beyond it only the latest is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Largest size of waiting messages, and of waiting records of hooks, in bytes; one record of any size fits alone.
const MAX_BYTES: u32 = 16 << 20;

/// Largest number of waiting records of hooks.
const MAX_HOOKS: usize = 256;

/// A value with a size in bytes.
pub(crate) trait Size {
    /// Returns the approximate size in bytes.
    fn size(&self) -> usize;

    /// Notes how many earlier records of hooks this one replaced.
    fn note_lost(&mut self, count: u64);
}

/// Makes a queue for this number of records.
pub(crate) fn queue<T: Size>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let last = Arc::new(Mutex::new(None));
    let (waiting, hooks) = (Lane::new(capacity), Lane::new(MAX_HOOKS));
    let sender = Sender { queue: sender, waiting, hooks, last: Arc::clone(&last) };
    (sender, Receiver { queue: receiver, last })
}

/// The sending end of a queue.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    /// Unbounded itself; the lanes limit it.
    queue: mpsc::UnboundedSender<(T, Room)>,
    /// Limit for senders that can wait.
    waiting: Lane,
    /// Limit for hooks, which can't wait.
    hooks: Lane,
    last: Last<T>,
}

/// The receiving end of a queue.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    queue: mpsc::UnboundedReceiver<(T, Room)>,
    last: Last<T>,
}

/// The latest record of a hook beyond the limit, and the number of those that it replaced.
type Last<T> = Arc<Mutex<Option<(T, u64)>>>;

/// Error of a queue whose receiver is gone.
#[derive(Debug)]
pub(crate) struct Closed;

/// A limit of records, in number and in bytes.
#[derive(Clone, Debug)]
struct Lane {
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The share of a limit that a queued record holds.
#[derive(Debug)]
struct Room {
    _slot: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        let bytes = Arc::new(Semaphore::new(share(usize::MAX) as usize));
        Lane { slots: Arc::new(Semaphore::new(capacity)), bytes }
    }

    async fn room(&self, size: usize) -> Result<Room, Closed> {
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(share(size)).await;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        match (slot, bytes) {
            (Ok(slot), Ok(bytes)) => Ok(Room { _slot: slot, _bytes: bytes }),
            _ => Err(Closed),
        }
    }

    fn room_now(&self, size: usize) -> Option<Room> {
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(share(size)).ok()?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Room { _slot: slot, _bytes: bytes })
    }
}

impl<T: Size> Sender<T> {
    /// Queues a record; waits while the queue is full.
    pub(crate) async fn send(&self, record: T) -> Result<(), Closed> {
        // A dropped receiver releases all shares.
        let room = self.waiting.room(record.size()).await?;
        self.queue.send((record, room)).map_err(|_| Closed)
    }

    /// Queues a record without waiting, for hooks. Beyond their limit the latest record replaces the one before it, and
    /// holds the number of those replaced.
    pub(crate) fn send_now(&self, record: T) {
        let mut last = locked(&self.last);
        let before = last.as_ref().map(|(_, lost)| lost.saturating_add(1));
        match (before, self.hooks.room_now(record.size())) {
            (None, Some(room)) => {
                let _ = self.queue.send((record, room));
            }
            (before, _) => *last = Some((record, before.unwrap_or_default())),
        }
    }

    /// Waits until the receiver is gone.
    pub(crate) async fn closed(&self) {
        self.queue.closed().await;
    }
}

impl<T: Size> Receiver<T> {
    /// Returns the next record. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        match self.try_recv() {
            // The queue is empty, so further records of hooks go through it.
            None => self.queue.recv().await.map(|(record, _)| record),
            record => record,
        }
    }

    /// Returns the next record, for a thread that may block.
    pub(crate) fn blocking_recv(&mut self) -> Option<T> {
        match self.try_recv() {
            None => self.queue.blocking_recv().map(|(record, _)| record),
            record => record,
        }
    }

    /// Returns a waiting record, if there is one.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        if let Ok((record, _)) = self.queue.try_recv() {
            return Some(record);
        }
        let (mut record, lost) = locked(&self.last).take()?;
        if lost > 0 {
            record.note_lost(lost);
        }
        Some(record)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            queue: self.queue.clone(),
            waiting: self.waiting.clone(),
            hooks: self.hooks.clone(),
            last: Arc::clone(&self.last),
        }
    }
}

fn locked<T>(last: &Mutex<Option<(T, u64)>>) -> MutexGuard<'_, Option<(T, u64)>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the share of the limit that a record of this size takes, in bytes.
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

        fn note_lost(&mut self, count: u64) {
            self.0 += usize::try_from(count).unwrap();
        }
    }

    #[test]
    fn a_queue_is_limited_in_number_and_bytes() {
        let max = MAX_BYTES as usize;
        let (sender, mut receiver) = queue(4);
        let sent = |size| sender.send(Large(size)).now_or_never().is_some();
        assert!(sent(max / 2) && sent(max / 2), "there is room");
        assert!(!sent(1), "there is none");
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

        fn note_lost(&mut self, _count: u64) {}
    }

    #[test]
    fn hooks_have_room_whatever_waits_and_the_latest_of_them_is_kept() {
        let (sender, mut receiver) = queue(1);
        let sent = |size| sender.send(Large(size)).now_or_never().is_some();
        assert!(sent(MAX_BYTES as usize) && !sent(0), "there is no room for others");
        (0..MAX_HOOKS).for_each(|_| sender.send_now(Large(0)));
        (0..10).for_each(|n| sender.send_now(Large(1_000 * n)));
        let mut came = std::iter::from_fn(|| receiver.try_recv());
        assert_eq!(came.next(), Some(Large(MAX_BYTES as usize)), "the order is kept");
        assert!(came.by_ref().take(MAX_HOOKS).all(|record| record == Large(0)));
        assert_eq!(came.next(), Some(Large(9_009)), "the last of ten, and nine were lost");
        assert_eq!(came.next(), None);
        sender.send_now(Large(7));
        assert_eq!(receiver.try_recv(), Some(Large(7)));
    }

    #[test]
    fn the_peak_of_a_queue_stays_within_its_limits() {
        const KIB: usize = 1 << 10;
        for (capacity, size, limit) in
            [(256, 4 * KIB, 256 * 4 * KIB), (256, 512 * KIB, MAX_BYTES as usize)]
        {
            let used = measure(|| {
                let (sender, _receiver) = queue(capacity);
                while sender.send(vec![0; size]).now_or_never().is_some() {}
                (0..1_000).for_each(|_| sender.send_now(vec![0; size]));
            });
            // Records of hooks have a separate limit.
            let allowed = u64::try_from(2 * (limit + 2 * size + 64 * KIB)).unwrap();
            assert!(used.bytes_max < allowed, "{used:?}, {allowed} allowed");
        }
    }
}
