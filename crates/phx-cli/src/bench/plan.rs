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
    /// `None` if users perform a scenario.
    pub(super) pushes: Option<Pushes>,
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
            pushes: None,
        }
    }
}
