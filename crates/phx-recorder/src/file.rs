//! Recordings in files, written by a thread, so that a slow disk never holds up a session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;
use std::{fmt, mem, thread};

use crate::entry::{Entry, Name};
use crate::header::Header;
use crate::log::{Log, PACKED_BYTES, Packed, size};
use crate::output::{create, line};
use crate::sink::Sink;
use crate::time::Time;

/// Bytes of memory of entries that wait to be written, at most.
const MAX_WAITING: usize = 8 << 20;

/// Bytes of a file after which the next one is begun, by default.
const FILE_BYTES: u64 = 64 << 20;

/// Time for which entries are gathered before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// So many entries are written without being gathered for longer.
const ENOUGH: usize = 4096;

/// A recording that a thread writes to a file, or to a writer of the caller's.
///
/// The session never waits for it: where entries come faster than they are written, 8 MiB of them wait, further ones are
/// lost, and an entry `gap` with their number stands in their place. A recording with a gap can be shown, but not
/// replayed beyond it.
///
/// A `RecordingFile` is a handle: clones are of the same file. The thread ends when the session has ended, the last handle
/// is gone and all is written. A file holds one session: that of a further socket isn't recorded.
///
/// # Examples
///
/// ```
/// use phx_proto::{Config, Instant};
/// use phx_recorder::{Recorder, RecordingFile, replay};
///
/// # let directory = std::env::temp_dir().join(format!("phx-recorder-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("night.jsonl");
/// let file = RecordingFile::create(&path)?;
/// let mut socket = Recorder::from(file.clone()).socket(Config::default(), 42);
/// socket.connect(Instant::EPOCH);
/// drop(socket);
/// file.flush()?;
///
/// assert!(replay(&std::fs::read(&path)?[..])?.is_complete);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RecordingFile(Arc<Handle>);

/// The last one ends the thread.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.work.notify_one();
    }
}

struct Shared {
    queue: Mutex<Queue>,
    /// The thread has something to do.
    work: Condvar,
    /// Everything is written.
    idle: Condvar,
    writer: OnceLock<ThreadId>,
}

#[derive(Default)]
struct Queue {
    header: Option<Header>,
    entries: Log,
    /// Entries that were lost since the last one that wasn't, the names among them, and the time.
    in_gap: u64,
    lost_names: BTreeMap<u32, Entry>,
    now: Time,
    lost: u64,
    is_writing: bool,
    is_flushing: bool,
    /// A session is or was recorded.
    is_taken: bool,
    /// The session has ended, and the handles are gone.
    is_over: bool,
    error: Option<io::ErrorKind>,
}

impl RecordingFile {
    /// Creates a file that doesn't exist yet, readable and writable for its owner alone. When it has 64 MiB it is renamed
    /// to a name with `.1` at its end, in place of an earlier one, and another begins.
    ///
    /// # Errors
    ///
    /// That of the operating system: [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is a file of this name, or
    /// a link, which is never followed.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        RecordingFile::create_with(path, FILE_BYTES)
    }

    /// As [`create`](Self::create), with this many bytes instead of 64 MiB.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create).
    pub fn create_with(path: impl AsRef<Path>, max_bytes: u64) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = create(&path)?;
        RecordingFile::start(Out::File { path, file: BufWriter::new(file), max_bytes, written: 0 })
    }

    /// Writes to a writer of the caller's. It is flushed after each batch.
    ///
    /// # Errors
    ///
    /// That of the operating system if it has no thread.
    pub fn to_writer(writer: impl Write + Send + 'static) -> io::Result<Self> {
        RecordingFile::start(Out::Writer(BufWriter::new(Box::new(writer))))
    }

    fn start(out: Out) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            idle: Condvar::new(),
            writer: OnceLock::new(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            out,
            line: Vec::new(),
            header: None,
            names: BTreeMap::new(),
            now: Time::default(),
            part: 1,
        };
        let thread = thread::Builder::new().name("phx-recorder".to_owned());
        let thread = thread.spawn(move || writer.run())?;
        // It is set here alone.
        let _ = shared.writer.set(thread.thread().id());
        Ok(RecordingFile(Arc::new(Handle(shared))))
    }

    /// Waits until everything that was recorded before the call is written, but for the last deliveries: they follow from
    /// what was received, and are written with the entry after them. It blocks the thread. A program's panic hook may call it.
    ///
    /// # Errors
    ///
    /// The first error of the file or the writer, [`Other`](io::ErrorKind::Other) if that panicked. Nothing is written
    /// after one. [`WouldBlock`](io::ErrorKind::WouldBlock) on the thread that writes, where the writer of the caller's
    /// runs, and the panic hook after it: that thread can't wait for itself.
    pub fn flush(&self) -> io::Result<()> {
        let shared = &self.0.0;
        if shared.writer.get() == Some(&thread::current().id()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut queue = shared.lock();
        loop {
            if let Some(error) = queue.error {
                return Err(error.into());
            }
            if queue.entries.is_empty() && !queue.is_writing {
                return Ok(());
            }
            queue.is_flushing = true;
            shared.work.notify_one();
            queue = shared.idle.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The number of entries that were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.0.lock().lost
    }

    pub(crate) fn sink(&self) -> impl Sink + 'static {
        let is_first = !mem::replace(&mut self.0.0.lock().is_taken, true);
        Feed(is_first.then(|| self.clone()))
    }
}

impl fmt::Debug for RecordingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingFile").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread for the first entry, and again when there are enough; `before` were there before.
    #[inline]
    fn notify(&self, queue: MutexGuard<'_, Queue>, before: usize) {
        let len = queue.entries.len();
        drop(queue);
        if (before == 0 && len > 0) || (before < ENOUGH && len >= ENOUGH) {
            self.work.notify_one();
        }
    }
}

/// The session's end of the queue. It never waits for the thread, which holds the lock only to take what is there.
/// `None` for a session that isn't recorded.
struct Feed(Option<RecordingFile>);

impl Sink for Feed {
    fn begin(&mut self, header: Header) {
        if let Some(file) = &self.0 {
            file.0.0.lock().header = Some(header);
        }
    }

    fn add(&mut self, deliveries: u32, entry: Entry) {
        let Some(file) = &self.0 else { return };
        let mut queue = file.0.0.lock();
        let before = queue.entries.len();
        if let Entry::At(now) = entry {
            queue.now = now;
        }
        queue.add_deliveries(deliveries);
        if queue.has_room(size(&entry)) {
            queue.entries.push(entry);
        } else {
            queue.lose();
            // What comes later may need it. There are few at a time.
            if let Entry::Name(Name(number, _)) | Entry::CutName(Name(number, _)) = entry {
                queue.lost_names.insert(number, entry);
            }
        }
        file.0.0.notify(queue, before);
    }

    fn add_message(&mut self, deliveries: u32, message: &Packed) {
        let Some(file) = &self.0 else { return };
        let mut queue = file.0.0.lock();
        let before = queue.entries.len();
        queue.add_deliveries(deliveries);
        queue.add_packed(message);
        file.0.0.notify(queue, before);
    }
}

impl Queue {
    #[inline]
    fn add_deliveries(&mut self, count: u32) {
        (0..count).for_each(|_| self.add_packed(&Packed::DELIVERED));
    }

    #[inline]
    fn add_packed(&mut self, packed: &Packed) {
        if self.has_room(PACKED_BYTES) {
            self.entries.push_packed(packed);
        } else {
            self.lose();
        }
    }

    /// Returns `true` if an entry of this size can be added.
    #[inline]
    fn has_room(&self, size: usize) -> bool {
        // A gap lasts until the thread takes what waits: short entries would fit, and each would end one.
        let is_full = self.entries.bytes().saturating_add(size) > MAX_WAITING;
        self.error.is_none() && self.in_gap == 0 && !is_full
    }

    fn lose(&mut self) {
        self.in_gap = self.in_gap.saturating_add(1);
        self.lost = self.lost.saturating_add(1);
    }

    /// Takes all entries. A gap ends here, so that it stands in the file though nothing comes after it.
    fn take(&mut self) -> Log {
        if self.in_gap > 0 {
            self.end_gap();
        }
        mem::take(&mut self.entries)
    }

    fn end_gap(&mut self) {
        self.entries.push(Entry::Gap(mem::take(&mut self.in_gap)));
        for name in mem::take(&mut self.lost_names).into_values() {
            self.entries.push(name);
        }
        self.entries.push(Entry::At(self.now));
    }
}

enum Out {
    File { path: PathBuf, file: BufWriter<File>, max_bytes: u64, written: u64 },
    Writer(BufWriter<Box<dyn Write + Send>>),
}

/// The thread.
struct Writer {
    shared: Arc<Shared>,
    out: Out,
    /// The line that is written, whose buffer is kept: the pieces of a line come faster into memory than through writers.
    line: Vec<u8>,
    header: Option<Header>,
    names: BTreeMap<u32, Entry>,
    now: Time,
    part: u32,
}

/// Reports a panic of the caller's writer to the calls of `flush` that wait.
impl Drop for Writer {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut queue = self.shared.lock();
            queue.is_writing = false;
            queue.error = Some(io::ErrorKind::Other);
            self.shared.idle.notify_all();
        }
    }
}

impl Writer {
    fn run(mut self) {
        while let Some((header, entries)) = self.next() {
            let written = self.write(header, entries);
            let mut queue = self.shared.lock();
            queue.is_writing = false;
            if let Err(error) = written {
                queue.error = Some(error.kind());
            }
            self.shared.idle.notify_all();
        }
    }

    /// Waits for entries; `None` when there will be no more.
    fn next(&mut self) -> Option<(Option<Header>, Log)> {
        let mut queue = self.shared.lock();
        while queue.entries.is_empty() && !queue.is_over {
            queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let is_enough = |queue: &mut Queue| {
            queue.entries.len() < ENOUGH && !queue.is_over && !queue.is_flushing
        };
        let gathered = self.shared.work.wait_timeout_while(queue, GATHER, is_enough);
        let (mut queue, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        queue.is_flushing = false;
        if queue.entries.is_empty() || queue.error.is_some() {
            self.shared.idle.notify_all();
            return None;
        }
        queue.is_writing = true;
        Some((queue.header.take(), queue.take()))
    }

    fn write(&mut self, header: Option<Header>, mut entries: Log) -> io::Result<()> {
        if let Some(header) = header {
            self.line(&header)?;
            self.header = Some(header);
        }
        while let Some(entry) = entries.pop() {
            match &entry {
                Entry::Name(Name(number, _)) | Entry::CutName(Name(number, _)) => {
                    self.names.insert(*number, entry.clone());
                }
                Entry::At(now) => self.now = *now,
                _ => {}
            }
            self.line(&entry)?;
            if self.out.is_full() {
                self.rotate()?;
            }
        }
        self.out.flush()
    }

    fn line(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        self.line.clear();
        line(&mut self.line, value)?;
        self.out.write(&self.line)
    }

    /// Begins another file, with what its entries need of the one before.
    fn rotate(&mut self) -> io::Result<()> {
        let Out::File { path, file, .. } = &mut self.out else { return Ok(()) };
        file.flush()?;
        let mut old = path.clone().into_os_string();
        old.push(".1");
        std::fs::rename(&*path, old)?;
        *file = BufWriter::new(create(path)?);
        self.part = self.part.saturating_add(1);
        if let Some(header) = self.header.clone() {
            self.line(&Header { part: self.part, ..header })?;
        }
        let names = mem::take(&mut self.names);
        names.values().try_for_each(|name| self.line(name))?;
        self.names = names;
        self.line(&Entry::At(self.now))?;
        // Without these: there may be more of them than the file shall have bytes.
        if let Out::File { written, .. } = &mut self.out {
            *written = 0;
        }
        Ok(())
    }
}

impl Out {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Out::Writer(writer) => writer.write_all(line),
            Out::File { file, written, .. } => {
                *written = written.saturating_add(line.len() as u64);
                file.write_all(line)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Writer(writer) => writer.flush(),
            Out::File { file, .. } => file.flush(),
        }
    }

    fn is_full(&self) -> bool {
        matches!(self, Out::File { written, max_bytes, .. } if written >= max_bytes)
    }
}
