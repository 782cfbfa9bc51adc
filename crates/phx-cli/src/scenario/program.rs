//! A scenario's lines as a program: blocks are checked, and each knows where it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::line::{Line, Loop};
use super::task::{Step, Task};

/// Blocks within blocks.
const MAX_DEPTH: usize = 16;

/// Lines of a program.
const MAX_LINES: usize = 10_000;

/// Different names of steps and groups, each of which is measured.
const MAX_NAMES: usize = 64;

/// A mistake in a scenario. The text says what was expected, and at which column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) line: u64,
    pub(crate) text: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// One instruction.
#[derive(Debug)]
pub(crate) enum Op {
    /// A step, with its name's number.
    Step(Box<Step>, usize),
    /// Begins a loop, whose first step is the next instruction. The number is that of the instruction after its end.
    Loop(Loop, usize),
    LoopEnd,
    /// Begins a group with this number of its name.
    Group(usize),
    GroupEnd,
    /// Goes to one of the places, by their weights.
    Choose(Vec<(u64, usize)>),
    Jump(usize),
}

/// A program that was checked.
#[derive(Debug, Default)]
pub(crate) struct Program {
    ops: Vec<Op>,
    names: Vec<Named>,
}

/// A name of steps or groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// True if the steps are pushes with a reply.
    pub(crate) is_push: bool,
}

impl Program {
    pub(crate) fn op(&self, at: usize) -> Option<&Op> {
        self.ops.get(at)
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.ops.iter().filter_map(|op| match op {
            Op::Step(step, _) => Some(&**step),
            _ => None,
        })
    }

    /// The steps, each with the instruction that begins its loop if that has passes at the same time.
    fn steps_in_loops(&self) -> impl Iterator<Item = (&Step, Option<usize>)> {
        let mut at_once = None;
        self.ops.iter().enumerate().filter_map(move |(at, op)| {
            match op {
                Op::Loop(limits, end) if limits.at_once.is_some() => at_once = Some((at, *end)),
                _ => at_once = at_once.filter(|(_, end)| at < *end),
            }
            match op {
                Op::Step(step, _) => Some((&**step, at_once.map(|(start, _)| start))),
                _ => None,
            }
        })
    }

    pub(crate) fn names(&self) -> &[Named] {
        &self.names
    }

    /// Returns the first step that needs a variable which nothing sets, apart from these. `source` is the program's text.
    pub(crate) fn check_variables(&self, known: &[&str], source: &str) -> Result<(), Flaw> {
        // By the loop with passes at the same time that a step is in: what is set there ends with the pass.
        let mut set_in: BTreeMap<Option<usize>, BTreeSet<Arc<str>>> = BTreeMap::new();
        set_in.entry(None).or_default().extend(known.iter().map(|name| Arc::from(*name)));
        for (step, at_once) in self.steps_in_loops() {
            let set = set_in.entry(at_once).or_default();
            set.extend(step.save.iter().map(|(name, _)| Arc::clone(name)));
            match &step.task {
                Task::Set(values) => set.extend(values.iter().map(|(name, _)| Arc::clone(name))),
                Task::Data(table, _) => set.extend(table.columns().iter().cloned()),
                _ => {}
            }
        }
        for (step, at_once) in self.steps_in_loops() {
            let mut unset = None;
            let is_set = |name: &Arc<str>| {
                let mut sets = [None, at_once].into_iter().filter_map(|within| set_in.get(&within));
                sets.any(|set| set.contains(name))
            };
            step.task.each_name(|name| {
                if !is_set(name) {
                    unset.get_or_insert_with(|| Arc::clone(name));
                }
            });
            if let Some(name) = unset {
                let column = column_of(&format!("${{{name}}}"), step.line, source);
                let text = format!(
                    "nothing gives `{name}` a value: expected a `set`, `data` or `save` of it at column {column}"
                );
                return Err(Flaw { line: step.line, text });
            }
        }
        Ok(())
    }
}

/// The column of a text in a line, or of the line's start if it is written in another way.
fn column_of(text: &str, line: u64, source: &str) -> usize {
    let line = usize::try_from(line.saturating_sub(1)).ok().and_then(|at| source.lines().nth(at));
    let before = line.and_then(|line| line.split_once(text)).map(|(before, _)| before);
    before.map_or(0, |before| before.chars().count()).saturating_add(1)
}

/// Makes programs of lines.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    program: Program,
    /// The blocks that haven't ended.
    open: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    line: u64,
    /// The instruction that begins it.
    start: usize,
    /// The instructions that leave a `choose` after its options.
    jumps: Vec<usize>,
}

impl Builder {
    /// Adds a line.
    pub(crate) fn add(&mut self, number: u64, line: Line) -> Result<(), Flaw> {
        let flaw = |text: String| Flaw { line: number, text };
        let here = self.program.ops.len();
        if here >= MAX_LINES {
            return Err(flaw(format!("expected at most {MAX_LINES} lines of steps at column 1")));
        }
        let needs_option = self.options().is_some_and(|options| options.is_empty());
        if needs_option && !matches!(line, Line::Option(_)) {
            return Err(flaw("expected an `option` of the `choose` at column 1".to_owned()));
        }
        match line {
            Line::Step(step) => {
                if self.is_at_once() && !step.task.may_run_at_once() {
                    let text = "the passes of a loop with `at_once` share a connection: \
                         expected no connect, disconnect or step of a live view in it at column 1";
                    return Err(flaw(text.to_owned()));
                }
                let is_push = step.is_measured_push();
                let name = self.name(step.name.clone(), is_push).map_err(flaw)?;
                self.program.ops.push(Op::Step(step, name));
            }
            Line::Loop(limits) => {
                if self.is_at_once() && limits.at_once.is_some() {
                    let text = "expected no `at_once` within a loop that has it at column 1";
                    return Err(flaw(text.to_owned()));
                }
                self.open(number, Op::Loop(limits, 0)).map_err(flaw)?;
            }
            Line::Group(name) => {
                let name = self.name(format!("group {name}"), false).map_err(flaw)?;
                self.open(number, Op::Group(name)).map_err(flaw)?;
            }
            Line::Choose => self.open(number, Op::Choose(Vec::new())).map_err(flaw)?,
            Line::Option(weight) => self.option(weight).map_err(flaw)?,
            Line::End => self.end().map_err(flaw)?,
        }
        Ok(())
    }

    /// Returns whether all blocks have ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the program, or the block that is still open as a flaw, and begins another one.
    pub(crate) fn take(&mut self) -> Result<Program, Flaw> {
        if let Some(block) = self.open.last() {
            let text = "expected an `end` of this block at column 1".to_owned();
            return Err(Flaw { line: block.line, text });
        }
        Ok(std::mem::take(&mut self.program))
    }

    fn open(&mut self, line: u64, op: Op) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!(
                "expected at most {MAX_DEPTH} blocks within each other at column 1"
            ));
        }
        self.open.push(Block { line, start: self.program.ops.len(), jumps: Vec::new() });
        self.program.ops.push(op);
        Ok(())
    }

    /// Returns whether this is within a loop whose passes may run at the same time.
    fn is_at_once(&self) -> bool {
        self.open.iter().any(|block| {
            let op = self.program.ops.get(block.start);
            matches!(op, Some(Op::Loop(Loop { at_once: Some(_), .. }, _)))
        })
    }

    /// The options of the innermost block, if that is a `choose`.
    fn options(&mut self) -> Option<&mut Vec<(u64, usize)>> {
        let start = self.open.last()?.start;
        match self.program.ops.get_mut(start) {
            Some(Op::Choose(options)) => Some(options),
            _ => None,
        }
    }

    fn option(&mut self, weight: u64) -> Result<(), String> {
        let Some(is_first) = self.options().map(|options| options.is_empty()) else {
            return Err("expected a `choose` before the `option` at column 1".to_owned());
        };
        if !is_first {
            self.jump_to_end();
        }
        let here = self.program.ops.len();
        if let Some(options) = self.options() {
            options.push((weight, here));
        }
        Ok(())
    }

    /// Ends an option; `end` says where it goes.
    fn jump_to_end(&mut self) {
        let here = self.program.ops.len();
        if let Some(block) = self.open.last_mut() {
            block.jumps.push(here);
        }
        self.program.ops.push(Op::Jump(0));
    }

    fn end(&mut self) -> Result<(), String> {
        let block = self.open.pop().ok_or("expected a block before its `end` at column 1")?;
        let here = self.program.ops.len();
        match self.program.ops.get_mut(block.start) {
            Some(Op::Loop(_, end)) => {
                *end = here.saturating_add(1);
                self.program.ops.push(Op::LoopEnd);
            }
            Some(Op::Group(_)) => self.program.ops.push(Op::GroupEnd),
            _ => {
                for jump in block.jumps {
                    if let Some(Op::Jump(to)) = self.program.ops.get_mut(jump) {
                        *to = here;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the number of a name.
    fn name(&mut self, name: String, is_push: bool) -> Result<usize, String> {
        let named = Named { name, is_push };
        let names = &mut self.program.names;
        if let Some(known) = names.iter().position(|known| *known == named) {
            return Ok(known);
        }
        if names.len() >= MAX_NAMES {
            return Err(format!(
                "expected at most {MAX_NAMES} different names of steps at column 1: a `name` may be that of several"
            ));
        }
        names.push(named);
        Ok(names.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::super::MAX_SCENARIO;
    use super::*;

    fn build(lines: &str) -> Result<Program, Flaw> {
        let mut builder = Builder::default();
        for (line, number) in lines.lines().zip(1..) {
            let line =
                Line::parse(number, line, ".").map_err(|text| Flaw { line: number, text })?;
            builder.add(number, line)?;
        }
        builder.take()
    }

    #[test]
    fn blocks_are_checked() {
        let deep = |times: usize| "{\"do\":\"group\",\"name\":\"g\"}\n".repeat(times);
        let at_once = |step: &str| {
            let start = r#"{"do":"loop","times":2,"at_once":2}"#;
            format!("{start}\n{}{step}", deep(1))
        };
        for (lines, why) in [
            (r#"{"do":"end"}"#, "line 1: expected a block before its `end`"),
            ("{\"do\":\"ping\"}\n{\"do\":\"loop\",\"times\":2}", "line 2: expected an `end`"),
            ("{\"do\":\"choose\"}\n{\"do\":\"ping\"}", "line 2: expected an `option`"),
            ("{\"do\":\"choose\"}\n{\"do\":\"end\"}", "line 2: expected an `option`"),
            (r#"{"do":"option"}"#, "line 1: expected a `choose` before"),
            (&deep(MAX_DEPTH + 1), "line 17: expected at most 16 blocks"),
            (&deep(2), "line 2: expected an `end`"),
            (
                &at_once(r#"{"do":"disconnect"}"#),
                "line 3: the passes of a loop with `at_once` share",
            ),
            (&at_once(r#"{"do":"mount"}"#), "line 3: the passes of a loop with `at_once` share"),
            (&at_once(&at_once("")), "line 3: expected no `at_once` within a loop that has it"),
        ] {
            let error = build(lines).unwrap_err().to_string();
            assert!(error.starts_with(why) && error.ends_with(" at column 1"), "{error}");
        }
    }

    #[test]
    fn names_and_lines_are_limited_in_number() {
        let names = |count: usize| -> String {
            (0..count).map(|n| format!("{{\"do\":\"ping\",\"name\":\"n{n}\"}}\n")).collect()
        };
        let group = |lines: String| {
            format!("{{\"do\":\"group\",\"name\":\"g\"}}\n{lines}{{\"do\":\"end\"}}")
        };
        assert_eq!(build(&group(names(MAX_NAMES - 1))).unwrap().names().len(), MAX_NAMES);
        let error = build(&group(names(MAX_NAMES))).unwrap_err().to_string();
        assert!(error.contains("line 65: expected at most 64 different names"), "{error}");
        let many = group("{\"do\":\"ping\"}\n".repeat(MAX_LINES));
        let error = build(&many).unwrap_err().to_string();
        assert!(error.contains("expected at most 10000 lines"), "{error}");
    }

    #[test]
    fn a_program_takes_a_small_multiple_of_its_text() {
        let (first, last) = ("{\"do\":\"group\",\"name\":\"g\"}\n", "{\"do\":\"end\"}");
        for line in [
            "{\"do\":\"ping\"}\n".to_owned(),
            "{\"do\":\"push\",\"topic\":\"a${b}\",\"event\":\"c\",\"payload\":[[[1,2],3],4]}\n"
                .to_owned(),
            format!(
                "{{\"do\":\"push\",\"topic\":\"a\",\"event\":\"c\",\"payload\":[{}1]}}\n",
                "1,".repeat(1_000)
            ),
        ] {
            let count = (MAX_LINES - 2).min(MAX_SCENARIO / line.len() - 10);
            let text = format!("{first}{}{last}", line.repeat(count));
            let used = measure(|| drop(build(&text).unwrap()));
            assert!(used.bytes_max < 16 * MAX_SCENARIO as u64, "{used:?} of {}", text.len());
        }
    }

    #[test]
    fn a_variable_that_nothing_sets_is_found() {
        let lines = "{\"do\":\"group\",\"name\":\"g\"}\n\
             {\"do\":\"join\",\"topic\":\"room:${user}\",\"save\":{\"id\":\"/id\"}}\n\
             {\"do\":\"push\",\"topic\":\"a\",\"event\":\"${id}\",\"payload\":[\"${n}\"]}\n\
             {\"do\":\"end\"}";
        let program = build(lines).unwrap();
        let flaw = |source| program.check_variables(&["user"], source).unwrap_err().to_string();
        let of_lines = flaw(lines);
        assert!(of_lines.starts_with("line 3: nothing gives `n` a value: expected"), "{of_lines}");
        assert!(of_lines.ends_with(" at column 54"), "{of_lines}");
        assert!(flaw("").ends_with(" at column 1"));
        let set = r#"{"do":"set","variables":{"n":1}}"#;
        let at_once = r#"{"do":"loop","times":2,"at_once":2}"#;
        let (push, end) = (r#"{"do":"join","topic":"${n}"}"#, r#"{"do":"end"}"#);
        let check = |lines: &[&str]| {
            let lines = lines.join("\n");
            build(&lines).unwrap().check_variables(&[], &lines).map_err(|flaw| flaw.line)
        };
        assert_eq!(check(&[at_once, set, push, end]), Ok(()));
        assert_eq!(check(&[set, at_once, push, end, push]), Ok(()));
        assert_eq!(check(&[at_once, set, end, push]), Err(4), "it ended with the pass");
        assert_eq!(check(&[at_once, set, end, at_once, push, end]), Err(5), "of another loop");
    }
}
