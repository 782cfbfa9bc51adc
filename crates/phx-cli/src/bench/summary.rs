//! The result of a measurement, as text and as JSON.

use std::time::Duration;

use serde_json::json;

use super::measure::{Measured, Quantiles};
use super::numbers::{grouped, time};
use super::options::Options;
use super::recorder::Window;
use super::traffic::Traffic;
use crate::connect::shown_url;
use crate::terminal::{BAD, BOLD, DIM, shown, styled};

/// What a run was, apart from the samples.
#[derive(Debug)]
pub(super) struct Conditions {
    /// The load in words.
    pub(super) words: String,
    /// The time that it took to connect and to join, where that came before the measurement.
    pub(super) before: Option<(Duration, Duration)>,
    /// Bytes of each payload, where they are all of one size.
    pub(super) size: Option<usize>,
    pub(super) reconnects: u64,
    pub(super) traffic: Traffic,
}

/// The figures of a run.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) options: &'a Options,
    pub(super) measured: &'a Measured,
    pub(super) words: String,
    pub(super) before: Option<(Duration, Duration)>,
    size: Option<usize>,
    pub(super) replies: u64,
    pub(super) per_second: f64,
    pub(super) reconnects: u64,
    pub(super) traffic: Traffic,
    pub(super) latency: Option<Quantiles>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(
        options: &'a Options,
        conditions: Conditions,
        measured: &'a Measured,
    ) -> Self {
        let Conditions { words, before, size, reconnects, traffic } = conditions;
        let replies = measured.total.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
        let per_second = replies as f64 / measured.took.as_secs_f64().max(f64::EPSILON);
        let latency = measured.total.quantiles();
        Summary {
            options,
            measured,
            words,
            before,
            size,
            replies,
            per_second,
            reconnects,
            traffic,
            latency,
        }
    }

    pub(super) fn url(&self) -> &str {
        shown_url(&self.options.url)
    }

    pub(super) fn failures(&self) -> u64 {
        self.measured.total.failures()
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines = vec![styled(DIM, &self.words)];
        if let Some((connecting, joining)) = self.before {
            let text = format!("connected in {}, joined in {}", whole(connecting), whole(joining));
            lines.push(styled(DIM, text));
        }
        lines.extend([
            String::new(),
            format!(
                "replies      {}  {} in {:.1} s",
                styled(BOLD, format!("{:.0}/s", self.per_second)),
                grouped(self.replies),
                self.measured.took.as_secs_f64(),
            ),
        ]);
        if let Some(latency) = &self.latency {
            lines.push(format!(
                "latency      min {}  mean {}  {}  p90 {}  {}  p99.9 {}  max {}",
                time(latency.min),
                time(rounded(latency.mean)),
                styled(BOLD, format!("p50 {}", time(latency.p50))),
                time(latency.p90),
                styled(BOLD, format!("p99 {}", time(latency.p99))),
                time(latency.p999),
                time(latency.max),
            ));
        }
        if self.measured.steps.len() > 1 {
            lines.push(String::new());
            lines.extend(self.steps_to_text());
            lines.push(String::new());
        }
        let rate = |bytes: u64| self.rate_of(bytes);
        let Traffic { sent, received, wire_sent, wire_received } = self.traffic;
        lines.push(format!("traffic      {} out, {} in", rate(sent), rate(received)));
        // Long-poll doesn't count them.
        if wire_sent > 0 {
            lines.push(format!("on the wire  {} out, {} in", rate(wire_sent), rate(wire_received)));
        }
        let errors = match self.failures() {
            0 => "0".to_owned(),
            count => styled(BAD, format!("{}: {}", grouped(count), errors(&self.measured.total))),
        };
        lines.push(format!("errors       {errors}"));
        lines.push(format!("reconnects   {}", self.reconnects));
        lines.join("\n")
    }

    /// A line for each step that was performed.
    fn steps_to_text(&self) -> Vec<String> {
        let performed = || {
            let steps = self.measured.steps.iter();
            steps.filter(|(_, window)| !window.latencies.is_empty() || window.failures() > 0)
        };
        let width = performed().map(|(step, _)| step.name.chars().count()).max().unwrap_or(0);
        let lines = performed().map(|(step, window)| {
            let mut line =
                format!("{:width$}  {}", shown(&step.name), grouped(window.latencies.len()));
            if let Some(latency) = window.quantiles() {
                let sent = window.uncorrected.value_at_quantile(0.99);
                line.push_str(&format!(
                    "  p50 {}  p99 {}  max {}  p99 once sent {}",
                    time(latency.p50),
                    time(latency.p99),
                    time(latency.max),
                    time(sent),
                ));
            }
            if window.failures() > 0 {
                line.push_str(&format!("  {}", styled(BAD, errors(window))));
            }
            line
        });
        lines.collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
    pub(super) fn rate_of(&self, bytes: u64) -> String {
        let rate = bytes as f64 / self.measured.took.as_secs_f64().max(f64::EPSILON);
        match rate {
            rate if rate >= 1e6 => format!("{:.1} MB/s", rate / 1e6),
            rate if rate >= 1e3 => format!("{:.1} kB/s", rate / 1e3),
            rate => format!("{rate:.0} B/s"),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let samples = self.measured.samples.iter().map(|sample| {
            json!({
                "at_s": sample.at.as_secs_f64(),
                "per_second": sample.per_second,
                "errors": sample.errors,
                "latency_us": sample.latency,
            })
        });
        let steps = self.measured.steps.iter().map(|(step, window)| {
            json!({
                "name": step.name,
                "count": window.latencies.len(),
                "errors": window.errors,
                "bytes": window.bytes,
                "latency_us": window.quantiles(),
                "uncorrected_p99_us": window.uncorrected.value_at_quantile(0.99),
            })
        });
        let millis = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        let options = self.options;
        json!({
            "url": self.url(),
            "event": options.event,
            "sockets": options.sockets,
            "channels": options.channels,
            "rate": options.rate,
            "in_flight": options.in_flight,
            "size": self.size,
            "took_s": self.measured.took.as_secs_f64(),
            "connect_ms": millis(self.before.map(|(connecting, _)| connecting)),
            "join_ms": millis(self.before.map(|(_, joining)| joining)),
            "steps": steps.collect::<Vec<_>>(),
            "replies": self.replies,
            "per_second": self.per_second,
            "latency_us": self.latency,
            "errors": self.measured.total.errors,
            "reconnects": self.reconnects,
            "bytes_sent": self.traffic.sent,
            "bytes_received": self.traffic.received,
            "wire_bytes_sent": self.traffic.wire_sent,
            "wire_bytes_received": self.traffic.wire_received,
            "samples": samples.collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// The failures by their names.
fn errors(window: &Window) -> String {
    let each = window.errors.iter();
    let each = each.map(|(name, count)| format!("{} {}", grouped(*count), shown(name)));
    each.collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of latencies")]
fn rounded(mean: f64) -> u64 {
    mean.round() as u64
}

fn whole(duration: Duration) -> String {
    time(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
