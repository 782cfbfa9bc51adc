//! Cases that run on every adapter, a few at the same time, and the table of results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::adapters::ADAPTERS;

/// One row of a table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Text of the promised limits.
    pub(crate) limits: String,
    /// The results, in the order of [`ADAPTERS`].
    pub(crate) cells: Vec<anyhow::Result<String>>,
}

/// Returns true if a name contains one of these parts, or if there are none.
pub(crate) fn is_wanted(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))
}

/// Runs each case on each adapter, given by its index. Returns a row for each case, in order.
pub(crate) fn run<C: Sync, T: Send>(
    cases: &[C],
    at_a_time: usize,
    one: impl Fn(&C, usize) -> T + Sync,
) -> Vec<Vec<T>> {
    let done = Mutex::new(BTreeMap::new());
    in_parallel(at_a_time, cases.len() * ADAPTERS.len(), |number| {
        let Some(case) = cases.get(number / ADAPTERS.len()) else { return };
        let result = one(case, number % ADAPTERS.len());
        done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values();
    cases.iter().map(|_| done.by_ref().take(ADAPTERS.len()).collect()).collect()
}

/// Calls `one` with each number below `count`, on `threads` threads.
pub(crate) fn in_parallel(threads: usize, count: usize, one: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            one(number);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
}

/// Returns the text of the table with the reasons of failures below it, and the number of failures.
pub(crate) fn table(limits: &str, rows: &[Row]) -> (String, usize) {
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let width = rows.iter().map(|row| row.limits.len()).max().unwrap_or_default();
    let width = width.max(limits.len());
    let mut text = format!("{:<name_width$}  {limits:>width$}", "");
    let (mut failures, mut failed) = (String::new(), 0);
    for adapter in ADAPTERS {
        let _infallible = write!(text, "  {adapter:>14}");
    }
    for Row { name, limits, cells } in rows {
        let _infallible = write!(text, "\n{name:<name_width$}  {limits:>width$}");
        for (cell, adapter) in cells.iter().zip(ADAPTERS) {
            let cell = cell.as_ref().map(String::as_str).unwrap_or_else(|error| {
                failed += 1;
                let _infallible = write!(failures, "\nFAILED {adapter} {name}: {error:#}");
                "FAILED"
            });
            let _infallible = write!(text, "  {cell:>14}");
        }
    }
    (text + "\n" + &failures, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_runs_once_on_each_adapter_and_failures_are_counted() {
        let results = run(&[10, 20, 30], 2, |case, adapter| case + adapter);
        assert_eq!(results, [[10, 11, 12], [20, 21, 22], [30, 31, 32]]);
        let cells = vec![Ok("1".to_owned()), Err(anyhow::anyhow!("no")), Ok("3".to_owned())];
        let (text, failed) = table("most", &[Row { name: "a", limits: "9".to_owned(), cells }]);
        assert_eq!(failed, 1);
        assert!(text.contains("a     9               1          FAILED"), "{text}");
        assert!(text.ends_with("\nFAILED phx-smol a: no"), "{text}");
    }
}
