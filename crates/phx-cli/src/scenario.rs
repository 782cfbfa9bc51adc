//! Scenarios: steps as lines of JSON, with variables, data, loops, groups and choices. `phx script` runs them for one user,
//! `phx bench --scenario` for many.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fastrand::Rng;

use crate::failure::Failure;
use crate::value;

mod cursor;
mod data;
mod line;
mod presence;
mod program;
mod task;
mod template;
mod variables;

pub(crate) use cursor::{Cursor, Next, Passes};
pub(crate) use data::{Row, Table};
pub(crate) use presence::Present;
pub(crate) use program::{Flaw, Program};
pub(crate) use task::{Address, Content, Expect, Live, Order, Pattern, Step, Task, Unsaved};
pub(crate) use template::{Text, Unfilled};
pub(crate) use variables::{Variable, Variables};

use line::Line;
use program::Builder;

/// Bytes of a scenario's file.
const MAX_SCENARIO: usize = 1 << 20;

/// The variables that every user has: its number, and the number of the innermost loop's pass, both from 0.
const BUILT_IN: [&str; 2] = ["user", "pass"];

/// The same as all users share them.
static NAMES: LazyLock<[Arc<str>; 2]> = LazyLock::new(|| BUILT_IN.map(Arc::from));

/// Reads a scenario line by line.
#[derive(Debug)]
pub(crate) struct Reader {
    builder: Builder,
    number: u64,
    directory: String,
}

impl Reader {
    /// A reader of this file's lines, beside which its data files are; `-` is standard input.
    pub(crate) fn new(path: &str) -> Self {
        let directory = Path::new(path).parent().filter(|_| path != "-");
        let directory = directory.map(|path| path.to_string_lossy().into_owned());
        Reader { builder: Builder::default(), number: 0, directory: directory.unwrap_or_default() }
    }

    /// Adds a line; empty ones and those that begin with # are skipped. Returns the steps that are complete by it.
    pub(crate) fn line(&mut self, text: &str) -> Result<Option<Program>, Flaw> {
        self.add(text)?;
        Ok(match self.builder.is_complete() {
            true => Some(self.builder.take()?),
            false => None,
        })
    }

    /// Ends the reading; a block that is still open is a flaw.
    pub(crate) fn end(mut self) -> Result<Program, Flaw> {
        self.builder.take()
    }

    /// The number of the last line.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn add(&mut self, text: &str) -> Result<(), Flaw> {
        self.number = self.number.saturating_add(1);
        let start = text.trim_start();
        if start.is_empty() || start.starts_with('#') {
            return Ok(());
        }
        // With the spaces before it, so that columns are those of the file.
        let line = Line::parse(self.number, text.trim_end(), &self.directory)
            .map_err(|text| Flaw { line: self.number, text })?;
        self.builder.add(self.number, line)
    }
}

/// Reads a whole file, and checks it, apart from what a caller doesn't perform.
pub(crate) fn read(path: &str) -> Result<Program, Failure> {
    let (bytes, name) = value::read(path, MAX_SCENARIO).map_err(Failure::usage)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name} isn't UTF-8")))?;
    let mut reader = Reader::new(path);
    let parsed = text.lines().try_for_each(|line| reader.add(line)).and_then(|()| reader.end());
    let checked = parsed.and_then(|program| {
        program.check_variables(&BUILT_IN, &text)?;
        Ok(program)
    });
    checked.map_err(|flaw| Failure::usage(format!("{name}, {flaw}")))
}

/// The state of one user: its variables, and what it draws at random.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) number: u64,
    pub(crate) variables: Variables,
    pub(crate) rng: Rng,
}

impl User {
    /// The user with this number. The same seed gives it the same random numbers.
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        let mut variables = Variables::default();
        let [user, pass] = &*NAMES;
        variables.set(user, Variable::Number(number));
        variables.set(pass, Variable::Number(0));
        let rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        User { number, variables, rng }
    }

    /// The user in one of a loop's passes that run at the same time: with variables of its own, and with random numbers that
    /// depend on the pass and not on what the others do.
    pub(crate) fn in_pass(&self, pass: u64, seed: u64) -> Self {
        let rng = Rng::with_seed(seed ^ pass.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut user = User { number: self.number, variables: self.variables.clone(), rng };
        user.set_pass(pass);
        user
    }

    /// Sets the number of the loop's pass.
    pub(crate) fn set_pass(&mut self, pass: u64) {
        let [_, name] = &*NAMES;
        self.variables.set(name, Variable::Number(pass));
    }

    /// Draws a time between the two.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.rng.u64(micros(least)..=micros(most.max(least))))
    }

    /// Sets variables to JSON values.
    pub(crate) fn set(&mut self, values: &[(Arc<str>, phx_tokio::Payload)]) -> Result<(), Unsaved> {
        for (name, value) in values {
            let value = Variable::from_json(value.as_json().unwrap_or_default());
            self.variables.set(name, value?);
        }
        Ok(())
    }

    /// Sets the variables of a row.
    pub(crate) fn take_row(&mut self, table: &Table, order: Order) {
        let row = match order {
            Order::User => Row::User(self.number),
            Order::Next => Row::Next,
            Order::Random => Row::Random(self.rng.u64(..)),
        };
        table.take(row, &mut self.variables);
    }
}
