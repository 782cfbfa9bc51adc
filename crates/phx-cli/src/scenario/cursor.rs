//! A user's place in a program: the next step, through loops, groups and choices.

use fastrand::Rng;
use tokio::time::Instant;

use super::program::{Op, Program};
use super::task::Step;

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// A step, with its name's number.
    Step(&'a Step, usize),
    /// A pass of a loop, which is due at this time if the loop has a schedule.
    Pass(Option<Instant>),
    /// A group has ended, which began at this time; with its name's number.
    GroupEnded(usize, Instant),
}

/// A place in a program.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    at: usize,
    frames: Vec<Frame>,
}

#[derive(Debug)]
enum Frame {
    Loop {
        /// The instruction that began it.
        start: usize,
        passes: u64,
        began: Instant,
    },
    Group {
        name: usize,
        began: Instant,
    },
}

impl Cursor {
    /// Returns what comes next; `None` at the end. A call goes back by no instruction, so it ends.
    pub(crate) fn next<'a>(
        &mut self,
        program: &'a Program,
        rng: &mut Rng,
        now: Instant,
    ) -> Option<Next<'a>> {
        loop {
            let op = program.op(self.at)?;
            self.at = self.at.saturating_add(1);
            match op {
                Op::Step(step, name) => return Some(Next::Step(step, *name)),
                Op::Loop(limits) => {
                    let start = self.at.saturating_sub(1);
                    self.frames.push(Frame::Loop { start, passes: 0, began: now });
                    return Some(Next::Pass(limits.every.map(|_| now)));
                }
                Op::LoopEnd => {
                    if let Some(due) = self.pass_again(program, now) {
                        return Some(Next::Pass(due));
                    }
                }
                Op::Group(name) => self.frames.push(Frame::Group { name: *name, began: now }),
                Op::GroupEnd => {
                    if let Some(Frame::Group { name, began }) = self.frames.pop() {
                        return Some(Next::GroupEnded(name, began));
                    }
                }
                Op::Choose(options) => self.at = chosen(options, rng).unwrap_or(self.at),
                Op::Jump(to) => self.at = *to,
            }
        }
    }

    /// The number of the innermost loop's pass, from 0.
    pub(crate) fn pass(&self) -> u64 {
        let passes = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Loop { passes, .. } => Some(*passes),
            Frame::Group { .. } => None,
        });
        passes.unwrap_or_default()
    }

    /// At the end of a loop's pass, goes to its start or leaves it. Returns when the next pass is due, if there is one.
    fn pass_again(&mut self, program: &Program, now: Instant) -> Option<Option<Instant>> {
        let Frame::Loop { start, passes, began } = self.frames.last_mut()? else { return None };
        let Op::Loop(limits) = program.op(*start)? else { return None };
        *passes = passes.saturating_add(1);
        let due = limits.every.map(|every| {
            let passed = u32::try_from(*passes).unwrap_or(u32::MAX);
            *began + every.saturating_mul(passed)
        });
        let is_last = limits.times.is_some_and(|times| *passes >= times);
        let ends = limits.duration.map(|duration| *began + duration);
        let is_late = ends.is_some_and(|end| due.unwrap_or(now).max(now) >= end);
        if is_last || is_late {
            self.frames.pop();
            return None;
        }
        self.at = start.saturating_add(1);
        Some(due)
    }
}

/// Draws an option by the weights.
fn chosen(options: &[(u64, usize)], rng: &mut Rng) -> Option<usize> {
    let total = options.iter().fold(0_u64, |sum, (weight, _)| sum.saturating_add(*weight));
    let mut drawn = rng.u64(0..total.max(1));
    options.iter().find_map(|(weight, at)| match drawn.checked_sub(*weight) {
        Some(rest) => {
            drawn = rest;
            None
        }
        None => Some(*at),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::line::Line;
    use super::super::program::Builder;
    use super::*;

    fn program(lines: &str) -> Program {
        let mut builder = Builder::default();
        for (line, number) in lines.lines().zip(1..) {
            builder.add(number, Line::parse(number, line, ".").unwrap()).unwrap();
        }
        builder.take().unwrap()
    }

    /// The names of the steps, with the time that passes at each of them.
    fn run(lines: &str, seed: u64, takes: Duration) -> Vec<String> {
        let program = program(lines);
        let (mut cursor, mut rng) = (Cursor::default(), Rng::with_seed(seed));
        let start = Instant::now();
        let mut now = start;
        let mut said = Vec::new();
        while let Some(next) = cursor.next(&program, &mut rng, now) {
            match next {
                Next::Step(step, _) => {
                    said.push(format!("{}{}", step.name, cursor.pass()));
                    now += takes;
                }
                Next::Pass(None) => {}
                Next::Pass(Some(due)) => {
                    said.push(format!("due {}", (due - start).as_millis()));
                    now = now.max(due);
                }
                Next::GroupEnded(name, began) => {
                    let name = &program.names()[name].name;
                    said.push(format!("{name} {}", (now - began).as_millis()));
                }
            }
        }
        said
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn loops_within_groups() {
        let lines = r#"{"do":"group","name":"g"}
            {"do":"loop","times":2}
            {"do":"ping","name":"a"}
            {"do":"loop","times":2}
            {"do":"ping","name":"b"}
            {"do":"end"}
            {"do":"end"}
            {"do":"end"}"#;
        assert_eq!(run(lines, 1, MS), ["a0", "b0", "b1", "a1", "b0", "b1", "group g 6"]);
    }

    #[test]
    fn a_schedule_isnt_moved_by_passes_that_take_long() {
        let lines = r#"{"do":"loop","times":4,"every_ms":10}
            {"do":"ping","name":"a"}
            {"do":"end"}"#;
        let due = ["due 0", "a0", "due 10", "a1", "due 20", "a2", "due 30", "a3"];
        assert_eq!(run(lines, 1, MS), due);
        assert_eq!(run(lines, 1, 25 * MS), due);
    }

    #[test]
    fn a_loop_ends_in_time() {
        let lines = r#"{"do":"loop","for_ms":30}
            {"do":"ping","name":"a"}
            {"do":"end"}"#;
        assert_eq!(run(lines, 1, 10 * MS), ["a0", "a1", "a2"]);
        let lines = lines.replace("\"for_ms\":30", "\"for_ms\":30,\"every_ms\":20");
        assert_eq!(run(&lines, 1, MS), ["due 0", "a0", "due 20", "a1"]);
    }

    #[test]
    fn options_are_drawn_by_their_weights() {
        let lines = r#"{"do":"loop","times":10000}
            {"do":"choose"}
            {"do":"option","weight":3}
            {"do":"ping","name":"a"}
            {"do":"option"}
            {"do":"ping","name":"b"}
            {"do":"end"}
            {"do":"end"}"#;
        let said = run(lines, 7, Duration::ZERO);
        let first = said.iter().filter(|step| step.starts_with('a')).count();
        assert_eq!(said.len(), 10_000);
        assert!((7_200..7_800).contains(&first), "{first}");
        assert_eq!(said, run(lines, 7, Duration::ZERO), "a seed replays");
        assert_ne!(said, run(lines, 8, Duration::ZERO));
    }

    /// Blocks without a step end too.
    #[test]
    fn empty_blocks() {
        let lines = "{\"do\":\"loop\",\"times\":3}\n{\"do\":\"end\"}";
        assert!(run(lines, 1, MS).is_empty());
    }
}
