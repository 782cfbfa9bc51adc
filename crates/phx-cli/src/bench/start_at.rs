//! The time at which the workers of a run begin, each by its clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use crate::terminal;
use crate::value;

/// Longest time until the start: a later one is a mistake of the year or the unit.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Longest sleep before the clock is read again, which may have been set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Parses a value of `--start-at`. The error quotes nothing.
pub(crate) fn parse(value: &str) -> Result<SystemTime, String> {
    let text = value::text(value)?;
    let expected = || {
        "expected a time in UTC, such as 2030-01-31T12:00:00Z, or in seconds since 1970".to_owned()
    };
    match text.parse::<u64>() {
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(expected),
        Err(_) => humantime::parse_rfc3339(&text).map_err(|_| expected()),
    }
}

/// Checks that the time is yet to come, and soon.
pub(super) fn check(start: SystemTime, now: SystemTime) -> Result<(), String> {
    match start.duration_since(now) {
        Ok(wait) if wait > LONGEST => Err("--start-at is more than seven days ahead".to_owned()),
        Ok(_) => Ok(()),
        Err(past) => {
            Err(format!("--start-at has passed {:.1} s ago", past.duration().as_secs_f64()))
        }
    }
}

/// Waits for the time, and says so.
pub(super) async fn wait(start: SystemTime) {
    let rest = start.duration_since(SystemTime::now()).unwrap_or_default();
    terminal::say(&format!("waiting {:.1} s for --start-at", rest.as_secs_f64()));
    while let Ok(rest) = start.duration_since(SystemTime::now()) {
        if rest.is_zero() {
            return;
        }
        sleep(rest.min(LOOK_EVERY)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let time = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        for text in ["1893456000", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000Z"] {
            assert_eq!(parse(text), Ok(time), "{text}");
        }
        for wrong in ["", "hush", "-1", "18446744073709551615", "2030-01-01", "12:00", "1.5"] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("2030-01-31T") && !error.contains("hush"), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_past_and_the_far_future_are_mistakes() {
        let now = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert_eq!(check(now, now), Ok(()));
        assert_eq!(check(now + LONGEST, now), Ok(()));
        let past = check(now - Duration::from_millis(2_500), now).unwrap_err();
        assert_eq!(past, "--start-at has passed 2.5 s ago");
        assert!(check(now + LONGEST + Duration::from_secs(1), now).unwrap_err().contains("seven"));
    }
}
