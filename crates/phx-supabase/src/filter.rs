//! Filters of rows, written as Supabase reads them.

use std::fmt;

/// Filter of rows: conditions on columns, all of which must be true.
///
/// Values are quoted where they need it. [`PostgresChanges::filter`](crate::PostgresChanges::filter) takes it; the server
/// reports a column or an operator that it doesn't know by
/// [`postgres_ready`](crate::Channel::postgres_ready). Older servers have the comparisons and `in` alone.
///
/// # Examples
///
/// ```
/// use phx_supabase::Filter;
///
/// let open = Filter::new().gt("amount", 100).negate_next().is("paid", None).one_of("kind", ["a", "b,c"]);
/// assert_eq!(open.to_string(), r#"amount=gt.100,paid=not.is.null,kind=in.(a,"b,c")"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it does nothing until `PostgresChanges::filter` has it"]
pub struct Filter {
    text: String,
    /// True if the next condition is negated.
    negates: bool,
}

impl Filter {
    /// Creates a filter without conditions: every row passes.
    pub fn new() -> Self {
        Filter::default()
    }

    /// Negates the next condition.
    pub fn negate_next(mut self) -> Self {
        self.negates = !self.negates;
        self
    }

    /// Adds the condition that a column equals the value.
    pub fn eq(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "eq", &quoted(value))
    }

    /// Adds the condition that a column doesn't equal the value.
    pub fn neq(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "neq", &quoted(value))
    }

    /// Adds the condition that a column is less than the value.
    pub fn lt(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "lt", &quoted(value))
    }

    /// Adds the condition that a column is less than the value, or equals it.
    pub fn lte(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "lte", &quoted(value))
    }

    /// Adds the condition that a column is greater than the value.
    pub fn gt(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "gt", &quoted(value))
    }

    /// Adds the condition that a column is greater than the value, or equals it.
    pub fn gte(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "gte", &quoted(value))
    }

    /// Adds the condition that a column differs from the value; `NULL` differs from every value.
    pub fn is_distinct(self, column: &str, value: impl fmt::Display) -> Self {
        self.add(column, "isdistinct", &quoted(value))
    }

    /// Adds the condition that a column is `NULL` (`None`), true or false.
    pub fn is(self, column: &str, value: Option<bool>) -> Self {
        self.add(column, "is", &value.map_or("null".to_owned(), |value| value.to_string()))
    }

    /// Adds the condition that a text is like the pattern: `%` stands for any text, `_` for one character.
    pub fn like(self, column: &str, pattern: &str) -> Self {
        self.add(column, "like", &quoted(pattern))
    }

    /// Adds the condition that a text is like the pattern, in upper or lower case.
    pub fn ilike(self, column: &str, pattern: &str) -> Self {
        self.add(column, "ilike", &quoted(pattern))
    }

    /// Adds the condition that a text matches the regular expression of Postgres.
    pub fn matches(self, column: &str, expression: &str) -> Self {
        self.add(column, "match", &quoted(expression))
    }

    /// Adds the condition that a text matches the regular expression of Postgres, in upper or lower case.
    pub fn imatches(self, column: &str, expression: &str) -> Self {
        self.add(column, "imatch", &quoted(expression))
    }

    /// Adds the condition that a column equals one of the values, at most 100.
    pub fn one_of(self, column: &str, values: impl IntoIterator<Item: fmt::Display>) -> Self {
        let values: Vec<String> = values.into_iter().map(quoted).collect();
        self.add(column, "in", &format!("({})", values.join(",")))
    }

    fn add(mut self, column: &str, operator: &str, value: &str) -> Self {
        let comma = if self.text.is_empty() { "" } else { "," };
        let not = if self.negates { "not." } else { "" };
        self.text.push_str(&format!("{comma}{column}={not}{operator}.{value}"));
        self.negates = false;
        self
    }
}

/// A value, in quotes if the server would read a part of it as its syntax.
fn quoted(value: impl fmt::Display) -> String {
    let value = value.to_string();
    match value.contains([',', '(', ')', '"', '\\']) || value.trim() != value {
        true => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        false => value,
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
