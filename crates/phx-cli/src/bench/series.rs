//! The time series of a run: a CSV file with the figures of each second, written while the run goes on.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_millis;
use phx_tokio::Escaped;

use super::quantiles::Quantiles;
use super::recorder::{StepName, Window};
use crate::plain_file;
use crate::terminal::shown;

/// Times in a file. A run with more seconds has longer intervals.
pub(super) const MAX_TIMES: u32 = 10_000;

/// Characters of a step's name in a row.
pub(super) const MAX_NAME: usize = 100;

/// The name of the sum over all steps.
const ALL: &str = "*";

const COLUMNS: &str = "time,at_s,seconds,users,step,count,per_second,errors,bytes,\
                       min_us,mean_us,p50_us,p90_us,p99_us,p999_us,max_us,p99_once_sent_us";

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Series {
    path: String,
    file: BufWriter<File>,
    every: Duration,
    start: SystemTime,
    /// The end of the last interval, counted from the start.
    last: Duration,
    /// The steps with the names that rows have for them.
    steps: Vec<(StepName, String)>,
    /// What was measured since then.
    windows: Vec<Window>,
    /// Why it can't be written any more. What is to be written after that is dropped.
    failed: Option<String>,
}

impl Series {
    /// Creates the file for a run of this time.
    pub(super) fn create(path: &str, time: Duration) -> Result<Self, String> {
        let mut series = Series {
            path: path.to_owned(),
            file: BufWriter::new(plain_file::create(path)?),
            every: interval(time),
            start: SystemTime::UNIX_EPOCH,
            last: Duration::ZERO,
            steps: Vec::new(),
            windows: Vec::new(),
            failed: None,
        };
        series.write(|file| writeln!(file, "{COLUMNS}"));
        match series.failed {
            None => Ok(series),
            Some(why) => Err(why),
        }
    }

    /// Time between two rows of a step.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// True if an interval that ends at this time is a whole one, but for what timers are early.
    pub(super) fn is_due(&self, at: Duration) -> bool {
        at.saturating_sub(self.last) + Duration::from_millis(500) > self.every
    }

    pub(super) fn begin(&mut self, steps: &[StepName], start: SystemTime) {
        self.steps = steps.iter().map(|step| (step.clone(), field(&step.name))).collect();
        self.windows = steps.iter().map(|_| Window::new()).collect();
        self.start = start;
    }

    /// Counts what was measured, in the interval that goes on.
    pub(super) fn add(&mut self, windows: &[Window]) {
        for (sum, window) in self.windows.iter_mut().zip(windows) {
            sum.add(window);
        }
    }

    /// Ends an interval at this time since the start, with a row for all steps and one for each.
    pub(super) fn row(&mut self, at: Duration, users: u64) {
        let seconds = at.saturating_sub(self.last).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        self.last = at;
        let fresh = self.steps.iter().map(|_| Window::new()).collect();
        let windows = std::mem::replace(&mut self.windows, fresh);
        let mut all = Window::new();
        for ((step, _), window) in self.steps.iter().zip(&windows) {
            all.add_step(step, window);
        }
        let time = self.start.checked_add(at).unwrap_or(self.start);
        let start =
            format!("{},{:.3},{seconds:.3},{users}", format_rfc3339_millis(time), at.as_secs_f64());
        let names: Vec<String> = self.steps.iter().map(|(_, name)| name.clone()).collect();
        self.write(|file| {
            let names = std::iter::once(ALL).chain(names.iter().map(String::as_str));
            for (name, window) in names.zip(std::iter::once(&all).chain(&windows)) {
                writeln!(file, "{start},{name},{}", figures(window, seconds))?;
            }
            Ok(())
        });
    }

    /// Ends the file, and returns why it isn't complete, if it isn't.
    pub(super) fn end(self) -> Result<(), String> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Writes and flushes something. After an error nothing is written any more.
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if self.failed.is_some() {
            return;
        }
        let written = write(&mut self.file).and_then(|()| self.file.flush());
        if let Err(error) = written {
            self.failed = Some(format!("can't write {}: {error}", shown(&self.path)));
        }
    }
}

/// A second, or more for a run of so many seconds that its file would grow without end.
fn interval(time: Duration) -> Duration {
    (time / MAX_TIMES).max(Duration::from_secs(1))
}

/// The columns of counts and latencies. Latencies of nothing are empty.
#[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
fn figures(window: &Window, seconds: f64) -> String {
    let (count, errors, bytes) = (window.latencies.len(), window.failures(), window.bytes);
    let per_second = count as f64 / seconds;
    let counts = format!("{count},{per_second:.3},{errors},{bytes}");
    match Quantiles::of(&window.latencies) {
        None => format!("{counts},,,,,,,,"),
        Some(Quantiles { min, mean, p50, p90, p99, p999, max }) => {
            let sent = window.uncorrected.value_at_quantile(0.99);
            format!("{counts},{min},{mean:.1},{p50},{p90},{p99},{p999},{max},{sent}")
        }
    }
}

/// A name as a field of CSV (RFC 4180): cut, with control characters escaped, and never a formula of a spreadsheet.
fn field(name: &str) -> String {
    let mut name = Escaped::short(name, MAX_NAME).to_string();
    if name.starts_with(['=', '+', '-', '@']) {
        name.insert(0, '\'');
    }
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn rows_have_what_their_interval_has() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("series.csv").display().to_string();
        let mut series = Series::create(&path, Duration::from_secs(2)).unwrap();
        let steps = [("join, then", false), ("push", true)]
            .map(|(name, is_push)| StepName { name: name.to_owned(), is_push });
        series.begin(&steps, SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
        let window = |latencies: &[u64], errors| {
            let mut window = Window::new();
            for latency in latencies {
                window.latencies.record(*latency).unwrap();
                window.uncorrected.record(latency / 2).unwrap();
                window.bytes += 10;
            }
            if errors > 0 {
                window.count("timed out", errors);
            }
            window
        };
        series.add(&[window(&[1_000], 1), window(&[100, 300], 0)]);
        series.add(&[window(&[], 0), window(&[200], 2)]);
        series.row(Duration::from_millis(1_500), 7);
        series.row(Duration::from_millis(1_500), 7);
        series.row(Duration::from_secs(2), 8);
        series.end().unwrap();
        let text = fs::read_to_string(path).unwrap();
        let start = "1970-01-02T00:00:01.500Z,1.500,1.500,7";
        let last = "1970-01-02T00:00:02.000Z,2.000,0.500,8";
        let expected = [
            COLUMNS.to_owned(),
            format!("{start},*,3,2.000,3,30,100,200.0,200,300,300,300,300,150"),
            format!("{start},\"join, then\",1,0.667,1,10,1000,1000.0,1000,1000,1000,1000,1000,500"),
            format!("{start},push,3,2.000,2,30,100,200.0,200,300,300,300,300,150"),
            format!("{last},*,0,0.000,0,0,,,,,,,,"),
            format!("{last},\"join, then\",0,0.000,0,0,,,,,,,,"),
            format!("{last},push,0,0.000,0,0,,,,,,,,"),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let columns = COLUMNS.split(',').count();
        assert!(expected[4..].iter().all(|row| row.matches(',').count() >= columns - 1));
    }

    #[test]
    fn names_stay_in_their_field() {
        for (name, expected) in [
            ("push echo", "push echo"),
            ("a\"b,c", "\"a\"\"b,c\""),
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("a\nb\u{1b}[2J", "a\\nb\\u{1b}[2J"),
        ] {
            assert_eq!(field(name), expected);
        }
        let long = field(&"x,".repeat(100_000));
        assert!(long.len() < 2 * MAX_NAME && long.contains("bytes more"), "{long}");
    }

    #[test]
    fn a_long_run_has_no_more_rows_than_a_short_one() {
        let interval = |seconds| interval(Duration::from_secs(seconds)).as_secs_f64();
        assert_eq!([0, 1, 10_000, 20_000].map(interval), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(interval(10_000_000), 1_000.0);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("series.csv").display().to_string();
        let mut series = Series::create(&path, Duration::from_secs(30_000)).unwrap();
        series.row(Duration::from_secs(3), 0);
        let due = [4.0, 5.0, 5.99, 6.0].map(|at| series.is_due(Duration::from_secs_f64(at)));
        assert_eq!(due, [false, false, true, true]);
    }
}
