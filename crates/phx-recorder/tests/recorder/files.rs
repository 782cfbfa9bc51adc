//! Recordings in files: for their owner alone, never through a link, rotated, and no burden for the session.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::{env, fs, process};

use allocation_counter::measure;
use phx_proto::{Config, Instant, Payload, Socket};
use phx_recorder::{Recorder, RecordingFile, ReplayError, Ring, RingLimits, replay};

/// A directory of one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("phx-recorder-{test}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Makes channels with new topics, and removes them.
fn run(socket: &mut Socket, from: usize, count: usize) {
    for n in from..from + count {
        let channel = socket.channel(format!("room:{n}"), Payload::empty()).unwrap();
        socket.remove(Instant::EPOCH, channel);
    }
}

#[test]
fn a_session_is_written_and_replayed() {
    let directory = Directory::new("written");
    let path = directory.0.join("night.jsonl");
    let file = RecordingFile::create(&path).unwrap();
    let mut socket = Recorder::from(file.clone()).socket(Config::default(), 1);
    run(&mut socket, 0, 5_000);
    drop(socket);
    file.flush().unwrap();
    assert_eq!(file.lost(), 0);
    let replayed = replay(&fs::read(&path).unwrap()[..]).unwrap();
    assert!(replayed.is_complete && replayed.outputs >= 10_000, "{replayed:?}");
}

/// A second session would be a second header in the middle.
#[test]
fn a_file_has_one_session() {
    let directory = Directory::new("one");
    let path = directory.0.join("night.jsonl");
    let file = RecordingFile::create(&path).unwrap();
    for _ in 0..2 {
        run(&mut Recorder::from(file.clone()).socket(Config::default(), 1), 0, 3);
    }
    file.flush().unwrap();
    assert!(replay(&fs::read(&path).unwrap()[..]).unwrap().is_complete);
}

#[cfg(unix)]
#[test]
fn it_is_its_owners_alone_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let directory = Directory::new("owner");
    let path = directory.0.join("night.jsonl");
    RecordingFile::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let exists = RecordingFile::create(&path).unwrap_err();
    assert_eq!(exists.kind(), io::ErrorKind::AlreadyExists);
    let (target, link) = (directory.0.join("target"), directory.0.join("link"));
    symlink(&target, &link).unwrap();
    let refused = RecordingFile::create(&link).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert!(!target.exists());

    // So it is for what a ring held.
    let ring = Ring::new(RingLimits::default());
    run(&mut Recorder::from(ring.clone()).socket(Config::default(), 1), 0, 3);
    for taken in [&path, &link] {
        let refused = ring.dump_to_file(taken).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }
    assert!(!target.exists());
    let dumped = directory.0.join("ring.jsonl");
    ring.dump_to_file(&dumped).unwrap();
    assert_eq!(fs::metadata(&dumped).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(replay(&fs::read(&dumped).unwrap()[..]).unwrap().is_complete);
}

#[test]
fn a_full_file_makes_room_for_the_next() {
    let directory = Directory::new("rotated");
    let path = directory.0.join("night.jsonl");
    let file = RecordingFile::create_with(&path, 10_000).unwrap();
    let mut socket = Recorder::from(file.clone()).socket(Config::default(), 1);
    run(&mut socket, 0, 1_000);
    drop(socket);
    file.flush().unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&directory.0).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["night.jsonl", "night.jsonl.1"]);
    // Beside what the entries need: the header and the names.
    let length = fs::metadata(directory.0.join("night.jsonl.1")).unwrap().len();
    assert!(length > 10_000 && length < 10_000 + 3_000 + 1_000 * 40, "{length}");
    let later = replay(&fs::read(&path).unwrap()[..]).unwrap_err();
    assert!(matches!(later, ReplayError::Gap { line: 1, .. }), "{later}");
}

/// A writer that blocks until the test lets it go on.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    may_go_on: bool,
    bytes: Vec<u8>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let mut state = changed.wait_while(state, |state| !state.may_go_on).unwrap();
        state.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_stands_still_holds_nothing_up() {
    let disk = Disk::default();
    let file = RecordingFile::to_writer(disk.clone()).unwrap();
    let mut socket = Recorder::from(file.clone()).socket(Config::default(), 1);
    let mut count = 0;
    // On this thread: the other one stands still.
    let used = measure(|| {
        while file.lost() == 0 {
            run(&mut socket, count, 1_000);
            count += 1_000;
            assert!(count < 1_000_000, "nothing is ever lost");
        }
        run(&mut socket, count, 10_000);
    });
    // Entries wait up to 8 MiB, and their queue exists twice while it grows.
    assert!(used.bytes_max > 8 << 20 && used.bytes_max < 20 << 20, "{used:?}");
    disk.0.0.lock().unwrap().may_go_on = true;
    disk.0.1.notify_all();
    file.flush().unwrap();
    let written = || String::from_utf8(disk.0.0.lock().unwrap().bytes.clone()).unwrap();
    let gaps = |recording: &str| -> Vec<u64> {
        recording
            .lines()
            .filter_map(|line| line.strip_prefix("{\"gap\":")?.strip_suffix("}")?.parse().ok())
            .collect()
    };
    // A program that ends here leaves a file that says so.
    assert_eq!(gaps(&written()), [file.lost()]);
    run(&mut socket, 0, 10);
    drop(socket);
    file.flush().unwrap();

    let recording = written();
    assert_eq!(gaps(&recording), [file.lost()]);
    let error = replay(recording.as_bytes()).unwrap_err();
    assert!(matches!(error, ReplayError::Gap { .. }), "{error}");
}

#[derive(Debug)]
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fails_is_an_error_of_flush_alone() {
    let file = RecordingFile::to_writer(Broken).unwrap();
    let mut socket = Recorder::from(file.clone()).socket(Config::default(), 1);
    run(&mut socket, 0, 10);
    assert_eq!(file.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    run(&mut socket, 0, 10);
    drop(socket);
    assert_eq!(file.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(file.lost() > 10);
}

/// A writer with a bug.
struct Panics;

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("a bug in a writer of the test")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_panics_is_an_error_and_nobody_waits_for_it() {
    let file = RecordingFile::to_writer(Panics).unwrap();
    let mut socket = Recorder::from(file.clone()).socket(Config::default(), 1);
    run(&mut socket, 0, 10);
    assert_eq!(file.flush().unwrap_err().kind(), io::ErrorKind::Other);
    run(&mut socket, 0, 10);
    drop(socket);
    assert_eq!(file.flush().unwrap_err().kind(), io::ErrorKind::Other);
    assert!(file.lost() > 10);
}

/// A writer that waits for itself, as a program's panic hook may when it panics.
#[derive(Clone, Default)]
struct Flushes(Arc<Mutex<(Option<RecordingFile>, Option<io::ErrorKind>)>>);

impl Write for Flushes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (file, kind) = &mut *self.0.lock().unwrap();
        *kind = file.take().and_then(|file| file.flush().err()).map(|error| error.kind()).or(*kind);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_thread_that_writes_does_not_wait_for_itself() {
    let writer = Flushes::default();
    let file = RecordingFile::to_writer(writer.clone()).unwrap();
    writer.0.lock().unwrap().0 = Some(file.clone());
    run(&mut Recorder::from(file.clone()).socket(Config::default(), 1), 0, 10);
    file.flush().unwrap();
    assert_eq!(writer.0.lock().unwrap().1, Some(io::ErrorKind::WouldBlock));
}
