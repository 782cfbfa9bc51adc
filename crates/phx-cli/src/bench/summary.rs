//! The result of a measurement, as text and as JSON.

use std::time::Duration;

use serde_json::json;

use super::load::Load;
use super::measure::{Measured, Quantiles};
use super::numbers::{grouped, time};
use super::options::Options;
use super::traffic::Traffic;
use crate::connect::shown_url;
use crate::terminal::{BAD, BOLD, DIM, shown, styled};

/// The figures of a run.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) options: &'a Options,
    pub(super) measured: &'a Measured,
    pub(super) connecting: Duration,
    pub(super) joining: Duration,
    /// Bytes of each payload.
    pub(super) size: usize,
    pub(super) replies: u64,
    pub(super) per_second: f64,
    pub(super) reconnects: u64,
    pub(super) traffic: Traffic,
    pub(super) latency: Option<Quantiles>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(options: &'a Options, load: &Load<'_>, measured: &'a Measured) -> Self {
        let traffic = load.traffic();
        let replies = measured.total.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
        let per_second = replies as f64 / measured.took.as_secs_f64().max(f64::EPSILON);
        let (connecting, joining) = (load.connecting, load.joining);
        let (reconnects, latency) = (load.reconnects(), measured.total.quantiles());
        Summary {
            options,
            measured,
            connecting,
            joining,
            size: load.payload_size(),
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

    /// The load in words.
    pub(super) fn load(&self) -> String {
        let Options { sockets, channels, in_flight, .. } = self.options;
        let size = self.size;
        let pace = match self.options.rate {
            Some(rate) => format!("{rate} pushes/s"),
            None => format!("{in_flight} in flight on each channel"),
        };
        format!("{sockets} sockets x {channels} channels, {pace}, payloads of {size} bytes")
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines = vec![
            styled(DIM, self.load()),
            styled(
                DIM,
                format!(
                    "connected in {}, joined in {}",
                    whole(self.connecting),
                    whole(self.joining)
                ),
            ),
            String::new(),
            format!(
                "replies      {}  {} in {:.1} s",
                styled(BOLD, format!("{:.0}/s", self.per_second)),
                grouped(self.replies),
                self.measured.took.as_secs_f64(),
            ),
        ];
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
        let rate = |bytes: u64| self.rate_of(bytes);
        let Traffic { sent, received, wire_sent, wire_received } = self.traffic;
        lines.push(format!("traffic      {} out, {} in", rate(sent), rate(received)));
        // Long-poll doesn't count them.
        if wire_sent > 0 {
            lines.push(format!("on the wire  {} out, {} in", rate(wire_sent), rate(wire_received)));
        }
        let errors = match self.failures() {
            0 => "0".to_owned(),
            count => {
                let each = self.measured.total.errors.iter();
                let each: Vec<String> = each
                    .map(|(name, count)| format!("{} {}", grouped(*count), shown(name)))
                    .collect();
                styled(BAD, format!("{}: {}", grouped(count), each.join(", ")))
            }
        };
        lines.push(format!("errors       {errors}"));
        lines.push(format!("reconnects   {}", self.reconnects));
        lines.join("\n")
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
            "connect_ms": self.connecting.as_secs_f64() * 1e3,
            "join_ms": self.joining.as_secs_f64() * 1e3,
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of latencies")]
fn rounded(mean: f64) -> u64 {
    mean.round() as u64
}

fn whole(duration: Duration) -> String {
    time(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
