//! Changes of rows, and the bindings of channels that want them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::filter;
use crate::ChangeKind;

/// A change of a row, as the project's database reports it.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "what the event has")]
#[must_use]
pub struct Change {
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Name of the schema, such as `public`.
    pub schema: String,
    /// Name of the table.
    pub table: String,
    /// The row after an insert or an update; `null` after a delete.
    pub record: Value,
    /// The row before an update or a delete, often its primary key only; `null` before an insert.
    pub old_record: Value,
    /// The table's columns: `[{"name": .., "type": ..}, ..]`.
    pub columns: Value,
    /// Time of the commit, in the form of ISO 8601.
    pub commit_timestamp: String,
}

impl Change {
    /// Creates a change of a table in the schema `public`. The columns are those of the rows in the alphabet's order,
    /// with types made of their values.
    pub fn new(kind: ChangeKind, table: &str, record: Value, old_record: Value) -> Self {
        Change {
            kind,
            schema: "public".to_owned(),
            table: table.to_owned(),
            columns: columns([&record, &old_record]),
            record,
            old_record,
            commit_timestamp: "2026-11-30T10:00:00.000Z".to_owned(),
        }
    }

    /// Creates an insert into a table of the schema `public`.
    pub fn insert(table: &str, record: Value) -> Self {
        Change::new(ChangeKind::Insert, table, record, Value::Null)
    }

    /// Creates an update of a table of the schema `public`.
    pub fn update(table: &str, record: Value, old_record: Value) -> Self {
        Change::new(ChangeKind::Update, table, record, old_record)
    }

    /// Creates a delete from a table of the schema `public`.
    pub fn delete(table: &str, old_record: Value) -> Self {
        Change::new(ChangeKind::Delete, table, Value::Null, old_record)
    }

    /// The payload's `data`.
    fn data(&self) -> Value {
        let mut data = json!({
            "type": self.kind, "schema": self.schema, "table": self.table,
            "commit_timestamp": self.commit_timestamp, "columns": self.columns, "errors": null,
        });
        for (key, row) in [("record", &self.record), ("old_record", &self.old_record)] {
            if !row.is_null() {
                data[key] = row.clone();
            }
        }
        data
    }
}

fn columns(rows: [&Value; 2]) -> Value {
    let mut types = BTreeMap::new();
    for (name, value) in rows.into_iter().filter_map(Value::as_object).flatten() {
        let kind = match value {
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float8",
            Value::Number(_) => "int8",
            Value::String(_) => "text",
            Value::Null | Value::Array(_) | Value::Object(_) => "jsonb",
        };
        types.entry(name).or_insert(kind);
    }
    types.into_iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect()
}

/// The bindings that a channel joined with, each with its id.
#[derive(Debug, Default)]
pub(super) struct Bindings(Vec<(u64, Value)>);

impl Bindings {
    /// Reads `postgres_changes` of a join's `config`.
    pub(super) fn of(config: &Value) -> Self {
        let wanted = config.get("postgres_changes").and_then(Value::as_array);
        let wanted = wanted.into_iter().flatten().filter(|binding| binding.is_object());
        Bindings(wanted.map(|binding| (id_of(binding), binding.clone())).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The join's response: the bindings with their ids.
    pub(super) fn response(&self) -> Value {
        let with_id = |(id, binding): &(u64, Value)| {
            let mut binding = binding.clone();
            binding["id"] = Value::from(*id);
            binding
        };
        json!({ "postgres_changes": self.0.iter().map(with_id).collect::<Vec<_>>() })
    }

    /// Status and text of the `system` message about the subscription.
    pub(super) fn subscribed(&self) -> (&'static str, String) {
        match self.0.iter().find_map(|(_, binding)| passes(binding, &Value::Null).err()) {
            Some(error) => ("error", format!("Error parsing `filter` params: {error}")),
            None => ("ok", "Subscribed to PostgreSQL".to_owned()),
        }
    }

    /// The payload of the event `postgres_changes`, if a binding wants the change.
    pub(super) fn payload(&self, change: &Change) -> Option<Value> {
        let data = change.data();
        let wanting = self.0.iter().filter(|(_, binding)| is_wanted(binding, change, &data));
        let ids: Vec<u64> = wanting.map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| json!({ "ids": ids, "data": data }))
    }
}

/// An id that depends on the binding alone, as Supabase's does, in its range of 27 bits: FNV-1a.
fn id_of(binding: &Value) -> u64 {
    let hash = binding
        .to_string()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(hash & 0x07ff_ffff)
}

fn is_wanted(binding: &Value, change: &Change, data: &Value) -> bool {
    let is = |name: &str, actual: &Value| {
        let wanted = &binding[name];
        wanted.is_null() || wanted == "*" || wanted == actual
    };
    let row = if change.record.is_null() { &change.old_record } else { &change.record };
    is("event", &data["type"])
        && is("schema", &data["schema"])
        && is("table", &data["table"])
        && passes(binding, row) == Ok(true)
}

fn passes(binding: &Value, row: &Value) -> Result<bool, String> {
    filter::passes(binding["filter"].as_str().unwrap_or_default(), row)
}
