//! Thresholds: conditions that a run must meet, such as `push p99 < 200ms`, and their own exit code.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::numbers::time;
use super::recorder::{StepName, Window};
use crate::terminal::shown;
use crate::value;

/// Characters of a threshold.
pub(super) const MAX_THRESHOLD: usize = 200;

const FORM: &str =
    "expected STEP FIGURE < VALUE, such as 'push p99 < 200ms', with <, <=, > or >= between them";
const FIGURES: &str = "expected one of min, mean, max, p50, p99.9 or another percentile, rate, count and errors \
                       between the step and the comparison";

/// A condition for one figure of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    step: String,
    figure: Figure,
    comparison: Comparison,
    /// In the figure's unit.
    limit: f64,
}

/// A figure of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Figure {
    /// Latencies, in microseconds.
    Min,
    Mean,
    Max,
    /// From 0 to 100, exclusive of 0.
    Percentile(f64),
    /// Replies a second.
    Rate,
    /// Replies.
    Count,
    /// Failures.
    Errors,
    /// Failures among all attempts, in percent.
    ErrorShare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A threshold and what was measured.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    threshold: Threshold,
    /// `None` if nothing was measured that the figure could be of.
    value: Option<f64>,
}

/// Parses a value of `--threshold`. The error says what was expected, and quotes nothing.
pub(crate) fn parse(value: &str) -> Result<Threshold, String> {
    let text = value::text(value)?;
    if text.chars().count() > MAX_THRESHOLD {
        return Err(format!("expected at most {MAX_THRESHOLD} characters"));
    }
    let at = text.find(['<', '>']).ok_or(FORM)?;
    let (left, right) = text.split_at(at);
    let (step, figure) = left.trim().rsplit_once(char::is_whitespace).ok_or(FORM)?;
    let (comparison, limit) = Comparison::parse(right).ok_or(FORM)?;
    let (figure, limit) = Figure::parse(figure, limit.trim())?;
    Ok(Threshold { step: step.trim_end().to_owned(), figure, comparison, limit })
}

/// Checks that each threshold is about one of these steps.
pub(super) fn check(thresholds: &[Threshold], steps: &[StepName]) -> Result<(), String> {
    let is_known =
        |threshold: &Threshold| steps.iter().any(|step| is_about(&threshold.step, &step.name));
    let Some(at) = thresholds.iter().position(|threshold| !is_known(threshold)) else {
        return Ok(());
    };
    let names: Vec<String> = steps.iter().map(|step| shown(&step.name)).collect();
    Err(format!(
        "the step of --threshold number {} isn't there: expected one of these, or its first word: {}",
        at + 1,
        names.join(", "),
    ))
}

/// Compares the figures of steps, which were measured for `took`, with the thresholds.
pub(super) fn judge(
    thresholds: &[Threshold],
    steps: &[(StepName, Window)],
    took: Duration,
) -> Vec<Verdict> {
    let verdict = |threshold: &Threshold| {
        let sum = sum(&threshold.step, steps);
        Verdict { value: threshold.figure.of(&sum, took), threshold: threshold.clone() }
    };
    thresholds.iter().map(verdict).collect()
}

/// Returns true if this step is meant: `push` means all steps whose name is `push` or begins with that word, together.
pub(super) fn is_about(meant: &str, step: &str) -> bool {
    let rest = step.strip_prefix(meant);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The figures of all steps that are meant. Beside pushes with a reply, those without one count with their failures only: their
/// times are those of this machine.
pub(super) fn sum(meant: &str, steps: &[(StepName, Window)]) -> Window {
    let mut sum = Window::new();
    let about = || steps.iter().filter(|(step, _)| is_about(meant, &step.name));
    match about().any(|(step, _)| step.is_push) {
        true => about().for_each(|(step, window)| sum.add_step(step, window)),
        false => about().for_each(|(_, window)| sum.add(window)),
    }
    sum
}

impl Comparison {
    /// The comparison at the start of a text, and the rest.
    fn parse(text: &str) -> Option<(Self, &str)> {
        use Comparison::{Above, AtLeast, AtMost, Below};
        let all = [("<=", AtMost), (">=", AtLeast), ("<", Below), (">", Above)];
        all.into_iter().find_map(|(sign, it)| text.strip_prefix(sign).map(|rest| (it, rest)))
    }

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Below => value < limit,
            Comparison::AtMost => value <= limit,
            Comparison::Above => value > limit,
            Comparison::AtLeast => value >= limit,
        }
    }
}

impl Figure {
    /// The figure with this name.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "min" => Figure::Min,
            "mean" => Figure::Mean,
            "max" => Figure::Max,
            "rate" => Figure::Rate,
            "count" => Figure::Count,
            "errors" => Figure::Errors,
            _ => {
                let digits = name.strip_prefix('p').filter(|digits| digits.len() <= 8);
                let percent = digits.and_then(number).filter(|percent| *percent > 0.0);
                let percent = percent.filter(|percent| *percent <= 100.0).ok_or(FIGURES)?;
                Figure::Percentile(percent)
            }
        })
    }

    pub(super) fn name(self) -> String {
        match self {
            Figure::Min => "min".to_owned(),
            Figure::Mean => "mean".to_owned(),
            Figure::Max => "max".to_owned(),
            Figure::Percentile(percent) => format!("p{percent}"),
            Figure::Rate => "rate".to_owned(),
            Figure::Count => "count".to_owned(),
            Figure::Errors | Figure::ErrorShare => "errors".to_owned(),
        }
    }

    /// The figure and the limit in its unit.
    fn parse(figure: &str, limit: &str) -> Result<(Self, f64), String> {
        let figure = Figure::named(figure)?;
        if let (Figure::Errors, Some(share)) = (figure, limit.strip_suffix('%')) {
            let share = number(share.trim_end()).filter(|share| *share <= 100.0);
            let share = share.ok_or("expected a share from 0% to 100% of errors")?;
            return Ok((Figure::ErrorShare, share));
        }
        let limit = match figure {
            Figure::Rate | Figure::Count | Figure::Errors => {
                number(limit).ok_or("expected a number after the comparison")?
            }
            _ => {
                let limit = humantime::parse_duration(limit);
                limit
                    .map_err(|_| "expected a time after the comparison, such as 200ms or 2s")?
                    .as_secs_f64()
                    * 1e6
            }
        };
        Ok((figure, limit))
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub(super) fn of(self, window: &Window, took: Duration) -> Option<f64> {
        let latencies = &window.latencies;
        let (replies, failures) = (latencies.len() as f64, window.failures() as f64);
        let latency = |value: f64| (!latencies.is_empty()).then_some(value);
        match self {
            Figure::Min => latency(latencies.min() as f64),
            Figure::Mean => latency(latencies.mean()),
            Figure::Max => latency(latencies.max() as f64),
            Figure::Percentile(percent) => {
                latency(latencies.value_at_quantile(percent / 100.0) as f64)
            }
            Figure::Rate => Some(replies / took.as_secs_f64().max(f64::EPSILON)),
            Figure::Count => Some(replies),
            Figure::Errors => Some(failures),
            Figure::ErrorShare => {
                let attempts = replies + failures;
                (attempts > 0.0).then(|| 100.0 * failures / attempts)
            }
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Figure::Min | Figure::Mean | Figure::Max | Figure::Percentile(_) => "us",
            Figure::Rate => "per_second",
            Figure::Count | Figure::Errors => "count",
            Figure::ErrorShare => "percent",
        }
    }

    pub(super) fn shown(self, value: f64) -> String {
        match self.unit() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
            "us" => time(value.round() as u64),
            "percent" => format!("{}%", rounded(value)),
            _ => rounded(value),
        }
    }
}

/// A number without a sign or an exponent, as people write them.
pub(super) fn number(text: &str) -> Option<f64> {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| is_plain)
}

/// Three digits after the point at most.
pub(super) fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Verdict {
    /// True if the condition is met. A figure that nothing was measured for meets none.
    pub(super) fn is_met(&self) -> bool {
        let Threshold { comparison, limit, .. } = self.threshold;
        self.value.is_some_and(|value| comparison.holds(value, limit))
    }

    /// The measured figure, for people.
    pub(super) fn measured(&self) -> String {
        self.value
            .map_or("nothing was measured".to_owned(), |value| self.threshold.figure.shown(value))
    }

    pub(super) fn threshold(&self) -> &Threshold {
        &self.threshold
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "threshold": self.threshold.to_string(),
            "unit": self.threshold.figure.unit(),
            "limit": self.threshold.limit,
            "value": self.value,
            "met": self.is_met(),
        })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = match self.comparison {
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
        };
        let figure = self.figure.name();
        let limit = self.figure.shown(self.limit);
        write!(f, "{} {figure} {comparison} {limit}", self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, shown) in [
            ("push p99 < 200ms", "push p99 < 200 ms"),
            ("push p99.9<=1s 500ms", "push p99.9 <= 1.50 s"),
            ("  send a message   max >= 7us ", "send a message max >= 7 µs"),
            ("push errors < 1%", "push errors < 1%"),
            ("push errors <= 0", "push errors <= 0"),
            ("push errors<0.5 %", "push errors < 0.5%"),
            ("push rate > 1500.5", "push rate > 1500.5"),
            ("push count>=10", "push count >= 10"),
            ("push p100 < 2s", "push p100 < 2.00 s"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn errors_say_what_was_expected_and_quote_nothing() {
        for (text, expected) in [
            ("", "STEP FIGURE"),
            ("hush", "STEP FIGURE"),
            ("p99 < 200ms", "STEP FIGURE"),
            ("push p99 = 200ms", "STEP FIGURE"),
            ("push hush < 200ms", "p99.9"),
            ("push p < 1s", "p99.9"),
            ("push p0 < 1s", "p99.9"),
            ("push p101 < 1s", "p99.9"),
            ("push p1e1 < 1s", "p99.9"),
            ("push pNaN < 1s", "p99.9"),
            ("push p99.99999999 < 1s", "p99.9"),
            ("push p99 < hush", "such as 200ms"),
            ("push p99 < 200", "such as 200ms"),
            ("push p99 < -5ms", "such as 200ms"),
            ("push p99 <> 200ms", "such as 200ms"),
            ("push p99 <", "such as 200ms"),
            ("push rate > hush", "a number"),
            ("push rate > -1", "a number"),
            ("push rate > inf", "a number"),
            ("push errors < 101%", "100%"),
            ("push errors < hush%", "100%"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hush"), "{text}: {error}");
        }
        let long = parse(&format!("{} p99 < 1s", "x".repeat(MAX_THRESHOLD))).unwrap_err();
        assert_eq!(long, "expected at most 200 characters");
    }

    fn step(name: &str) -> StepName {
        StepName { name: name.to_owned(), is_push: name.starts_with("push") }
    }

    #[test]
    fn verdicts() {
        let (mut echo, mut shout) = (Window::new(), Window::new());
        for millis in 1..=100 {
            let window = if millis % 2 == 0 { &mut echo } else { &mut shout };
            window.latencies.record(millis * 1_000).unwrap();
        }
        echo.count("timed out", 25);
        let mut without_reply = Window::new();
        without_reply.latencies.record_n(1, 1_000).unwrap();
        let steps = [
            (StepName { is_push: false, ..step("push none") }, without_reply),
            (step("push echo"), echo),
            (step("push shout"), shout),
            (step("pushed"), Window::new()),
            (step("join"), Window::new()),
        ];
        for (text, is_met, measured) in [
            ("push p50 < 51ms", true, "50.0 ms"),
            ("push p50 < 50ms", false, "50.0 ms"),
            ("push max > 99ms", true, "100 ms"),
            ("push shout max > 100ms", false, "99.0 ms"),
            ("push errors < 20%", false, "20%"),
            ("push errors <= 20%", true, "20%"),
            ("push shout errors < 1%", true, "0%"),
            ("push errors < 25", false, "25"),
            ("push rate >= 25", true, "25"),
            ("push count > 100", false, "100"),
            ("push echo count > 49", true, "50"),
            ("push none count > 999", true, "1000"),
            ("push none max < 1ms", true, "1 µs"),
            ("join p99 < 1h", false, "nothing was measured"),
            ("join errors < 1%", false, "nothing was measured"),
            ("join errors <= 0", true, "0"),
        ] {
            let thresholds = [parse(text).unwrap()];
            let verdict = &judge(&thresholds, &steps, Duration::from_secs(4))[0];
            assert_eq!((verdict.is_met(), &*verdict.measured()), (is_met, measured), "{text}");
        }
    }

    #[test]
    fn a_threshold_names_a_step_that_is_there() {
        let thresholds = [parse("push p99 < 1s").unwrap(), parse("hush p99 < 1s").unwrap()];
        let steps = ["join", "push echo"].map(step);
        assert_eq!(check(&thresholds[..1], &steps), Ok(()));
        let error = check(&thresholds, &steps).unwrap_err();
        assert!(error.contains("number 2") && error.ends_with("join, push echo"), "{error}");
        assert!(check(&[parse("pus p99 < 1s").unwrap()], &steps).is_err());
    }
}
