//! Checks of a run against its case.

use std::time::Duration;

use anyhow::{bail, ensure};

use super::case::{Case, Ends};
use super::client::{End, Outcome};
use super::peer::Report;
use super::times::{
    ATTACK, CLOSE_TIMEOUT, CONNECT_TIMEOUT, HEARTBEAT_INTERVAL, HEARTBEAT_LIMIT, SLACK, millis,
};

/// Returns the longest time that another task may have been kept from running.
pub(super) fn max_gap(case: &Case) -> Duration {
    let more = if case.frame_mib > 1 { 5 * case.frame_mib } else { 0 };
    Duration::from_millis(100 + more)
}

/// Returns the violations of the case's limits.
pub(super) fn check(case: &Case, outcome: &Outcome, report: Option<&Report>) -> anyhow::Result<()> {
    check_end(case, outcome)?;
    let gap = Duration::from_micros(outcome.gap_us);
    ensure!(outcome.ticks > 1, "the other task ran {} times", outcome.ticks);
    ensure!(gap <= max_gap(case), "another task was kept from running for {gap:?}");
    ensure!(
        outcome.peak_kib <= case.peak_kib,
        "{} KiB were allocated, the limit is {}",
        outcome.peak_kib,
        case.peak_kib
    );
    // A large frame may be on its way.
    let more = if case.is_large() { SLACK } else { Duration::ZERO };
    ensure!(
        outcome.disconnect_ms <= millis(CLOSE_TIMEOUT + SLACK + more),
        "disconnect took {} ms",
        outcome.disconnect_ms
    );
    if let Some(why) = &outcome.user {
        bail!("the user: {why}");
    }
    ensure!(outcome.sockets_left == 0, "{} sockets are left", outcome.sockets_left);
    ensure!(outcome.tasks_left == 0, "{} tasks are left", outcome.tasks_left);
    if let Some(report) = report {
        ensure!(!report.unfinished, "the attack took too long to be one");
    }
    if let (Some(report), Ends::Stays | Ends::Dies(_), true) = (report, case.ends, case.reads) {
        ensure!(report.heartbeats > 0, "no heartbeat was sent");
        // A peer that counts as dead by the end of it gets no further heartbeat.
        let wait =
            if matches!(case.ends, Ends::Dies(_)) { HEARTBEAT_LIMIT } else { Duration::ZERO };
        ensure!(
            case.is_large()
                || report.longest_silence_ms <= millis(HEARTBEAT_INTERVAL + wait + SLACK),
            "no heartbeat was sent for {} ms",
            report.longest_silence_ms
        );
    }
    Ok(())
}

fn check_end(case: &Case, outcome: &Outcome) -> anyhow::Result<()> {
    let opened = outcome.opened_ms;
    if let Some(opened) = opened {
        ensure!(opened <= millis(CONNECT_TIMEOUT + SLACK), "it took {opened} ms to open");
    }
    let (within, was_open, kinds) = match case.ends {
        Ends::Stays => {
            ensure!(opened.is_some(), "it didn't open: {:?}", outcome.end);
            if let Some(End { after_ms, cause, .. }) = &outcome.end {
                bail!("the connection ended after {after_ms} ms: {cause}");
            }
            return Ok(());
        }
        Ends::Repeats => return Ok(()),
        Ends::Fails(kinds) => (CONNECT_TIMEOUT, false, kinds),
        Ends::Dies(kinds) => (HEARTBEAT_INTERVAL + HEARTBEAT_LIMIT, true, kinds),
        Ends::AtOnce(kinds) => (Duration::ZERO, true, kinds),
    };
    let Some(end) = &outcome.end else {
        bail!("it didn't end by itself");
    };
    ensure!(end.was_open == was_open, "it ended in another way: {}", end.cause);
    ensure!(kinds.contains(&&*end.kind), "it ended in another way: {}", end.cause);
    let more = if case.is_large() { ATTACK } else { Duration::ZERO };
    let within = millis(within + SLACK + more);
    ensure!(end.after_ms <= within, "it ended after {} ms: {}", end.after_ms, end.cause);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(ends: Ends) -> Case {
        Case::new("a", |_| Ok(()), ends)
    }

    fn good() -> (Outcome, Report) {
        let outcome = Outcome { opened_ms: Some(1), ticks: 100, ..Outcome::default() };
        (
            outcome,
            Report { connections: 1, heartbeats: 9, longest_silence_ms: 101, unfinished: false },
        )
    }

    fn end(kind: &str, after_ms: u64) -> Option<End> {
        let (kind, cause) = (kind.to_owned(), kind.to_owned());
        Some(End { after_ms, was_open: true, kind, cause })
    }

    #[track_caller]
    fn fails(spoil: impl Fn(&mut Outcome, &mut Report), why: &str) {
        let (mut outcome, mut report) = good();
        check(&case(Ends::Stays), &outcome, Some(&report)).unwrap();
        spoil(&mut outcome, &mut report);
        let error = check(&case(Ends::Stays), &outcome, Some(&report)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }

    #[test]
    fn each_promise_can_be_broken() {
        fails(|outcome, _| outcome.gap_us = 100_001, "kept from running");
        fails(|outcome, _| outcome.ticks = 1, "ran 1 times");
        fails(|outcome, _| outcome.peak_kib = 513, "allocated");
        fails(|outcome, _| outcome.opened_ms = None, "didn't open");
        fails(|outcome, _| outcome.opened_ms = Some(1_401), "to open");
        fails(|outcome, _| outcome.disconnect_ms = 1_301, "disconnect");
        fails(|outcome, _| outcome.user = Some("no".to_owned()), "user");
        fails(|outcome, _| outcome.sockets_left = 1, "sockets");
        fails(|outcome, _| outcome.tasks_left = 1, "tasks");
        fails(|outcome, _| outcome.end = end("lost", 1), "ended after 1 ms");
        fails(|_, report| report.unfinished = true, "too long to be one");
        fails(|_, report| report.heartbeats = 0, "no heartbeat was sent");
        fails(|_, report| report.longest_silence_ms = 1_101, "for 1101 ms");
    }

    #[test]
    fn an_end_has_its_time_and_its_cause() {
        let dies = case(Ends::Dies(&["heartbeat timed out"]));
        let (mut outcome, report) = good();
        for (found, right) in [
            (end("heartbeat timed out", 1_700), true),
            (end("heartbeat timed out", 1_701), false),
            (end("slept", 400), false),
            (None, false),
        ] {
            outcome.end = found;
            assert_eq!(check(&dies, &outcome, Some(&report)).is_ok(), right, "{outcome:?}");
        }
    }

    #[test]
    fn a_large_frame_may_take_longer() {
        let limit = |mib| max_gap(&case(Ends::Stays).frame_mib(mib)).as_millis();
        assert_eq!([limit(0), limit(1), limit(2), limit(60)], [100, 100, 110, 400]);
    }
}
