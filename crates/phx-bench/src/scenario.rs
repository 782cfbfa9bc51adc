//! A scenario of the command line: its name and its arguments.

use anyhow::{Context as _, bail};

/// A scenario to run.
pub(crate) struct Scenario<'a> {
    pub(crate) name: &'a str,
    args: &'a [&'a str],
}

impl<'a> Scenario<'a> {
    pub(crate) fn parse(words: &'a [&'a str]) -> anyhow::Result<Self> {
        match words {
            [name, args @ ..] => Ok(Scenario { name, args }),
            [] => bail!("no scenario is named"),
        }
    }

    /// Returns the number at this index.
    pub(crate) fn number(&self, index: usize) -> anyhow::Result<u64> {
        let Scenario { name, .. } = self;
        let arg = self.word(index).with_context(|| format!("`{name}` has too few numbers"))?;
        arg.parse().with_context(|| format!("`{arg}` isn't a number"))
    }

    /// Returns the word at this index, if there is one.
    pub(crate) fn word(&self, index: usize) -> Option<&'a str> {
        self.args.get(index).copied()
    }
}
