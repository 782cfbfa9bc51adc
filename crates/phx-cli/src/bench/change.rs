//! Limits of a change between two runs, such as `push p99 +10%`.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::recorder::{StepName, Window};
use super::threshold::{Figure, MAX_THRESHOLD, is_about, number, rounded, sum};
use crate::value;

const FORM: &str =
    "expected STEP FIGURE +SHARE%, such as 'push p99 +10%', or -SHARE% as in 'push rate -5%'";

/// The steps of a run with their figures, and its time.
pub(super) type Steps<'a> = (&'a [(StepName, Window)], Duration);

/// How far a figure of a step may change for the worse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    step: String,
    figure: Figure,
    /// Share of the figure before.
    percent: f64,
    /// True if it may fall by so much, false if it may grow.
    is_fall: bool,
}

/// A limit and what was measured in both runs.
#[derive(Debug)]
pub(super) struct Outcome {
    limit: Limit,
    before: Option<f64>,
    after: Option<f64>,
}

/// Parses a value of `--limit`. The error says what was expected, and quotes nothing.
pub(crate) fn parse(value: &str) -> Result<Limit, String> {
    let text = value::text(value)?;
    if text.chars().count() > MAX_THRESHOLD {
        return Err(format!("expected at most {MAX_THRESHOLD} characters"));
    }
    let (left, share) = text.trim().rsplit_once(char::is_whitespace).ok_or(FORM)?;
    let (step, figure) = left.trim_end().rsplit_once(char::is_whitespace).ok_or(FORM)?;
    let (is_fall, share) = match (share.strip_prefix('+'), share.strip_prefix('-')) {
        (Some(share), _) => (false, share),
        (_, Some(share)) => (true, share),
        _ => return Err(FORM.to_owned()),
    };
    let percent = share.strip_suffix('%').and_then(number).ok_or(FORM)?;
    if is_fall && percent > 100.0 {
        return Err("expected a fall by at most 100%".to_owned());
    }
    // Runs of different lengths have different numbers of failures.
    let figure = if figure == "errors" { Figure::ErrorShare } else { Figure::named(figure)? };
    Ok(Limit { step: step.trim_end().to_owned(), figure, percent, is_fall })
}

impl Limit {
    /// True if it is about one of these steps.
    pub(super) fn is_about(&self, steps: Steps<'_>) -> bool {
        steps.0.iter().any(|(step, _)| is_about(&self.step, &step.name))
    }

    pub(super) fn judge(&self, before: Steps<'_>, after: Steps<'_>) -> Outcome {
        let of = |(steps, took): Steps<'_>| self.figure.of(&sum(&self.step, steps), took);
        Outcome { limit: self.clone(), before: of(before), after: of(after) }
    }
}

impl Outcome {
    /// True if the change isn't beyond the limit. One of a figure that a run doesn't have is.
    pub(super) fn is_kept(&self) -> bool {
        let (Some(before), Some(after)) = (self.before, self.after) else { return false };
        let share = self.limit.percent / 100.0;
        // What was 0 may not grow.
        if self.limit.is_fall {
            after >= before * (1.0 - share)
        } else {
            after <= before * (1.0 + share)
        }
    }

    /// The figures and the change, for people.
    pub(super) fn measured(&self) -> String {
        let figure = self.limit.figure;
        let shown = |value: Option<f64>| value.map_or("nothing".to_owned(), |v| figure.shown(v));
        let change = change(self.before, self.after);
        format!("{} to {}{}", shown(self.before), shown(self.after), in_brackets(change))
    }

    pub(super) fn limit(&self) -> &Limit {
        &self.limit
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "limit": self.limit.to_string(),
            "unit": self.limit.figure.unit(),
            "before": self.before,
            "after": self.after,
            "change_percent": change(self.before, self.after),
            "kept": self.is_kept(),
        })
    }
}

fn in_brackets(change: Option<f64>) -> String {
    change.map(|change| format!(" ({})", percent(change))).unwrap_or_default()
}

/// The change from a figure to another in percent of the first; `None` from nothing or from 0.
pub(super) fn change(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    let (before, after) = before.zip(after)?;
    (before > 0.0).then(|| 100.0 * (after - before) / before)
}

/// A change for people.
pub(super) fn percent(change: f64) -> String {
    format!("{change:+.1}%")
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_fall { '-' } else { '+' };
        write!(f, "{} {} {sign}{}%", self.step, self.figure.name(), rounded(self.percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, shown) in [
            ("push p99 +10%", "push p99 +10%"),
            (" send a message  p99.9   +2.5% ", "send a message p99.9 +2.5%"),
            ("push rate -5%", "push rate -5%"),
            ("push errors +0%", "push errors +0%"),
            ("push max +400%", "push max +400%"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown, "{text}");
        }
        for (text, expected) in [
            ("", "STEP FIGURE"),
            ("hush", "STEP FIGURE"),
            ("p99 +10%", "STEP FIGURE"),
            ("push p99 10%", "STEP FIGURE"),
            ("push p99 +hush%", "STEP FIGURE"),
            ("push p99 +-1%", "STEP FIGURE"),
            ("push p99 +inf%", "STEP FIGURE"),
            ("push p99 + 10%", "STEP FIGURE"),
            ("push p99 +10", "STEP FIGURE"),
            ("push hush +10%", "p99.9"),
            ("push rate -101%", "100%"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hush"), "{text}: {error}");
        }
        let long = parse(&format!("{} p99 +1%", "x".repeat(MAX_THRESHOLD))).unwrap_err();
        assert_eq!(long, "expected at most 200 characters");
    }

    fn steps(millis: &[u64], errors: u64) -> Vec<(StepName, Window)> {
        let mut window = Window::new();
        for millis in millis {
            window.latencies.record(millis * 1_000).unwrap();
        }
        window.count("timed out", errors);
        vec![(StepName { name: "push echo".to_owned(), is_push: true }, window)]
    }

    #[test]
    fn outcomes() {
        let (before, after) = (steps(&[10, 10, 10, 10], 0), steps(&[11, 11], 2));
        let (before, after) =
            ((&*before, Duration::from_secs(1)), (&*after, Duration::from_secs(1)));
        for (text, is_kept, measured) in [
            ("push p50 +10.1%", true, "10.0 ms to 11.0 ms (+10.0%)"),
            ("push p50 +9%", false, "10.0 ms to 11.0 ms (+10.0%)"),
            ("push rate -50%", true, "4 to 2 (-50.0%)"),
            ("push rate -49%", false, "4 to 2 (-50.0%)"),
            ("push echo count -60%", true, "4 to 2 (-50.0%)"),
            ("push errors +0%", false, "0% to 50%"),
            ("push p50 -0%", true, "10.0 ms to 11.0 ms (+10.0%)"),
        ] {
            let outcome = parse(text).unwrap().judge(before, after);
            assert_eq!((outcome.is_kept(), &*outcome.measured()), (is_kept, measured), "{text}");
        }
        let none = steps(&[], 0);
        let none = (&*none, Duration::from_secs(1));
        let outcome = parse("push p99 +10%").unwrap().judge(before, none);
        assert_eq!((outcome.is_kept(), &*outcome.measured()), (false, "10.0 ms to nothing"));
        assert!(!parse("join p99 +1%").unwrap().is_about(before));
    }
}
