//! Reads the log of a run. It may come from anywhere, so that everything in it has a limit, and nothing of it is quoted by errors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _};
use std::time::Duration;

use hdrhistogram::Histogram;
use phx_tokio::Escaped;
use serde::de::DeserializeOwned;

use super::{END, End, FORMAT, INTERVAL, Interval, RUN, Run, SENT, START, STEPS, TaggedStep};
use crate::bench::hdr;
use crate::bench::recorder::Window;
use crate::plain_file;
use crate::terminal::shown;

/// Bytes of a log.
const MAX_LOG: u64 = 1 << 30;

/// Bytes of one of its lines. An encoded histogram has 290,000 at most.
const MAX_LINE: usize = 1 << 20;

/// Steps of a log. The sums of each take 370 KiB.
const MAX_STEPS: usize = 256;

/// Characters of a name in a log: of a step, a kind of errors, the URL or the event.
const MAX_NAME: usize = 500;

/// Largest number of failures of a kind in an interval, and of everything else that is counted.
const MAX_COUNT: u64 = 1 << 48;

/// Microseconds of a run: ten years.
const MAX_TIME: u64 = 316_224_000_000_000;

/// A log of a run, open for reading.
#[derive(Debug)]
pub(in crate::bench) struct Log {
    file: File,
    name: String,
    head: Head,
}

/// What a log says beside its histograms.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Head {
    pub(in crate::bench) run: Run,
    pub(in crate::bench) steps: Vec<TaggedStep>,
    /// When the measurement began, since the Unix epoch; `None` if it never did.
    pub(in crate::bench) start: Option<Duration>,
    /// The end of the last interval that was written, since the start.
    pub(in crate::bench) took: Duration,
    /// `None` if the log stops before its end.
    pub(in crate::bench) end: Option<End>,
}

/// What a log says of an interval.
#[derive(Debug)]
pub(in crate::bench) struct Part {
    /// Since the start of this log.
    pub(in crate::bench) from: Duration,
    pub(in crate::bench) to: Duration,
    /// By the number of the step; steps that nothing was measured of are left out.
    pub(in crate::bench) windows: BTreeMap<usize, Window>,
}

impl Log {
    /// Opens a log, and reads all of it but the histograms.
    pub(in crate::bench) fn open(path: &str) -> Result<Self, String> {
        let mut file = plain_file::open(path)?;
        let name = shown(path);
        let head = read(&mut file, &name, None)?;
        Ok(Log { file, name, head })
    }

    /// The name of the file, for people.
    pub(in crate::bench) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::bench) fn head(&self) -> &Head {
        &self.head
    }

    /// Passes on each interval. What a dead worker left after the last whole one is left out.
    pub(in crate::bench) fn parts(&mut self, each: &mut dyn FnMut(&Part)) -> Result<(), String> {
        let rewound = self.file.rewind();
        rewound.map_err(|error| format!("can't read {} again: {error}", self.name))?;
        let head = read(&mut self.file, &self.name, Some(each))?;
        // The steps show which windows are whose.
        if head.steps != self.head.steps {
            return Err(format!("{} was changed while it was read", self.name));
        }
        Ok(())
    }
}

/// Reads a log, and the histograms in it if somebody takes them.
fn read(
    file: &mut impl Read,
    name: &str,
    mut each: Option<&mut dyn FnMut(&Part)>,
) -> Result<Head, String> {
    let mut input = BufReader::new(file.take(MAX_LOG + 1));
    let mut reader = Reader::default();
    let mut line = Vec::new();
    let (mut number, mut bytes) = (0_u64, 0);
    loop {
        line.clear();
        number += 1;
        let at = |why: String| format!("{name}, line {number}: {why}");
        let limit = u64::try_from(MAX_LINE + 1).unwrap_or(u64::MAX);
        let read = input.by_ref().take(limit).read_until(b'\n', &mut line);
        bytes += read.map_err(|error| format!("can't read {name}: {error}"))? as u64;
        if line.len() > MAX_LINE {
            return Err(at(format!("it holds more than {} KiB", MAX_LINE >> 10)));
        }
        if bytes > MAX_LOG {
            return Err(format!("{name} holds more than {} MiB", MAX_LOG >> 20));
        }
        // A last line without its end was being written when the worker died.
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let text = str::from_utf8(line).map_err(|_| at("it isn't UTF-8".to_owned()))?;
        if let Some(part) = reader.line(text, each.is_some()).map_err(at)?
            && let Some(each) = &mut each
        {
            each(&part);
        }
    }
    reader.head().ok_or_else(|| format!("{name} isn't a log that `phx bench --hdr` wrote"))
}

/// What the lines so far said.
#[derive(Debug, Default)]
struct Reader {
    run: Option<Run>,
    steps: Option<Vec<TaggedStep>>,
    start: Option<Duration>,
    took_us: u64,
    end: Option<End>,
    /// Of the interval whose comment hasn't come yet.
    latencies: BTreeMap<usize, Histogram<u64>>,
    uncorrected: BTreeMap<usize, Histogram<u64>>,
}

impl Reader {
    /// Takes a line. Comments of other programs, and the names of the columns, say nothing.
    fn line(&mut self, line: &str, with_histograms: bool) -> Result<Option<Part>, String> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.run.is_none() {
            // Anything might be in a file that is no log.
            return match comment::<Run>(line, RUN) {
                Some(run) => self.begin(run?).map(|()| None),
                None if line.starts_with('#') => Ok(None),
                None => Err("expected a log that `phx bench --hdr` wrote".to_owned()),
            };
        }
        if self.end.is_some() && !line.is_empty() {
            return Err("expected nothing after the comment that the run is over".to_owned());
        }
        if let Some(steps) = comment(line, STEPS) {
            return self.steps(steps?).map(|()| None);
        }
        if let Some(rest) = line.strip_prefix(START) {
            return self.start(rest).map(|()| None);
        }
        if let Some(interval) = comment(line, INTERVAL) {
            return self.interval(interval?, with_histograms);
        }
        if let Some(end) = comment::<End>(line, END) {
            self.end = Some(checked_end(end?)?);
            return Ok(None);
        }
        match line.strip_prefix("Tag=") {
            Some(rest) => self.histogram(rest, with_histograms).map(|()| None),
            None if line.is_empty() || line.starts_with(['#', '"']) => Ok(None),
            None => Err("expected a comment or a histogram with the tag of a step".to_owned()),
        }
    }

    fn begin(&mut self, mut run: Run) -> Result<(), String> {
        if run.format != FORMAT {
            return Err(format!("expected version {FORMAT} of the comments of phx bench"));
        }
        if run.worker.is_some_and(|worker| !worker.is_valid()) {
            return Err("expected a worker from 1 to the number of workers".to_owned());
        }
        let plan = &mut run.plan;
        let event = plan.pushes.as_mut().map(|pushes| &mut pushes.event);
        for name in [&mut plan.url, &mut plan.words, &mut run.phx].into_iter().chain(event) {
            *name = short(name);
        }
        plan.start_at = plan.start_at.as_deref().map(short);
        self.run = Some(run);
        Ok(())
    }

    fn steps(&mut self, mut steps: Vec<TaggedStep>) -> Result<(), String> {
        if self.steps.is_some() {
            return Err("expected the steps once".to_owned());
        }
        if steps.len() > MAX_STEPS {
            return Err(format!("expected at most {MAX_STEPS} steps"));
        }
        for step in &mut steps {
            step.name = short(&step.name);
        }
        self.steps = Some(steps);
        Ok(())
    }

    fn start(&mut self, rest: &str) -> Result<(), String> {
        let seconds = rest.split(' ').next().and_then(|seconds| seconds.parse::<f64>().ok());
        let start = seconds.filter(|seconds| *seconds < 1e11);
        let start = start.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let expected = || "expected one start time, in seconds since the Unix epoch".to_owned();
        if self.start.is_some() {
            return Err(expected());
        }
        self.start = Some(start.ok_or_else(expected)?);
        Ok(())
    }

    /// A histogram, in the columns tag, start, length, maximum, histogram.
    fn histogram(&mut self, rest: &str, is_wanted: bool) -> Result<(), String> {
        let columns: Vec<&str> = rest.splitn(5, ',').collect();
        let [tag, _, _, _, text] = columns[..] else {
            return Err("expected five columns".to_owned());
        };
        let (tag, is_sent) = match tag.strip_suffix(SENT) {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let step = self.step(tag)?;
        if is_wanted {
            let histogram = hdr::decode(text).map_err(|error| error.to_string())?;
            let histograms = if is_sent { &mut self.uncorrected } else { &mut self.latencies };
            if histograms.insert(step, histogram).is_some() {
                return Err("expected one histogram of each step in an interval".to_owned());
            }
        }
        Ok(())
    }

    /// The place of the step with this tag.
    fn step(&self, tag: &str) -> Result<usize, String> {
        let steps = self.steps.iter().flatten();
        let step = steps.enumerate().find(|(_, step)| step.tag == tag);
        let expected = || "expected the tag of a step that a comment before named".to_owned();
        step.map(|(number, _)| number).ok_or_else(expected)
    }

    /// The end of an interval, whose histograms came before.
    fn interval(&mut self, interval: Interval, is_wanted: bool) -> Result<Option<Part>, String> {
        if interval.to_us < self.took_us || interval.to_us > MAX_TIME || self.start.is_none() {
            return Err("expected an interval after the one before, or after the start".to_owned());
        }
        let from = Duration::from_micros(self.took_us);
        self.took_us = interval.to_us;
        let mut windows: BTreeMap<usize, Window> = BTreeMap::new();
        for (tag, errors) in interval.errors {
            let window = windows.entry(self.step(&tag)?).or_insert_with(Window::new);
            for (kind, count) in errors {
                if count > MAX_COUNT {
                    return Err("expected counts of errors that a run can have".to_owned());
                }
                window.count(&short(&kind), count);
            }
        }
        if !is_wanted {
            return Ok(None);
        }
        let mut uncorrected = std::mem::take(&mut self.uncorrected);
        for (step, latencies) in std::mem::take(&mut self.latencies) {
            let window = windows.entry(step).or_insert_with(Window::new);
            // The log leaves them out where they are the same.
            window.uncorrected = uncorrected.remove(&step).unwrap_or_else(|| latencies.clone());
            window.latencies = latencies;
        }
        for (tag, bytes) in interval.bytes {
            if let Some(window) = windows.get_mut(&self.step(&tag)?) {
                window.bytes = bytes.min(MAX_COUNT);
            }
        }
        Ok(Some(Part { from, to: Duration::from_micros(interval.to_us), windows }))
    }

    fn head(self) -> Option<Head> {
        Some(Head {
            run: self.run?,
            steps: self.steps.unwrap_or_default(),
            start: self.start,
            took: Duration::from_micros(self.took_us),
            end: self.end,
        })
    }
}

fn checked_end(end: End) -> Result<End, String> {
    let End { before_us, reconnects, traffic, generator, .. } = end;
    let (connecting_us, joining_us) = before_us.unwrap_or_default();
    let super::Traffic { sent, received, wire_sent, wire_received } = traffic;
    let counts = [reconnects, sent, received, wire_sent, wire_received];
    let own_times = generator.map_or([0; 5], |own| {
        let cpu_us = own.cpu_us.unwrap_or(0);
        [own.lag_p50_us, own.lag_p99_us, own.lag_max_us, own.over_us, cpu_us]
    });
    let are_possible = counts.iter().all(|count| *count <= MAX_COUNT)
        && [connecting_us, joining_us].iter().chain(&own_times).all(|time| *time <= MAX_TIME);
    if are_possible { Ok(end) } else { Err("expected figures that a run can have".to_owned()) }
}

/// The value in a comment of this program with this word; `None` if it is something else.
fn comment<T: DeserializeOwned>(line: &str, word: &str) -> Option<Result<T, String>> {
    let json = line.strip_prefix(word)?;
    let value = json.strip_suffix(']').and_then(|json| serde_json::from_str(json).ok());
    Some(value.ok_or_else(|| "the comment of phx bench can't be read".to_owned()))
}

/// A name that came with a log, so that it can be shown.
fn short(name: &str) -> String {
    Escaped::short(name, MAX_NAME).to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use allocation_counter::measure;

    use super::*;
    use crate::bench::plan::Plan;
    use crate::bench::recorder::StepName;
    use crate::bench::run_log::RunLog;
    use crate::bench::worker::Worker;

    fn plan() -> Plan {
        serde_json::from_str(
            r#"{"url":"ws://localhost/socket","words":"a load","duration_s":1.0,"start_at":null,"pushes":null}"#,
        )
        .unwrap()
    }

    /// Writes a log of two steps and two intervals, and returns its text.
    fn written(path: &str) -> String {
        let worker = Some(Worker { number: 1, of: 2 });
        let mut log = RunLog::create(path, worker, &plan()).unwrap();
        let steps = ["join", "push echo"]
            .map(|name| StepName { name: name.to_owned(), is_push: name != "join" });
        log.begin(&steps, std::time::UNIX_EPOCH + Duration::from_millis(1_500));
        let mut windows = [Window::new(), Window::new()];
        windows[1].latencies.record_n(1_000, 3).unwrap();
        windows[1].uncorrected.record_n(900, 3).unwrap();
        windows[1].bytes = 30;
        windows[0].count("timed out", 2);
        log.interval(Duration::ZERO, Duration::from_millis(100), &windows);
        windows[1].uncorrected = windows[1].latencies.clone();
        log.interval(Duration::from_millis(100), Duration::from_millis(250), &windows);
        log.end(&End { reconnects: 7, ..End::default() }).unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("log").display().to_string();
        written(&path);
        let mut log = Log::open(&path).unwrap();
        let head = log.head().clone();
        assert_eq!((head.run.plan, head.run.worker.unwrap().of), (plan(), 2));
        assert_eq!((head.start, head.took.as_millis()), (Some(Duration::from_millis(1_500)), 250));
        assert_eq!(head.end.unwrap().reconnects, 7);
        let mut parts = Vec::new();
        log.parts(&mut |part| {
            let (join, push) = (&part.windows[&0], &part.windows[&1]);
            assert_eq!((join.errors["timed out"], join.latencies.len(), push.bytes), (2, 0, 30));
            let (due, sent) = (push.latencies.max(), push.uncorrected.max());
            parts.push((part.from.as_millis(), part.to.as_millis(), due, sent));
        })
        .unwrap();
        assert_eq!(parts, [(0, 100, 1_000, 900), (100, 250, 1_000, 1_000)]);
    }

    /// A worker may die at any byte.
    #[test]
    fn a_log_that_is_cut_off_anywhere_has_no_end_and_its_whole_intervals() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("log").display().to_string();
        let text = written(&path);
        let begun = text.find(STEPS).unwrap();
        for cut in (0..text.len()).step_by(5) {
            fs::write(&path, &text[..cut]).unwrap();
            let log = Log::open(&path);
            // Its last line has no end yet.
            if cut < begun {
                assert!(log.is_err(), "{cut}");
                continue;
            }
            let mut log = log.unwrap();
            assert_eq!(log.head().end, None, "{cut}");
            let (mut count, whole) = (0, text[..cut].matches("\n#[phx interval ").count());
            log.parts(&mut |_| count += 1).unwrap();
            assert!(count == whole || count + 1 == whole, "{cut}: {count} of {whole}");
        }
    }

    #[test]
    fn hostile_logs_are_refused_without_being_quoted() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("log").display().to_string();
        let text = written(&path);
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        let many: Vec<String> = (0..=MAX_STEPS)
            .map(|n| format!(r#"{{"tag":"{n}","name":"hush","is_push":true}}"#))
            .collect();
        let many = format!("{STEPS}[{}]]\n{STEPS}", many.join(","));
        let huge = format!("\":{}}}}}", MAX_COUNT + 1);
        let end = "#[phx end ";
        for (log, why) in [
            (String::new(), "isn't a log"),
            ("#[hush]\n".to_owned(), "isn't a log"),
            ("hush\n".to_owned(), "line 1: expected a log"),
            (with("\"format\":1", "\"format\":2"), "version 1"),
            (with("\"number\":1", "\"number\":3"), "a worker from 1"),
            (with("\"number\":1", "\"number\":-1"), "can't be read"),
            (with("\"url\":", "\"hush\":"), "can't be read"),
            (with(STEPS, &many), "at most 256 steps"),
            (with(STEPS, &format!("{STEPS}[]]\n{STEPS}")), "the steps once"),
            (with("#[StartTime: 1.5", "#[StartTime: -1"), "one start time"),
            (with("#[StartTime: 1.5", "#[StartTime: 1e300"), "one start time"),
            (with("#[StartTime: 1.5", "#[StartTime: hush"), "one start time"),
            (with("#[StartTime: 1.5", "#[StartTime: 1\n#[StartTime: 1.5"), "one start time"),
            (with("#[StartTime: 1.5", "#[hush: 1"), "an interval after"),
            (with("Tag=push_echo,", "Tag=hush,"), "the tag of a step"),
            (with("Tag=push_echo,", "Tag=push_echo,HIST\nTag=push_echo,"), "five columns"),
            (with(",HIST", ",hush"), "the histogram can't be used"),
            (with("Tag=push_echo/sent,", "Tag=push_echo,"), "one histogram of each step"),
            (with("\"to_us\":250000", "\"to_us\":99999"), "an interval after"),
            (with("\"to_us\":250000", "\"to_us\":18446744073709551615"), "an interval after"),
            (with("\"to_us\":250000", "\"to_us\":1e30"), "can't be read"),
            (with("{\"timed out\":2}}", &format!("{{\"hush{huge}")), "counts of errors"),
            (with("{\"join\":{", "{\"hush\":{"), "the tag of a step"),
            (
                with("\"reconnects\":7", "\"reconnects\":18446744073709551615"),
                "that a run can have",
            ),
            (
                with(
                    "\"generator\":null",
                    "\"generator\":{\"lag_p50_us\":1,\"lag_p99_us\":18446744073709551615,\"lag_max_us\":1,\"cpu_us\":null,\"over_us\":1,\"cores\":1}",
                ),
                "that a run can have",
            ),
            (with(end, "hush\n#[phx end "), "expected a comment or a histogram"),
            (format!("{text}{text}"), "nothing after"),
            (with(end, &format!("#{}\n{end}", "x".repeat(MAX_LINE))), "more than 1024 KiB"),
            (with(end, &format!("#{}{end}", "x".repeat(3 * MAX_LINE))), "more than 1024 KiB"),
        ] {
            fs::write(&path, &log).unwrap();
            let used = measure(|| {
                let read = Log::open(&path).and_then(|mut log| log.parts(&mut |_| {}));
                let error = read.expect_err(why);
                assert!(error.contains(why), "{why}: {error}");
                assert!(!error.contains("hush"), "{error}");
            });
            assert!(used.bytes_max < 8_000_000, "{why}: {used:?}");
        }
        fs::write(&path, [b"#\xff\n", text.as_bytes()].concat()).unwrap();
        assert!(Log::open(&path).unwrap_err().contains("line 1: it isn't UTF-8"));
    }

    /// Lines that go on for ever.
    struct Endless;

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b'#');
            if let Some(last) = buffer.last_mut() {
                *last = b'\n';
            }
            Ok(buffer.len())
        }
    }

    /// A file of one line, which takes no space, and one of many lines.
    #[test]
    fn a_log_without_end_is_refused() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("log").display().to_string();
        written(&path);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(MAX_LOG * 1_000).unwrap();
        let used = measure(|| {
            let error = Log::open(&path).unwrap_err();
            assert!(error.contains("more than 1024 KiB"), "{error}");
        });
        assert!(used.bytes_max < 8 * MAX_LINE as u64, "{used:?}");
        let error = read(&mut Endless, "it", None).unwrap_err();
        assert_eq!(error, "it holds more than 1024 MiB");
    }
}
