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
    /// A loop of which up to this number of passes may run at the same time. They are performed one after another by further calls, unless
    /// [`Cursor::leave`] skips them.
    AtOnce(Passes, usize),
    /// A loop has ended, so [`Cursor::pass`] is that of the loop around it.
    LoopEnded,
    /// A group has ended, which began at this time; with its name's number.
    GroupEnded(usize, Instant),
}

/// A place in a program.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    at: usize,
    frames: Vec<Frame>,
    /// The number of the pass that this is a place in, outside of its inner loops.
    pass: u64,
}

#[derive(Debug)]
enum Frame {
    Loop(Passes),
    Group { name: usize, began: Instant },
}

/// The passes of a loop. Each user holds some, so they don't hold the loop's limits as well.
#[derive(Clone, Debug)]
pub(crate) struct Passes {
    /// The instruction that begins the loop.
    start: usize,
    began: Instant,
    /// Passes that have begun.
    begun: u64,
}

impl Passes {
    /// Begins the next pass: returns a place at its start, and when it is due if the loop has a schedule. `None` if the loop is over.
    pub(crate) fn next(
        &mut self,
        program: &Program,
        now: Instant,
    ) -> Option<(Cursor, Option<Instant>)> {
        let Op::Loop(limits, _) = program.op(self.start)? else { return None };
        let number = self.begun;
        let due = limits.every.map(|every| {
            let passed = u32::try_from(number).unwrap_or(u32::MAX);
            self.began + every.saturating_mul(passed)
        });
        let is_over = limits.times.is_some_and(|times| number >= times);
        let ends = limits.duration.map(|duration| self.began + duration);
        let is_late = number > 0 && ends.is_some_and(|end| due.unwrap_or(now).max(now) >= end);
        if is_over || is_late {
            return None;
        }
        self.begun = number.saturating_add(1);
        let at = self.start.saturating_add(1);
        Some((Cursor { at, frames: Vec::new(), pass: number }, due))
    }
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
                Op::Loop(limits, end) => {
                    let start = self.at.saturating_sub(1);
                    let passes = Passes { start, began: now, begun: 0 };
                    self.frames.push(Frame::Loop(passes.clone()));
                    if let Some(lanes) = limits.at_once {
                        let times = limits.times.and_then(|times| usize::try_from(times).ok());
                        let lanes = times.map_or(lanes, |times| lanes.min(times));
                        // The `LoopEnd`, from where the first pass begins.
                        self.at = end.saturating_sub(1);
                        return Some(Next::AtOnce(passes, lanes));
                    }
                    return Some(self.begin_pass(program, now));
                }
                // The end of the pass, for a place that began within the loop.
                Op::LoopEnd if self.frames.is_empty() => return None,
                Op::LoopEnd => return Some(self.begin_pass(program, now)),
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
            Frame::Loop(passes) => Some(passes.begun.saturating_sub(1)),
            Frame::Group { .. } => None,
        });
        passes.unwrap_or(self.pass)
    }

    /// Leaves the innermost loop.
    pub(crate) fn leave(&mut self, program: &Program) {
        if let Some(Frame::Loop(passes)) = self.frames.pop()
            && let Some(Op::Loop(_, end)) = program.op(passes.start)
        {
            self.at = *end;
        }
    }

    /// Begins the next pass of the innermost loop, or leaves it.
    fn begin_pass(&mut self, program: &Program, now: Instant) -> Next<'static> {
        if let Some(Frame::Loop(passes)) = self.frames.last_mut()
            && let Some((first, due)) = passes.next(program, now)
        {
            self.at = first.at;
            return Next::Pass(due);
        }
        self.leave(program);
        Next::LoopEnded
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
                Next::Pass(None) | Next::AtOnce(..) | Next::LoopEnded => {}
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

    #[test]
    fn the_pass_is_that_of_the_loop_around_it() {
        let lines = r#"{"do":"loop","times":2}
            {"do":"loop","times":3}
            {"do":"ping","name":"a"}
            {"do":"end"}
            {"do":"ping","name":"b"}
            {"do":"end"}
            {"do":"ping","name":"c"}"#;
        let program = program(lines);
        let (mut cursor, mut rng, now) = (Cursor::default(), Rng::with_seed(1), Instant::now());
        let (mut passes, mut pass) = (Vec::new(), 7);
        while let Some(next) = cursor.next(&program, &mut rng, now) {
            match next {
                Next::Step(step, _) => passes.push(format!("{}{pass}", step.name)),
                _ => pass = cursor.pass(),
            }
        }
        assert_eq!(passes, ["a0", "a1", "a2", "b0", "a0", "a1", "a2", "b1", "c0"]);
    }

    #[test]
    fn passes_at_once_are_those_of_a_loop() {
        let lines = r#"{"do":"loop","times":3,"every_ms":10,"at_once":2}
            {"do":"group","name":"g"}
            {"do":"loop","times":2}
            {"do":"ping","name":"a"}
            {"do":"end"}
            {"do":"end"}
            {"do":"ping","name":"b"}
            {"do":"end"}
            {"do":"ping","name":"c"}"#;
        let all = ["due 0", "a0", "a1", "group g 0", "b0", "due 10", "a0", "a1", "group g 0", "b1"];
        assert_eq!(run(lines, 1, Duration::ZERO)[..10], all, "one after another");

        let program = program(lines);
        let (mut cursor, mut rng, now) = (Cursor::default(), Rng::with_seed(1), Instant::now());
        let Some(Next::AtOnce(mut passes, 2)) = cursor.next(&program, &mut rng, now) else {
            panic!("it is a loop of such passes")
        };
        cursor.leave(&program);
        let after = cursor.next(&program, &mut rng, now);
        assert!(matches!(after, Some(Next::Step(step, _)) if step.name == "c"), "{after:?}");
        for number in 0..3 {
            let (mut place, due) = passes.next(&program, now).unwrap();
            assert_eq!((place.pass(), due), (number, Some(now + 10 * MS * number as u32)));
            let mut names = Vec::new();
            while let Some(next) = place.next(&program, &mut rng, now) {
                if let Next::Step(step, _) = next {
                    names.push(format!("{}{}", step.name, place.pass()));
                }
            }
            assert_eq!(names, ["a0".to_owned(), "a1".to_owned(), format!("b{number}")]);
        }
        assert!(passes.next(&program, now).is_none());
    }

    /// Blocks without a step end too.
    #[test]
    fn empty_blocks() {
        let lines = "{\"do\":\"loop\",\"times\":3}\n{\"do\":\"end\"}";
        assert!(run(lines, 1, MS).is_empty());
    }
}
