//! Counters and histograms of a socket, for the recorder of the `metrics` crate.
//!
//! The core counts for itself, so counters are reported as what was added since the last wake. Nothing is reported under
//! the lock: a recorder is foreign code. Labels have few values that stand here, and none comes from a peer.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::FixedState;
use metrics::{counter, histogram};
use phx_proto::{
    Action, ChannelId, Counters, Event, Instant, Outcome, RequestId, SendReason, TransportId,
};

use super::kinds::{cause_of, outcome_of};
use crate::subscription::isolated;

/// What is counted and measured, and hasn't been reported.
#[derive(Default)]
pub(super) struct Meter {
    counted: Counters,
    reported: Counters,
    connecting: Option<(TransportId, Instant)>,
    /// Pushes and joins that were sent, until their outcome: never more than the core has.
    sent: HashMap<Sent, Instant, FixedState>,
    samples: Vec<Sample>,
}

#[derive(PartialEq, Eq, Hash)]
enum Sent {
    Push(RequestId),
    Join(ChannelId),
}

enum Sample {
    Connected(Duration),
    Joined(Duration),
    Replied(Duration),
    Heartbeat(Duration),
    Request(&'static str),
    /// The cause, and whether it was open.
    Closed(&'static str, bool),
}

impl Meter {
    /// Notes an action that the core has asked for.
    pub(super) fn action(&mut self, now: Instant, action: &Action) {
        match action {
            Action::Connect { transport, .. } => self.connecting = Some((*transport, now)),
            Action::Send { why: SendReason::Push(push), .. } => {
                self.sent.insert(Sent::Push(*push), now);
            }
            Action::Send { why: SendReason::Join(channel), .. } => {
                self.sent.insert(Sent::Join(*channel), now);
            }
            _ => {}
        }
    }

    /// Notes an event other than a message.
    pub(super) fn event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Opened { transport, .. } => {
                if let Some((connecting, since)) = self.connecting.take()
                    && connecting == *transport
                {
                    let took = now.saturating_duration_since(since);
                    self.samples.push(Sample::Connected(took));
                }
            }
            Event::Closed { cause, was_open, .. } => {
                self.samples.push(Sample::Closed(cause_of(cause), *was_open));
            }
            Event::Joined { channel, .. } => {
                if let Some(took) = self.took(now, &Sent::Join(*channel)) {
                    self.samples.push(Sample::Joined(took));
                }
            }
            Event::JoinFailed { channel, .. }
            | Event::ChannelErrored { channel, .. }
            | Event::ChannelClosed { channel, .. } => {
                self.sent.remove(&Sent::Join(*channel));
            }
            Event::RequestDone { push, outcome, .. } => {
                let took = self.took(now, &Sent::Push(*push));
                let is_reply =
                    matches!(outcome, Outcome::Reply { .. } | Outcome::ReplyDropped { .. });
                if let Some(took) = took.filter(|_| is_reply) {
                    self.samples.push(Sample::Replied(took));
                }
                self.samples.push(Sample::Request(outcome_of(outcome)));
            }
            Event::HeartbeatAnswered { round_trip, .. } => {
                self.samples.push(Sample::Heartbeat(*round_trip));
                self.sent.shrink_to(0);
            }
            _ => {}
        }
    }

    /// Notes what the core has counted.
    pub(super) fn count(&mut self, counters: &Counters) {
        self.counted = *counters;
    }

    /// Reports what was noted, to the current recorder.
    pub(super) fn report(&mut self) {
        if self.samples.is_empty() && self.counted == self.reported {
            return;
        }
        let (samples, new, old) = (std::mem::take(&mut self.samples), self.counted, self.reported);
        self.reported = new;
        isolated("recorder of metrics", move || {
            report_counters(&new, &old);
            samples.iter().for_each(report_sample);
        });
    }

    fn took(&mut self, now: Instant, sent: &Sent) -> Option<Duration> {
        self.sent.remove(sent).map(|since| now.saturating_duration_since(since))
    }
}

fn report_counters(new: &Counters, old: &Counters) {
    // GUIDE has the table of these.
    macro_rules! report {
        ($($name:literal: $field:ident),* $(,)?) => {
            $(let added = new.$field.saturating_sub(old.$field);
            if added > 0 {
                counter!($name).increment(added);
            })*
        };
    }
    report! {
        "phx_client_connect_attempts_total": attempts,
        "phx_client_connections_opened_total": opened,
        "phx_client_frames_sent_total": frames_sent,
        "phx_client_sent_bytes_total": bytes_sent,
        "phx_client_frames_received_total": frames_received,
        "phx_client_received_bytes_total": bytes_received,
        "phx_client_messages_total": messages,
        "phx_client_pushes_total": pushes,
        "phx_client_joins_sent_total": joins_sent,
        "phx_client_heartbeats_missed_total": heartbeats_missed,
        "phx_client_frames_malformed_total": malformed,
        "phx_client_events_lost_total": events_lost,
    }
}

fn report_sample(sample: &Sample) {
    match sample {
        Sample::Connected(took) => histogram!("phx_client_connect_seconds").record(*took),
        Sample::Joined(took) => histogram!("phx_client_join_seconds").record(*took),
        Sample::Replied(took) => histogram!("phx_client_push_seconds").record(*took),
        Sample::Heartbeat(took) => histogram!("phx_client_heartbeat_seconds").record(*took),
        Sample::Request(outcome) => {
            counter!("phx_client_requests_total", "outcome" => *outcome).increment(1);
        }
        Sample::Closed(cause, was_open) => {
            let name = if *was_open {
                "phx_client_connections_closed_total"
            } else {
                "phx_client_connects_failed_total"
            };
            counter!(name, "cause" => *cause).increment(1);
        }
    }
}
