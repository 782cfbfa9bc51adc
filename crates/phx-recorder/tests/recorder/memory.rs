//! The peak of the heap at the limits of recordings.

use std::io::{BufReader, Read};
use std::time::Duration;

use allocation_counter::measure;
use phx_proto::{Config, Instant, Payload};
use phx_recorder::{MAX_LINE, MAX_THINGS, RecordingOptions, Ring, RingLimits, Timeline, replay};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn peak(run: impl FnOnce()) -> usize {
    usize::try_from(measure(run).bytes_max).unwrap()
}

fn header() -> String {
    let ring = Ring::new(RingLimits::default());
    drop(ring.record(Config::default(), 1, RecordingOptions::default()));
    let dump = String::from_utf8(ring.dump()).unwrap();
    format!("{}\n", dump.lines().next().unwrap())
}

/// Replays the header and what `rest` gives, which the test doesn't hold in memory. Returns the peak.
fn replayed(rest: impl Read) -> usize {
    let header = header();
    peak(|| drop(replay(BufReader::new(header.as_bytes().chain(rest)))))
}

/// Gives these lines, one at a time.
struct Lines<I>(I, Vec<u8>);

impl<I: Iterator<Item = String>> Read for Lines<I> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.next().map(|line| line + "\n").unwrap_or_default().into_bytes();
        }
        let count = buffer.len().min(self.1.len());
        buffer[..count].copy_from_slice(&self.1[..count]);
        self.1.drain(..count);
        Ok(count)
    }
}

fn lines(lines: impl Iterator<Item = String>) -> usize {
    replayed(Lines(lines, Vec::new()))
}

#[test]
fn the_peak_of_reading_stays_within_its_limits() {
    // A line's buffer exists twice while it grows.
    let endless = replayed(std::io::repeat(b'x').take(64 * MIB as u64));
    assert!(endless > MAX_LINE && endless < 3 * MAX_LINE + 96 * KIB, "{endless}");

    // As many and as long names as there can be, given again and again.
    let name = "x".repeat(512);
    let names = lines((0..20_000).map(|n| format!("{{\"name\":[{},\"{name}\"]}}", n % 4_096)));
    assert!(names > 4_096 * 512 && names < 2 * 4_096 * 512, "{names}");

    // Outputs that the socket hasn't.
    let outputs = lines((0..10_000).map(|n| format!("{{\"deadline\":{n}}}")));
    assert!(outputs < 96 * KIB, "{outputs}");
}

#[test]
fn the_peak_of_stand_ins_for_payloads_is_one_buffer_and_a_frame() {
    let before = ["{\"name\":[1,\"room:a\"]}".to_owned()];
    let channels = (0..100).map(|_| format!("{{\"channel\":[1,{}]}}", 64 * MIB));
    let used = lines(before.into_iter().chain(channels));
    assert!(used < 65 * MIB, "{used}");
}

/// However long it is: of what is gone nothing is kept.
#[test]
fn the_peak_of_a_long_recording_is_that_of_what_lives() {
    let record = |count: u64| {
        let ring = Ring::new(RingLimits::bytes(usize::MAX));
        let mut socket = ring.record(Config::default(), 1, RecordingOptions::default());
        for _ in 0..count {
            let channel = socket.channel("room:a", Payload::empty()).unwrap();
            socket.remove(Instant::EPOCH, channel);
            // A call that comes too late.
            assert!(socket.join(Instant::EPOCH, channel, None).is_err());
        }
        drop(socket);
        let recording = ring.dump();
        peak(|| assert!(replay(&recording[..]).unwrap().is_complete))
    };
    let (short, long) = (record(2_000), record(20_000));
    assert!(long < short + 4 * KIB, "{short} {long}");
}

#[test]
fn the_peak_of_decisions_and_events_that_wait_stays_within_its_limits() {
    let decisions = std::iter::once("\"connect\"".to_owned())
        .chain((0..270_000).map(|_| "{\"decided\":{\"close\":\"stop\"}}".to_owned()));
    let used = lines(decisions);
    // A queue exists twice while it grows.
    assert!(used > 4 * MIB && used < 16 * MIB, "{used}");

    // The settings of this one allow as many events as there are.
    let mut header = header();
    for limit in ["\"max_events\":", "\"max_event_bytes\":"] {
        header = header.replace(limit, &format!("{limit}9"));
    }
    let start = [
        "{\"name\":[1,\"room:a\"]}",
        "\"connect\"",
        "{\"action\":{\"connect\":[1,1]}}",
        "{\"opened\":[1,null]}",
    ];
    let messages = (0..530_000).map(|_| "{\"broadcast\":[1,1,2,20]}");
    let all = start.into_iter().chain(messages).map(str::to_owned);
    let all = Lines(all, Vec::new());
    let used = peak(|| drop(replay(BufReader::new(header.as_bytes().chain(all)))));
    assert!(used > 16 * MIB && used < 128 * MIB, "{used}");

    // Or as many bytes: of a payload that is recorded whole.
    let payload = format!("{{\"len\":60002,\"whole\":\"\\\"{}\\\"\"}}", "x".repeat(60_000));
    let message = format!("{{\"broadcast\":[1,1,{payload},60020]}}");
    let start = start.into_iter().map(str::to_owned);
    let all = Lines(start.chain((0..10_000).map(|_| message.clone())), Vec::new());
    let used = peak(|| drop(replay(BufReader::new(header.as_bytes().chain(all)))));
    assert!(used > 256 * MIB && used < 300 * MIB, "{used}");
}

#[test]
fn the_peak_of_a_timeline_stays_within_its_limits() {
    let header = header();
    // Of each name 256 characters are kept, each as an escape of nine bytes.
    let name = "\u{e0041}".repeat(300);
    let named = move |n| format!("{{\"name\":[1,\"{n}{name}\"]}}");
    let channels = (1..=MAX_THINGS + 100).flat_map(move |n| {
        [
            named(n),
            "{\"channel\":[1,2]}".to_owned(),
            format!("{{\"returned\":{{\"channel\":{n}}}}}"),
        ]
    });
    let requests = (1..=MAX_THINGS + 100).flat_map(|n| {
        [format!("{{\"join\":[{n},null]}}"), format!("{{\"returned\":{{\"request\":{n}}}}}")]
    });
    let all = Lines(channels.chain(requests), Vec::new());
    let mut count = 0;
    let used = peak(|| {
        let recording = BufReader::new(header.as_bytes().chain(all));
        let mut timeline = Timeline::new(recording).unwrap();
        while timeline.next_happening().unwrap().is_some() {
            count += 1;
        }
    });
    assert_eq!(count, 2 * (MAX_THINGS + 100));
    let named = 2 * MAX_THINGS * (256 - 5) * "\\u{e0041}".len();
    assert!(used > named && used < named + 8 * MIB, "{used} of {named}");
}

#[test]
fn the_peak_of_a_ring_stays_within_its_limit() {
    let ring = Ring::new(RingLimits::default());
    let used = peak(|| {
        let mut socket = ring.record(Config::default(), 1, RecordingOptions::default());
        // Short entries first, and then long ones in their place.
        for millis in 0..400_000 {
            socket.handle_timeout(Instant::EPOCH + Duration::from_millis(millis));
        }
        for n in 0..200_000 {
            // The limit of names is reached, too.
            let topic = format!("{}:{}", n % 10_000, "x".repeat(500));
            let channel = socket.channel(topic, Payload::empty()).unwrap();
            socket.remove(Instant::EPOCH, channel);
        }
    });
    assert!(ring.bytes() > 3 * MIB, "the ring isn't full");
    // The queue exists twice while it grows, and names stay longer than the entries that gave them.
    assert!(used < 3 * 4 * MIB, "{used}");
}
