//! Changes of the database that a channel wants, and the ids that the server gives them.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// Changes that a channel wants: kinds of changes of a schema, a table, or rows of a table.
///
/// # Examples
///
/// ```
/// use phx_supabase::PostgresChanges;
///
/// let paid = PostgresChanges::update().table("orders").filter("status=eq.paid");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "it does nothing until a channel has it"]
pub struct PostgresChanges {
    event: String,
    schema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
}

impl PostgresChanges {
    fn of(event: &str) -> Self {
        PostgresChanges { event: event.into(), schema: "public".into(), table: None, filter: None }
    }

    /// All changes of the schema `public`.
    pub fn all() -> Self {
        PostgresChanges::of("*")
    }

    /// The rows inserted.
    pub fn insert() -> Self {
        PostgresChanges::of("INSERT")
    }

    /// The rows updated.
    pub fn update() -> Self {
        PostgresChanges::of("UPDATE")
    }

    /// The rows deleted.
    pub fn delete() -> Self {
        PostgresChanges::of("DELETE")
    }

    /// Sets the schema. Default: `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Sets the table. Default: all tables.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Sets the filter of rows: a [`Filter`](crate::Filter), or a text in Supabase's syntax, such as `id=eq.7`.
    pub fn filter(mut self, filter: impl Display) -> Self {
        self.filter = Some(filter.to_string());
        self
    }
}

/// What a channel asked for, and the ids that changes for it have.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) wanted: PostgresChanges,
    /// Of the last joins, since changes that came before a rejoin are read after it.
    ids: Vec<u64>,
}

/// Ids that a binding remembers.
const KEPT_IDS: usize = 4;

impl Binding {
    pub(crate) fn new(wanted: PostgresChanges) -> Self {
        Binding { wanted, ids: Vec::new() }
    }

    pub(crate) fn has_one_of(&self, ids: &[u64]) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }

    pub(crate) fn note(&mut self, id: u64) {
        if !self.ids.contains(&id) {
            self.ids.insert(0, id);
            self.ids.truncate(KEPT_IDS);
        }
    }
}

/// A binding in the reply to a join.
#[derive(Debug, Deserialize)]
pub(crate) struct Bound {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) changes: PostgresChanges,
}
