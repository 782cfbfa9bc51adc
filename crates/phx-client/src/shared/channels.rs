//! What the client keeps of each channel beside the core's own state.

use std::collections::HashMap;
use std::sync::Weak;

use foldhash::fast::FixedState;
use phx_proto::{ByteString, ChannelCloseCause, ChannelState, Payload};

use super::hooks::ChannelHooks;
use super::mailbox::MailboxKey;
use super::watch::Watch;
use crate::channel::{ChannelHandle, ParamsFunction};

/// One channel: its handle, its streams and its hooks.
pub(crate) struct ChannelEntry {
    /// Lets another part of the program find the channel by its topic.
    pub(crate) handle: Weak<ChannelHandle>,
    pub(crate) params: Option<ParamsFunction>,
    pub(crate) status: Watch<ChannelState>,
    pub(crate) hooks: ChannelHooks,
    /// The response to the last join.
    pub(crate) response: Option<Payload>,
    pub(crate) closed: Option<ChannelCloseCause>,
    /// Streams of one event. Those of all events are in every list, so that a message finds its
    /// streams with one look-up. The names in it are the user's, so a peer can't choose them to
    /// collide.
    by_event: HashMap<ByteString, Vec<MailboxKey>, FixedState>,
    /// Streams of all events.
    everything: Vec<MailboxKey>,
    all: Vec<MailboxKey>,
}

impl ChannelEntry {
    pub(crate) fn new(params: Option<ParamsFunction>) -> Self {
        ChannelEntry {
            handle: Weak::new(),
            params,
            status: Watch::new(ChannelState::New),
            hooks: ChannelHooks::default(),
            response: None,
            closed: None,
            by_event: HashMap::default(),
            everything: Vec::new(),
            all: Vec::new(),
        }
    }

    pub(crate) fn mailboxes_for(&self, event: &str) -> &[MailboxKey] {
        self.by_event.get(event).unwrap_or(&self.everything)
    }

    pub(crate) fn all_mailboxes(&self) -> &[MailboxKey] {
        &self.all
    }

    /// Adds a stream of `event`, or of all events.
    pub(crate) fn add_mailbox(&mut self, event: Option<&ByteString>, key: MailboxKey) {
        self.all.push(key);
        match event {
            Some(event) => {
                let everything = &self.everything;
                self.by_event.entry(event.clone()).or_insert_with(|| everything.clone()).push(key);
            }
            None => {
                self.everything.push(key);
                self.by_event.values_mut().for_each(|list| list.push(key));
            }
        }
    }

    pub(crate) fn remove_mailbox(&mut self, event: Option<&ByteString>, key: MailboxKey) {
        let without = |list: &mut Vec<MailboxKey>| list.retain(|&other| other != key);
        without(&mut self.all);
        match event {
            Some(event) => {
                if let Some(list) = self.by_event.get_mut(event) {
                    without(list);
                    if list.len() == self.everything.len() {
                        self.by_event.remove(event);
                    }
                }
            }
            None => {
                without(&mut self.everything);
                self.by_event.values_mut().for_each(without);
            }
        }
    }
}
