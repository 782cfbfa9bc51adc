//! The figures of a run so far in Prometheus's text format: a file that is replaced each second, and an endpoint.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use phx_tokio::Escaped;

use super::endpoint::Endpoint;
use super::recorder::{StepName, Window};
use crate::plain_file;
use crate::terminal::shown;

/// Characters of a step's name in a label.
const MAX_LABEL: usize = 100;

/// Upper bounds of the buckets of latencies, in microseconds and as Prometheus writes them in seconds.
const BUCKETS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// The figures so far, with where they are written.
#[derive(Debug)]
pub(super) struct Metrics {
    /// A file that is replaced.
    path: Option<String>,
    endpoint: Option<Endpoint>,
    /// The labels of the steps.
    labels: Vec<String>,
    /// What was measured so far.
    windows: Vec<Window>,
    /// Why the file can't be written any more. What is to be written after that is dropped.
    failed: Option<String>,
}

impl Metrics {
    /// Creates the file and the endpoint, so that what can't be used is an error before anything runs; `None` without both.
    pub(super) fn create(
        path: Option<&str>,
        address: Option<SocketAddr>,
    ) -> Result<Option<Self>, String> {
        if let Some(path) = path {
            drop(plain_file::create(path)?);
            drop(plain_file::create(&beside(path))?);
        }
        let endpoint = address.map(Endpoint::listen).transpose()?;
        let path = path.map(str::to_owned);
        if path.is_none() && endpoint.is_none() {
            return Ok(None);
        }
        let (labels, windows) = (Vec::new(), Vec::new());
        let mut metrics = Metrics { path, endpoint, labels, windows, failed: None };
        metrics.replace(0, true);
        match metrics.failed {
            None => Ok(Some(metrics)),
            Some(why) => Err(why),
        }
    }

    pub(super) fn begin(&mut self, steps: &[StepName]) {
        self.labels = labels(steps);
        self.windows = steps.iter().map(|_| Window::new()).collect();
    }

    /// Counts what was measured.
    pub(super) fn add(&mut self, windows: &[Window]) {
        for (sum, window) in self.windows.iter_mut().zip(windows) {
            sum.add(window);
        }
    }

    /// Replaces the file, and what the endpoint answers, by the figures so far. After an error the file isn't written
    /// any more.
    pub(super) fn replace(&mut self, users: u64, is_running: bool) {
        let text = text(&self.labels, &self.windows, users, is_running);
        if let Some(endpoint) = &self.endpoint {
            endpoint.replace(&text);
        }
        let Some(path) = self.path.as_deref().filter(|_| self.failed.is_none()) else { return };
        if let Err(why) = write(path, &text) {
            self.failed = Some(why);
        }
    }

    /// Writes that the run is over, and returns why the file isn't complete, if it isn't.
    pub(super) fn end(mut self) -> Result<(), String> {
        self.replace(0, false);
        self.failed.map_or(Ok(()), Err)
    }
}

/// The name of the file that takes its place: whoever reads it sees a whole one.
fn beside(path: &str) -> String {
    format!("{path}.tmp")
}

fn write(path: &str, text: &str) -> Result<(), String> {
    let new = beside(path);
    let why = |error: io::Error| format!("can't write {}: {error}", shown(path));
    let mut file = plain_file::create(&new)?;
    file.write_all(text.as_bytes()).map_err(why)?;
    drop(file);
    std::fs::rename(&new, path).map_err(why)
}

/// The names of the steps as labels, no two of which are the same.
fn labels(steps: &[StepName]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for step in steps {
        let label = label(&Escaped::short(&step.name, MAX_LABEL).to_string());
        let is_taken = labels.contains(&label);
        let number = labels.len() + 1;
        labels.push(if is_taken { format!("{label} ({number})") } else { label });
    }
    labels
}

/// A value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn text(labels: &[String], windows: &[Window], users: u64, is_running: bool) -> String {
    let mut text = String::new();
    let mut line = |written: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "{written}");
    };
    let running = u8::from(is_running);
    line(format_args!("# HELP phx_bench_running 1 while the run goes on, and 0 after it."));
    line(format_args!("# TYPE phx_bench_running gauge\nphx_bench_running {running}"));
    line(format_args!("# HELP phx_bench_users Users; without a scenario, connected sockets."));
    line(format_args!("# TYPE phx_bench_users gauge\nphx_bench_users {users}"));
    let steps = || labels.iter().zip(windows);

    line(format_args!("# HELP phx_bench_errors_total Steps that failed, by class."));
    line(format_args!("# TYPE phx_bench_errors_total counter"));
    for (step, window) in steps() {
        for (class, count) in &window.errors {
            let class = label(class);
            line(format_args!(
                "phx_bench_errors_total{{step=\"{step}\",class=\"{class}\"}} {count}"
            ));
        }
    }
    line(format_args!("# HELP phx_bench_answer_bytes_total Bytes of the server's answers."));
    line(format_args!("# TYPE phx_bench_answer_bytes_total counter"));
    for (step, window) in steps() {
        let bytes = window.bytes;
        line(format_args!("phx_bench_answer_bytes_total{{step=\"{step}\"}} {bytes}"));
    }
    let name = "phx_bench_latency_seconds";
    line(format_args!("# HELP {name} Times of steps that succeeded, from when they were due."));
    line(format_args!("# TYPE {name} histogram"));
    for (step, window) in steps() {
        let latencies = &window.latencies;
        for (most, bound) in BUCKETS {
            let count = latencies.count_between(0, most);
            line(format_args!("{name}_bucket{{step=\"{step}\",le=\"{bound}\"}} {count}"));
        }
        let count = latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let sum = latencies.mean() * count as f64 / 1e6;
        line(format_args!("{name}_bucket{{step=\"{step}\",le=\"+Inf\"}} {count}"));
        line(format_args!("{name}_sum{{step=\"{step}\"}} {sum:.6}"));
        line(format_args!("{name}_count{{step=\"{step}\"}} {count}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_format() {
        let mut window = Window::new();
        for micros in [400, 500, 30_000, 20_000_000] {
            window.latencies.record(micros).unwrap();
        }
        window.bytes = 70;
        window.count("replied \"a\\u{1b}\"", 2);
        let steps = [StepName { name: "push \"echo\"".to_owned(), is_push: true }];
        let text = text(&labels(&steps), &[window], 3, true);
        for line in [
            "phx_bench_running 1",
            "phx_bench_users 3",
            r#"phx_bench_errors_total{step="push \"echo\"",class="replied \"a\\u{1b}\""} 2"#,
            r#"phx_bench_answer_bytes_total{step="push \"echo\""} 70"#,
            "# TYPE phx_bench_latency_seconds histogram",
            r#"phx_bench_latency_seconds_bucket{step="push \"echo\"",le="0.0005"} 2"#,
            r#"phx_bench_latency_seconds_bucket{step="push \"echo\"",le="0.05"} 3"#,
            r#"phx_bench_latency_seconds_bucket{step="push \"echo\"",le="10"} 3"#,
            r#"phx_bench_latency_seconds_bucket{step="push \"echo\"",le="+Inf"} 4"#,
            r#"phx_bench_latency_seconds_count{step="push \"echo\""} 4"#,
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
        let sum = text.lines().find(|line| line.starts_with("phx_bench_latency_seconds_sum"));
        let sum: f64 = sum.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!((sum - 20.031).abs() < 0.03, "{sum}");
        assert!(text.ends_with('\n') && !text.contains("\n\n"));
    }

    #[test]
    fn labels_are_short_unique_and_act_on_nothing() {
        let long = "x\n\u{1b}[2J".repeat(10_000);
        let names = ["push", "push", "a\\b", &long, &long];
        let steps = names.map(|name| StepName { name: name.to_owned(), is_push: true });
        let labels = labels(&steps);
        assert_eq!(labels[..3], ["push", "push (2)", "a\\\\b"]);
        assert!(labels[4].ends_with(" (5)") && labels[3] != labels[4]);
        assert!(
            labels.iter().all(|label| label.len() < 1_000 && !label.contains(['\n', '\u{1b}']))
        );
    }
}
