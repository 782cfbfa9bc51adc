//! The stages of a load: how many users there are, or how many arrive in a second, at each time.

use std::time::Duration;

use crate::value;

/// Stages of a load.
const MAX_STAGES: usize = 100;

/// Largest number of users, and of arrivals in a second.
pub(in crate::bench) const MAX_TARGET: u32 = 100_000;

/// A stage, in which the number moves in a straight line to its target. One without a duration is a jump.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::bench) struct Stage {
    pub(in crate::bench) duration: Duration,
    pub(in crate::bench) target: u32,
}

/// Parses `TIME:TARGET`.
pub(in crate::bench) fn stage(value: &str) -> Result<Stage, String> {
    let expected = || format!("expected TIME:TARGET, such as 30s:100, with at most {MAX_TARGET}");
    let text = value::text(value)?;
    let (time, target) = text.split_once(':').ok_or_else(expected)?;
    let duration = humantime::parse_duration(time).map_err(|_| expected())?;
    let target = target.parse().ok().filter(|target| *target <= MAX_TARGET);
    let is_long = duration > Duration::from_secs(7 * 86_400);
    let target = target.filter(|_| !is_long).ok_or_else(expected)?;
    Ok(Stage { duration, target })
}

/// The numbers of a load over time.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Stages {
    /// The number at the start.
    first: f64,
    stages: Vec<Stage>,
}

impl Stages {
    /// Stages that begin at `first`; without any it is that number for `duration`.
    pub(in crate::bench) fn new(
        first: f64,
        stages: &[Stage],
        duration: Duration,
    ) -> Result<Self, String> {
        if stages.len() > MAX_STAGES {
            return Err(format!("expected at most {MAX_STAGES} stages"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it holds still, and is at most the largest target"
        )]
        let held = Stage { duration, target: first.ceil() as u32 };
        let is_held = stages.is_empty();
        let stages = if is_held { vec![held] } else { stages.to_vec() };
        Ok(Stages { first, stages })
    }

    pub(in crate::bench) fn duration(&self) -> Duration {
        self.stages.iter().map(|stage| stage.duration).sum()
    }

    /// The largest number at any time.
    pub(in crate::bench) fn most(&self) -> f64 {
        self.spans().map(|span| span.from.max(span.to)).fold(0.0, f64::max)
    }

    /// The number at this time; after the end it is the last.
    pub(in crate::bench) fn at(&self, time: Duration) -> f64 {
        let mut last = self.first;
        for span in self.spans() {
            if time < span.end {
                let passed = time.saturating_sub(span.start).as_secs_f64();
                let share = passed / span.seconds().max(f64::MIN_POSITIVE);
                return span.from + (span.to - span.from) * share;
            }
            last = span.to;
        }
        last
    }

    /// The times at which users arrive, if the numbers are arrivals in a second.
    pub(in crate::bench) fn arrivals(&self) -> impl Iterator<Item = Duration> {
        let spans: Vec<Span> = self.spans().collect();
        let mut before = 0.0;
        let mut place = 0;
        let mut number = 0.0;
        std::iter::from_fn(move || {
            loop {
                let span = spans.get(place)?;
                let arrived = span.seconds() * f64::midpoint(span.from, span.to);
                if number < before + arrived {
                    let after = span.time_of(number - before);
                    number += 1.0;
                    return Some(span.start + Duration::from_secs_f64(after));
                }
                before += arrived;
                place += 1;
            }
        })
    }

    /// The stage of this time in words, with its number; `None` if there are none.
    pub(in crate::bench) fn stage_at(&self, time: Duration) -> Option<String> {
        if self.is_held() {
            return None;
        }
        let count = self.stages.len();
        let place = self.spans().position(|span| time < span.end);
        let place = place.unwrap_or(count.saturating_sub(1));
        let Stage { duration, target } = self.stages.get(place)?;
        let duration = humantime::format_duration(*duration);
        Some(format!("{} of {count}, {duration}:{target}", place + 1))
    }

    /// Times in seconds with the number of each: straight lines between them are the stages. `None` if there are none.
    pub(in crate::bench) fn points(&self) -> Option<Vec<(f64, f64)>> {
        let ends = self.spans().map(|span| (span.end.as_secs_f64(), span.to));
        (!self.is_held()).then(|| std::iter::once((0.0, self.first)).chain(ends).collect())
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        let (mut from, mut start) = (self.first, Duration::ZERO);
        let is_held = self.is_held();
        self.stages.iter().map(move |stage| {
            let to = if is_held { from } else { f64::from(stage.target) };
            let end = start + stage.duration;
            let span = Span { start, end, from, to };
            (from, start) = (to, end);
            span
        })
    }

    /// Returns whether the only stage holds the first number, which needn't be a whole one.
    fn is_held(&self) -> bool {
        matches!(&self.stages[..], [only] if f64::from(only.target) == self.first.ceil())
    }
}

/// A stage with its start and its first number.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Duration,
    end: Duration,
    from: f64,
    to: f64,
}

impl Span {
    fn seconds(&self) -> f64 {
        self.end.saturating_sub(self.start).as_secs_f64()
    }

    /// The seconds after which so many have arrived: where the area below the line is this number.
    fn time_of(&self, number: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds().max(f64::MIN_POSITIVE);
        // The smaller root of slope / 2 * t² + from * t = number, in the form that is exact for small slopes.
        let root = (self.from * self.from + 2.0 * slope * number).max(0.0).sqrt();
        let time = 2.0 * number / (self.from + root).max(f64::MIN_POSITIVE);
        time.clamp(0.0, self.seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn stages(first: f64, texts: &[&str]) -> Stages {
        let stages: Vec<Stage> = texts.iter().map(|text| stage(text).unwrap()).collect();
        Stages::new(first, &stages, 10 * SECOND).unwrap()
    }

    #[test]
    fn numbers_over_time() {
        let ramp = stages(0.0, &["10s:100", "5s:100", "0s:500", "1s:500", "10s:0"]);
        assert_eq!((ramp.duration(), ramp.most()), (26 * SECOND, 500.0));
        let at = [0, 5, 10, 14, 15, 16, 21, 26, 99].map(|second| ramp.at(second * SECOND));
        assert_eq!(at, [0.0, 50.0, 100.0, 100.0, 500.0, 500.0, 250.0, 0.0, 0.0]);
        let held = stages(2.5, &[]);
        assert_eq!((held.at(Duration::ZERO), held.at(9 * SECOND), held.most()), (2.5, 2.5, 2.5));
        assert_eq!(held.duration(), 10 * SECOND);
    }

    #[test]
    fn arrivals_are_as_many_as_the_area_below() {
        let millis = |stages: &Stages, count| -> Vec<u128> {
            stages.arrivals().take(count).map(|time| time.as_millis()).collect()
        };
        assert_eq!(millis(&stages(2.5, &[]), 4), [0, 400, 800, 1_200]);
        assert_eq!(stages(2.5, &[]).arrivals().count(), 25);
        let ramp = stages(0.0, &["10s:10", "0s:100", "1s:100", "10s:0"]);
        // The k-th comes when t² / 2 is k.
        assert_eq!(millis(&ramp, 4), [0, 1_414, 2_000, 2_449]);
        let times: Vec<Duration> = ramp.arrivals().collect();
        assert_eq!(times.len(), 50 + 100 + 500);
        assert!(times.is_sorted() && times[649] < 21 * SECOND, "{:?}", times[649]);
        assert_eq!(stages(0.0, &["1s:0"]).arrivals().count(), 0);
    }

    #[test]
    fn a_stage_is_a_time_and_a_target() {
        assert_eq!(stage("1m:7"), Ok(Stage { duration: 60 * SECOND, target: 7 }));
        for text in ["", "1m", "1m:", ":7", "1m:-1", "1m:1.5", "1m:100001", "8d:1", "x:1"] {
            assert!(stage(text).unwrap_err().starts_with("expected TIME:TARGET"), "{text}");
        }
        let many = vec![Stage { duration: SECOND, target: 1 }; MAX_STAGES + 1];
        assert!(Stages::new(0.0, &many, SECOND).unwrap_err().contains("at most 100"));
    }
}
