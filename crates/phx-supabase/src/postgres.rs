//! Changes of the database, and streams of them.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::stream::{Stream, StreamExt};
use phx_client::{Messages, Payload, PayloadError, StreamItem};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::items::converted;
use crate::state::State;

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(clippy::exhaustive_enums, reason = "Supabase reports these three")]
pub enum ChangeKind {
    /// A row was inserted.
    Insert,
    /// A row was updated.
    Update,
    /// A row was deleted.
    Delete,
}

/// Change of a row of type `Row`; `Old` is the type of what the server reports of its state before, usually the
/// primary key alone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Change<Row, Old = Map<String, Value>> {
    /// Kind of the change.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Time of the commit, as the server writes it: ISO 8601.
    pub commit_timestamp: String,
    /// The row; `None` if it was deleted.
    pub record: Option<Row>,
    /// The row before; `None` if it was inserted.
    pub old_record: Option<Old>,
    /// What the server couldn't report, for example since a row is too large; `None` if nothing is missing.
    pub errors: Option<Vec<String>>,
}

/// A message of the event `postgres_changes`.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    ids: Vec<u64>,
}

/// Stream of changes, from [`Channel::on_postgres_changes`](crate::Channel::on_postgres_changes).
///
/// It is bounded, yields gaps and losses, and holds back reading as a [`Messages`] stream of [`phx_client`] does. A
/// loss counts the changes for all streams of the channel.
#[must_use = "a stream that is dropped takes nothing"]
pub struct Changes<Row, Old = Map<String, Value>> {
    messages: Messages<Payload>,
    state: Arc<State>,
    /// Number of the binding among those of the channel.
    binding: usize,
    rows: PhantomData<fn() -> (Row, Old)>,
}

impl<Row: DeserializeOwned, Old: DeserializeOwned> Changes<Row, Old> {
    pub(crate) fn new(messages: Messages<Payload>, state: Arc<State>, binding: usize) -> Self {
        Changes { messages, state, binding, rows: PhantomData }
    }

    /// Returns the next item; `None` when the channel is closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Option<StreamItem<Change<Row, Old>>> {
        StreamExt::next(self).await
    }

    fn item(&self, payload: &Payload) -> Option<StreamItem<Change<Row, Old>>> {
        Some(match self.change(payload) {
            Ok(None) => return None,
            Ok(Some(change)) => StreamItem::Message(change),
            Err(error) => StreamItem::Malformed(error),
        })
    }

    fn change(&self, payload: &Payload) -> Result<Option<Change<Row, Old>>, PayloadError> {
        let Envelope { data, ids } = payload.decode()?;
        if !self.state.has_id(self.binding, &ids) {
            return Ok(None);
        }
        let data = payload.as_bytes().slice_ref(data.get().as_bytes());
        Payload::from_unchecked_json(data).decode().map(Some)
    }
}

impl<Row: DeserializeOwned, Old: DeserializeOwned> Stream for Changes<Row, Old> {
    type Item = StreamItem<Change<Row, Old>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Some(item) = ready!(self.messages.poll_next_unpin(cx)) {
            if let Some(item) = converted(item, |payload| self.item(&payload)) {
                return Poll::Ready(Some(item));
            }
        }
        Poll::Ready(None)
    }
}

impl<Row, Old> fmt::Debug for Changes<Row, Old> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("messages", &self.messages)
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}
