//! Data files of a scenario: CSV with a line of names, or lines of JSON objects.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ReaderBuilder;
use serde_json::Value;

use super::template::is_name;
use super::variables::{MAX_VALUE, Variable, Variables};

/// Bytes of a data file.
pub(crate) const MAX_DATA: usize = 16 << 20;

/// Columns of a data file.
const MAX_COLUMNS: usize = 256;

/// Rows of values. `Debug` hides the values.
pub(crate) struct Table {
    columns: Vec<Arc<str>>,
    /// All values, one after the other.
    text: String,
    /// Where each value ends in the text; a row has as many as there are columns.
    ends: Vec<u32>,
    is_json: bool,
    /// The row that `next` takes next, and how many rows there are from one to the next.
    next: AtomicU64,
    step: AtomicU64,
}

/// The row that a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// The row of the user's number; rows begin again at the first.
    User(u64),
    /// The next one that no other user took; rows begin again at the first.
    Next,
    /// This one of all, as a random number.
    Random(u64),
}

impl Table {
    /// Reads a file's text: lines of JSON if its first sign is `{`, CSV otherwise. Names of variables begin with `prefix`. The
    /// error is what was expected, and quotes no value.
    pub(crate) fn parse(text: &str, prefix: Option<&str>) -> Result<Self, String> {
        let is_json = text.trim_start().starts_with('{');
        let mut table = Table {
            columns: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            is_json,
            next: AtomicU64::new(0),
            step: AtomicU64::new(1),
        };
        if is_json {
            table.read_json(text)?;
        } else {
            table.read_csv(text)?;
        }
        if table.rows() == 0 {
            return Err(
                "it has no rows: expected a line of names, and at least one of values, or \
                        lines of JSON objects"
                    .to_owned(),
            );
        }
        table.columns = table
            .columns
            .iter()
            .map(|column| match prefix {
                Some(prefix) => format!("{prefix}.{column}").into(),
                None => Arc::clone(column),
            })
            .collect();
        Ok(table)
    }

    /// The names of the variables that a row sets.
    pub(crate) fn columns(&self) -> &[Arc<str>] {
        &self.columns
    }

    pub(crate) fn rows(&self) -> u64 {
        (self.ends.len() / self.columns.len().max(1)) as u64
    }

    /// Leaves each `of`-th row from this one on to [`Row::Next`]; others have the rest.
    pub(crate) fn share(&self, first: u64, of: u64) {
        self.next.store(first, Ordering::Relaxed);
        self.step.store(of, Ordering::Relaxed);
    }

    /// Sets the variables of a row.
    pub(crate) fn take(&self, row: Row, variables: &mut Variables) {
        let rows = self.rows().max(1);
        let row = match row {
            Row::User(number) | Row::Random(number) => number % rows,
            Row::Next => {
                let step = self.step.load(Ordering::Relaxed);
                self.next.fetch_add(step, Ordering::Relaxed) % rows
            }
        };
        let first = usize::try_from(row).unwrap_or_default().saturating_mul(self.columns.len());
        for (place, column) in (first..).zip(&self.columns) {
            let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
            let start = place.checked_sub(1).map_or(0, end);
            let value = self.text.get(start..end(place)).unwrap_or_default();
            let value =
                if self.is_json { Variable::from_json(value) } else { Variable::from_text(value) };
            if let Ok(value) = value {
                variables.set(column, value);
            }
        }
    }

    fn read_csv(&mut self, text: &str) -> Result<(), String> {
        let mut reader = ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
        let headers = reader.headers().map_err(|error| unfit(&error))?;
        for name in headers {
            self.column(name)?;
        }
        for record in reader.records() {
            let record = record.map_err(|error| unfit(&error))?;
            let line = record.position().map_or(0, csv::Position::line);
            for value in &record {
                self.value(value, line)?;
            }
        }
        Ok(())
    }

    fn read_json(&mut self, text: &str) -> Result<(), String> {
        for (line, number) in text.lines().zip(1_u64..) {
            if line.trim().is_empty() {
                continue;
            }
            let row: serde_json::Map<String, Value> =
                serde_json::from_str(line).map_err(|error| {
                    format!("line {number}, column {}: expected a JSON object", error.column())
                })?;
            if self.columns.is_empty() {
                for name in row.keys() {
                    self.column(name)?;
                }
            }
            let is_same = row.len() == self.columns.len();
            for column in self.columns.clone() {
                let value = row.get(&*column).filter(|_| is_same);
                let value = value.ok_or_else(|| {
                    format!("line {number}: expected the same fields as in the first line")
                })?;
                self.value(&value.to_string(), number)?;
            }
        }
        Ok(())
    }

    fn column(&mut self, name: &str) -> Result<(), String> {
        let name: Arc<str> = name.into();
        if !is_name(&name) || self.columns.contains(&name) || self.columns.len() >= MAX_COLUMNS {
            return Err(format!(
                "line 1: expected at most {MAX_COLUMNS} different names, of letters, digits, `_` and `.`"
            ));
        }
        self.columns.push(name);
        Ok(())
    }

    fn value(&mut self, value: &str, line: u64) -> Result<(), String> {
        if value.len() > MAX_VALUE {
            return Err(format!("line {line}: a value has more than {} KiB", MAX_VALUE >> 10));
        }
        self.text.push_str(value);
        let end = u32::try_from(self.text.len());
        self.ends.push(end.map_err(|_| "the values are too long".to_owned())?);
        Ok(())
    }
}

/// Describes an error without the values.
fn unfit(error: &csv::Error) -> String {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "line {line}: expected {expected_len} values as in the line of names, and found {len}"
            )
        }
        _ => format!("line {line}: expected CSV in UTF-8"),
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({:?}, {} rows)", self.columns, self.rows())
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    fn value(table: &Table, row: Row, name: &str) -> String {
        let mut variables = Variables::default();
        table.take(row, &mut variables);
        let mut text = String::new();
        variables.get(name).unwrap().write_json(&mut text);
        text
    }

    #[test]
    fn rows_of_csv_and_of_json() {
        let csv = Table::parse("name, age\nann,7\n\"b\"\"o,b\",\n", None).unwrap();
        assert_eq!((csv.rows(), csv.columns()), (2, &["name".into(), "age".into()][..]));
        assert_eq!(value(&csv, Row::User(0), "age"), "\"7\"", "all values of CSV are texts");
        assert_eq!(value(&csv, Row::User(3), "name"), r#""b\"o,b""#, "rows begin again");
        assert_eq!(value(&csv, Row::Random(1), "age"), "\"\"");
        let json = "{\"name\":\"ann\",\"age\":7}\n\n{\"age\":[8],\"name\":null}\n";
        let json = Table::parse(json, Some("p")).unwrap();
        let next = [(); 3].map(|()| value(&json, Row::Next, "p.age"));
        assert_eq!(next, ["7", "[8]", "7"]);
        json.share(1, 2);
        let every_other = [(); 3].map(|()| value(&json, Row::Next, "p.age"));
        assert_eq!(every_other, ["[8]"; 3]);
        assert_eq!(format!("{json:?}"), r#"Table(["p.age", "p.name"], 2 rows)"#);
    }

    #[test]
    fn what_is_wrong_is_said_without_values() {
        for (text, why) in [
            ("", "no rows"),
            ("name\n", "no rows"),
            ("na me\nhush\n", "line 1: expected at most"),
            ("a,a\nhush,hush\n", "different names"),
            ("a,b\n1,2\nhush\n", "line 3: expected 2 values as in the line of names, and found 1"),
            ("{\"a\":1}\n{hush\n", "line 2, column 2: expected a JSON object"),
            ("{\"a\":1}\n{\"hush\":1}\n", "line 2: expected the same fields"),
            ("{\"a\":1}\n[\"hush\"]\n", "line 2, column"),
            ("{}\n", "no rows"),
        ] {
            let error = Table::parse(text, None).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{text:?}: {error}");
        }
        let large = format!("a\n{}\n", "x".repeat(MAX_VALUE + 1));
        assert!(Table::parse(&large, None).unwrap_err().contains("line 2: a value has more than"));
    }

    #[test]
    fn a_table_takes_a_small_multiple_of_its_file() {
        let text = format!("a,b\n{}", "1,2\n".repeat(MAX_DATA / 64));
        let used = measure(|| drop(Table::parse(&text, None).unwrap()));
        assert!(used.bytes_max < 8 * text.len() as u64, "{used:?} of {}", text.len());
    }
}
