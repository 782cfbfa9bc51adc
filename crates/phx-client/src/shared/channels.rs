//! The client's state of each channel, beside the core's.

use std::any::Any;
use std::sync::{Arc, Weak};

use phx_proto::{ChannelCloseCause, ChannelId, ChannelState, Payload, PayloadDropped, RequestId};

use tracing::Span;

use super::hooks::ChannelHooks;
use super::streams::Streams;
use super::watch::Watchers;
use crate::channel::ChannelError;
use crate::runtime::BoxFuture;

/// Makes a channel's params for each join. `None`: they couldn't be made.
pub(crate) type ParamsFunction = Arc<dyn Fn() -> BoxFuture<Option<Payload>> + Send + Sync>;

/// The entries of all channels, each at the index that its [`ChannelId`] has among those that are in use at the same
/// time.
#[derive(Default)]
pub(crate) struct ChannelEntries(Vec<Option<(ChannelId, ChannelEntry)>>);

impl ChannelEntries {
    pub(crate) fn insert(&mut self, id: ChannelId, entry: ChannelEntry) {
        let index = index(id);
        if self.0.is_empty() {
            // Most sockets have few.
            self.0.reserve_exact(index + 1);
        }
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.0.get_mut(index) {
            *slot = Some((id, entry));
        }
    }

    pub(crate) fn remove(&mut self, id: ChannelId) -> Option<ChannelEntry> {
        let slot = self.0.get_mut(index(id))?;
        slot.take_if(|(own, _)| *own == id).map(|(_, entry)| entry)
    }

    pub(crate) fn get(&self, id: ChannelId) -> Option<&ChannelEntry> {
        self.0.get(index(id))?.as_ref().filter(|(own, _)| *own == id).map(|(_, entry)| entry)
    }

    pub(crate) fn get_mut(&mut self, id: ChannelId) -> Option<&mut ChannelEntry> {
        self.0.get_mut(index(id))?.as_mut().filter(|(own, _)| *own == id).map(|(_, entry)| entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ChannelEntry> {
        self.0.iter().flatten().map(|(_, entry)| entry)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ChannelId, &mut ChannelEntry)> {
        self.0.iter_mut().flatten().map(|(id, entry)| (*id, entry))
    }
}

/// The lower half of an id is a slot of the core's, counted from 1; the upper half is the slot's generation.
fn index(id: ChannelId) -> usize {
    usize::try_from(id.as_u64() & u64::from(u32::MAX)).unwrap_or(usize::MAX).saturating_sub(1)
}

/// One channel: its handle, its streams and its hooks. There are many channels, and each message looks at one:
/// fields that few channels use are in a box.
pub(crate) struct ChannelEntry {
    pub(crate) hooks: Option<Box<ChannelHooks>>,
    pub(crate) streams: Streams,
    /// Watchers of its state and of further failures.
    pub(crate) watchers: Watchers<(ChannelState, u32)>,
    /// Lets another part of the program find the channel by its topic.
    /// It holds the socket, so that its type is unknown here.
    pub(crate) handle: Weak<dyn Any + Send + Sync>,
    pub(crate) params: Option<ParamsFunction>,
    /// The last call of `join`: its reply is the join's, and no push's.
    pub(crate) join_call: Option<RequestId>,
    /// The response to the last join.
    pub(crate) response: Option<Result<Payload, PayloadDropped>>,
    pub(crate) closed: Option<Box<ChannelCloseCause>>,
    /// Failure since which the channel isn't joined; `None` once it is joined or closed.
    pub(crate) failure: Option<Box<ChannelError>>,
    /// Number of failures so far.
    pub(crate) failures: u32,
    /// True if the last failure came after the last attempt had begun.
    pub(crate) is_errored: bool,
    /// Ends that came before a join of a user, and are reported after it.
    pub(crate) overtaken_ends: u32,
    /// For `tracing`, until the channel is closed or removed.
    pub(crate) span: Option<Box<Span>>,
}

impl ChannelEntry {
    pub(crate) fn new(params: Option<ParamsFunction>, span: Option<Box<Span>>) -> Self {
        ChannelEntry {
            hooks: None,
            streams: Streams::default(),
            watchers: Watchers::default(),
            handle: Weak::<()>::new(),
            params,
            join_call: None,
            response: None,
            closed: None,
            failure: None,
            failures: 0,
            is_errored: false,
            overtaken_ends: 0,
            span,
        }
    }

    /// Returns true if the channel is never joined again: it was replaced, or the driver has ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.closed.as_deref(),
            Some(ChannelCloseCause::Replaced | ChannelCloseCause::Stopped)
        )
    }

    /// Bytes of the join's response.
    pub(super) fn response_len(&self) -> usize {
        self.response.as_ref().map_or(0, response_len)
    }

    /// Returns the size of the failure's payload in bytes.
    pub(super) fn failure_len(&self) -> usize {
        self.failure.as_ref().map_or(0, |failure| failure.answer_len())
    }

    /// Returns the size of the close cause's payload in bytes.
    pub(super) fn cause_len(&self) -> usize {
        self.closed.as_ref().map_or(0, |cause| cause.answer_len())
    }

    /// Returns the size of all kept answers in bytes.
    pub(super) fn answer_len(&self) -> usize {
        let ends = self.cause_len().saturating_add(self.failure_len());
        self.response_len().saturating_add(ends)
    }
}

/// Returns the size of a kept response in bytes.
pub(super) fn response_len(response: &Result<Payload, PayloadDropped>) -> usize {
    response.as_ref().map_or(0, Payload::len)
}
