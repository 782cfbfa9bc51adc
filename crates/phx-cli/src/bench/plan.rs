//! What all workers of a run have in common: the load as reports describe it.

use std::time::Duration;

use humantime::format_rfc3339_millis;
use serde::{Deserialize, Serialize};

use super::options::Options;
use crate::connect::shown_url;

/// A load. Two workers belong to the same run only if theirs are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Without its query, which may hold secrets.
    pub(super) url: String,
    /// The load of all workers in words.
    pub(super) words: String,
    pub(super) duration_s: f64,
    /// The value of `--start-at`, in UTC.
    pub(super) start_at: Option<String>,
    /// The stages, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stages: Option<Shape>,
    /// `None` if users perform a scenario.
    pub(super) pushes: Option<Pushes>,
}

/// Points of the most stages that there may be. A log from elsewhere may have more, which aren't drawn.
const POINTS: usize = 101;

/// The numbers that stages want over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// True if they are arrivals in a second, and false if they are users.
    pub(super) is_open: bool,
    /// Seconds since the start and the number; in straight lines between them.
    pub(super) points: Vec<(f64, f64)>,
}

impl Shape {
    /// The points up to this time, at which the last one is.
    pub(super) fn until(&self, end: f64) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (at, number) in self.points.iter().take(POINTS) {
            if *at <= end {
                points.push((*at, *number));
                continue;
            }
            if let Some((before, last)) = points.last().copied() {
                let share = (end - before) / (at - before);
                points.push((end, last + (number - last) * share));
            }
            break;
        }
        points
    }
}

/// A load of pushes with one payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pushes {
    pub(super) event: String,
    /// Those of all workers.
    pub(super) sockets: u32,
    pub(super) channels: u32,
    /// Pushes a second of all workers.
    pub(super) rate: Option<f64>,
    pub(super) in_flight: u32,
    /// Bytes of each payload.
    pub(super) size: usize,
}

impl Plan {
    /// A load of pushes, with payloads of this size.
    pub(super) fn of_pushes(options: &Options, size: usize) -> Self {
        let Options { sockets, channels, in_flight, .. } = *options;
        let pace = match options.rate {
            Some(rate) => format!("{rate} pushes/s"),
            None => format!("{in_flight} in flight on each channel"),
        };
        let words =
            format!("{sockets} sockets x {channels} channels, {pace}, payloads of {size} bytes");
        let (event, rate) = (options.event.clone(), options.rate);
        let pushes = Pushes { event, sockets, channels, rate, in_flight, size };
        Plan { pushes: Some(pushes), ..Plan::of_scenario(options, words, options.duration) }
    }

    /// A load of users who perform a scenario, in words, and its time.
    pub(super) fn of_scenario(options: &Options, words: String, duration: Duration) -> Self {
        Plan {
            url: shown_url(&options.url).to_owned(),
            words,
            duration_s: duration.as_secs_f64(),
            start_at: options.start_at.map(|start| format_rfc3339_millis(start).to_string()),
            stages: None,
            pushes: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_ends_with_the_run() {
        let points = vec![(0.0, 0.0), (10.0, 100.0), (20.0, 100.0), (20.0, 500.0)];
        let shape = Shape { is_open: false, points: points.clone() };
        assert_eq!(shape.until(30.0), points);
        assert_eq!(shape.until(20.0), points);
        assert_eq!(shape.until(5.0), [(0.0, 0.0), (5.0, 50.0)]);
        assert_eq!(shape.until(15.0)[2], (15.0, 100.0));
        assert!(Shape { is_open: true, points: Vec::new() }.until(1.0).is_empty());
        let many = vec![(0.0, 1.0); 1_000];
        assert_eq!(Shape { is_open: true, points: many }.until(1.0).len(), POINTS);
    }
}
