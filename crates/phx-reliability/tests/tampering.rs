//! Tests of the checker: the clients' events are changed before they are checked, and each change must be found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use phx_proto::{Event, Outcome, Payload};
use phx_reliability::sim::{Plan, Rule, run, run_tampered};

/// A change of events. Returns false if there was nothing to change.
type Change = fn(&mut Vec<Event>) -> bool;

/// Runs many seeds with this change. Each must break this rule, except a few in which the change can't show, such as
/// the loss of the last message of a life.
fn found(rule: Rule, change: Change) {
    let (mut struck, mut found) = (0, 0);
    for seed in 0..1_000 {
        if struck == 12 {
            break;
        }
        let has_struck = Arc::new(AtomicBool::new(false));
        let noted = has_struck.clone();
        let tamper = move |_client, mut events: Vec<Event>| {
            if !noted.load(Ordering::Relaxed) && change(&mut events) {
                noted.store(true, Ordering::Relaxed);
            }
            events
        };
        let outcome = run_tampered(&Plan::from_seed(seed), Box::new(tamper));
        if has_struck.load(Ordering::Relaxed) {
            struck += 1;
            found += usize::from(outcome.violations.iter().any(|found| found.rule == rule));
        }
    }
    assert_eq!(struck, 12, "too few seeds have something to change");
    assert!(found >= 10, "{found} of {struck} were found");
}

fn drop_first(events: &mut Vec<Event>, wanted: fn(&Event) -> bool) -> bool {
    let at = events.iter().position(wanted);
    at.map(|at| events.remove(at)).is_some()
}

fn double_first(events: &mut Vec<Event>, wanted: fn(&Event) -> bool) -> bool {
    let at = events.iter().position(wanted);
    at.map(|at| events.insert(at, events[at].clone())).is_some()
}

fn is_message(event: &Event) -> bool {
    matches!(event, Event::Message { event, .. } if *event == "pushed")
}

/// Returns true for two messages of one channel.
fn is_followed(one: &Event, other: &Event) -> bool {
    let of = |event: &Event| match event {
        Event::Message { channel, .. } => Some(*channel),
        _ => None,
    };
    is_message(one) && is_message(other) && of(one) == of(other)
}

fn is_outcome(event: &Event) -> bool {
    matches!(event, Event::RequestDone { .. })
}

fn is_closed(event: &Event) -> bool {
    matches!(event, Event::Closed { .. })
}

#[test]
fn an_outcome_that_is_not_reported() {
    found(Rule::OneOutcome, |events| drop_first(events, is_outcome));
}

#[test]
fn an_outcome_that_is_reported_twice() {
    found(Rule::OneOutcome, |events| double_first(events, is_outcome));
}

#[test]
fn an_outcome_that_comes_too_early() {
    found(Rule::InTime, |events| change_reply(events, |it| *it = Outcome::TimedOut));
}

#[test]
fn an_outcome_that_is_not_true() {
    found(Rule::TrueOutcome, |events| change_reply(events, |it| *it = Outcome::Evicted));
}

#[test]
fn a_reply_to_something_else() {
    found(Rule::TrueOutcome, |events| {
        change_reply(events, |outcome| {
            let other = Payload::from_json_text(r#"{"of":0,"number":999999,"sum":1}"#);
            if let (Outcome::Reply { response, .. }, Ok(other)) = (outcome, other) {
                *response = other;
            }
        })
    });
}

#[test]
fn a_message_that_is_not_delivered() {
    // Only a message with another one after it on the same channel: the loss of the last one doesn't show.
    found(Rule::InOrder, |events| {
        let at = events.windows(2).position(|two| is_followed(&two[0], &two[1]));
        at.map(|at| events.remove(at)).is_some()
    });
}

#[test]
fn a_message_that_is_delivered_twice() {
    found(Rule::InOrder, |events| double_first(events, is_message));
}

#[test]
fn messages_that_change_places() {
    found(Rule::InOrder, |events| {
        let at = events.windows(2).position(|two| is_followed(&two[0], &two[1]));
        at.map(|at| events.swap(at, at + 1)).is_some()
    });
}

#[test]
fn a_message_before_the_join() {
    found(Rule::OnlyJoined, |events| {
        let joined = events.iter().position(|event| matches!(event, Event::Joined { .. }));
        let message = events.iter().position(is_message);
        match (joined, message) {
            (Some(joined), Some(message)) if joined < message => {
                let early = events.remove(message);
                events.insert(joined, early);
                true
            }
            _ => false,
        }
    });
}

#[test]
fn a_join_that_is_not_reported() {
    found(Rule::States, |events| drop_first(events, |it| matches!(it, Event::Joined { .. })));
}

#[test]
fn a_channel_error_that_is_not_reported() {
    found(Rule::States, |events| {
        drop_first(events, |it| matches!(it, Event::ChannelErrored { .. }))
    });
}

#[test]
fn an_end_that_is_not_reported() {
    found(Rule::ClosedOnce, |events| drop_first(events, is_closed));
}

#[test]
fn an_end_that_is_reported_twice() {
    found(Rule::ClosedOnce, |events| double_first(events, is_closed));
}

#[test]
fn a_pong_that_is_reported_twice() {
    found(Rule::OneOutcome, |events| double_first(events, |it| matches!(it, Event::Pong { .. })));
}

/// Changes the outcome of a push that was answered.
fn change_reply(events: &mut [Event], change: fn(&mut Outcome)) -> bool {
    for event in events {
        if let Event::RequestDone { outcome, .. } = event
            && let Outcome::Reply { response, .. } = outcome
            && response.as_json().is_some_and(|json| json.contains("\"number\""))
        {
            change(outcome);
            return true;
        }
    }
    false
}

/// Over long-poll a poll may lose messages; then the client must say so.
#[test]
fn a_gap_that_is_not_reported() {
    let mut plan = Plan::from_seed(0);
    plan.settings.long_poll = true;
    plan.clients = 1;
    let steps = r#"[
        {"after":0,"client":0,"op":"Connect"},
        {"after":0,"client":0,"op":{"Join":{"room":0,"timeout":null}}},
        {"after":1000,"client":0,"op":{"Broadcast":{"room":0,"binary":false}}},
        {"after":1000,"client":0,"op":"FailPoll"},
        {"after":1000,"client":0,"op":{"Broadcast":{"room":0,"binary":false}}},
        {"after":1000,"client":0,"op":{"Broadcast":{"room":0,"binary":false}}}
    ]"#;
    plan.steps = serde_json::from_str(steps).expect("steps");
    assert_eq!(run(&plan).violations, []);
    let is_gap = |event: &Event| matches!(event, Event::MessagesLost { .. });
    let drop_gaps = move |_, mut events: Vec<Event>| {
        events.retain(|event| !is_gap(event));
        events
    };
    let outcome = run_tampered(&plan, Box::new(drop_gaps));
    assert!(outcome.violations.iter().any(|found| found.rule == Rule::InOrder));
}
