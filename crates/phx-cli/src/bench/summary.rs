//! The result of a measurement, as text and as JSON.

use std::time::Duration;

use serde_json::json;

use super::generator::Generator;
use super::measure::Measured;
use super::numbers::{grouped, micros, time};
use super::plan::{Plan, Pushes};
use super::quantiles::Quantiles;
use super::recorder::Window;
use super::run_log::End;
use super::threshold::Verdict;
use super::traffic::Traffic;
use super::worker::Worker;
use crate::terminal::{BAD, BOLD, DIM, NOTE, shown, styled};

/// The figures of a run.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) plan: Plan,
    pub(super) measured: &'a Measured,
    pub(super) before: Option<(Duration, Duration)>,
    pub(super) replies: u64,
    pub(super) per_second: f64,
    pub(super) reconnects: u64,
    pub(super) traffic: Traffic,
    /// The load of the generator itself; of several workers the worst figures.
    pub(super) generator: Option<Generator>,
    pub(super) latency: Option<Quantiles>,
    pub(super) verdicts: Vec<Verdict>,
    /// The worker whose share this is, if it is one.
    pub(super) worker: Option<Worker>,
    /// Why the figures aren't those of the whole run; none if they are.
    pub(super) problems: Vec<String>,
    /// What else makes the figures doubtful.
    pub(super) notes: Vec<String>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(
        plan: Plan,
        end: &End,
        measured: &'a Measured,
        verdicts: Vec<Verdict>,
    ) -> Self {
        let End { before_us, reconnects, traffic, generator, .. } = *end;
        let before = before_us.map(|(connecting, joining)| {
            (Duration::from_micros(connecting), Duration::from_micros(joining))
        });
        let replies = measured.total.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
        let per_second = replies as f64 / measured.took.as_secs_f64().max(f64::EPSILON);
        Summary {
            plan,
            measured,
            before,
            replies,
            per_second,
            reconnects,
            traffic,
            generator,
            latency: Quantiles::of(&measured.total.latencies),
            verdicts,
            worker: None,
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.plan.url
    }

    /// The thresholds that weren't met, in words.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = self.verdicts.iter().filter(|verdict| !verdict.is_met());
        missed.map(|verdict| format!("{} ({})", verdict.threshold(), verdict.measured())).collect()
    }

    /// A line that says of what part of the run the figures are; `None` if they are of all of it.
    pub(super) fn part(&self) -> Option<String> {
        let worker = self.worker.map(|worker| format!("worker {worker}"));
        let reasons: Vec<&str> = worker.iter().chain(&self.problems).map(String::as_str).collect();
        let reasons = shown(&reasons.join("; "));
        (!reasons.is_empty()).then(|| format!("a part of the run: {reasons}"))
    }

    pub(super) fn failures(&self) -> u64 {
        self.measured.total.failures()
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines: Vec<String> =
            self.part().map(|part| styled(BAD, part)).into_iter().collect();
        let notes = self.notes.iter().map(|note| format!("doubtful: {}", shown(note)));
        lines.extend(notes.map(|note| styled(NOTE, note)));
        lines.push(styled(DIM, &self.plan.words));
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
        if let Some(generator) = &self.generator {
            lines.push(format!("generator    {}", generator.in_words()));
        }
        for (number, verdict) in self.verdicts.iter().enumerate() {
            let name = if number == 0 { "thresholds" } else { "" };
            let measured =
                format!("{}: {}", shown(&verdict.threshold().to_string()), verdict.measured());
            lines.push(if verdict.is_met() {
                format!("{name:<12} met     {measured}")
            } else {
                format!("{name:<12} {}", styled(BAD, format!("missed  {measured}")))
            });
        }
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
            if let Some(latency) = Quantiles::of(&window.latencies) {
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
                "latency_us": Quantiles::of(&window.latencies),
                "uncorrected_p99_us": window.uncorrected.value_at_quantile(0.99),
            })
        });
        let millis = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        let pushes = self.plan.pushes.as_ref();
        let pushed = |figure: fn(&Pushes) -> serde_json::Value| pushes.map(figure);
        json!({
            "complete": self.part().is_none(),
            "worker": self.worker,
            "problems": self.problems,
            "notes": self.notes,
            "url": self.url(),
            "load": self.plan.words,
            "event": pushed(|pushes| json!(pushes.event)),
            "sockets": pushed(|pushes| json!(pushes.sockets)),
            "channels": pushed(|pushes| json!(pushes.channels)),
            "rate": pushed(|pushes| json!(pushes.rate)),
            "in_flight": pushed(|pushes| json!(pushes.in_flight)),
            "size": pushed(|pushes| json!(pushes.size)),
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
            "generator": self.generator.map(|generator| json!({
                "lag_us": {
                    "p50": generator.lag_p50_us,
                    "p99": generator.lag_p99_us,
                    "max": generator.lag_max_us,
                },
                "cpu_percent": generator.cpu_percent(),
                "cores": generator.cores,
                "believable": generator.doubt().is_none(),
            })),
            "thresholds": self.verdicts.iter().map(Verdict::to_json).collect::<Vec<_>>(),
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
    time(micros(duration))
}
