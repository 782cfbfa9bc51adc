//! What becomes of a socket whose driver is gone.

use std::task::Waker;

use phx_proto::{
    ByteString, ChannelCloseCause, ChannelId, ChannelState, CloseCause, ConnectionState, Event,
};

use super::hooks::{Garbage, HookList, OnChannelClose, OnClose, OnError};
use super::{Shared, State};
use crate::socket::Closed;

/// Whether there is a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// It is gone: nothing is open or joined any more, and nothing is accepted. Not all hooks have run.
    Ending,
    /// The hooks have run, so futures and streams end.
    Ended,
}

/// What hooks are to know of the end of the driver.
pub(crate) struct LastReport {
    /// The channels that weren't closed yet, with their topics.
    pub(crate) channels: Vec<(ByteString, HookList<OnChannelClose>)>,
    /// The connection that ends, or the wait for one; `None` if none was wanted.
    pub(crate) connection: Option<Closed>,
    /// `None` if all handles are gone: then nobody misses the driver.
    pub(crate) on_error: Option<HookList<OnError>>,
    pub(crate) on_close: HookList<OnClose>,
    /// To be woken after the hooks have run.
    pub(crate) wakers: Vec<Waker>,
}

impl State {
    /// Whether the driver is gone: calls are refused then.
    pub(crate) fn is_driver_gone(&self) -> bool {
        self.life != Life::Running
    }

    /// Whether the hooks of the driver's end have run: futures and streams end then.
    pub(crate) fn is_stop_reported(&self) -> bool {
        self.life == Life::Ended
    }

    /// What the connection is doing.
    pub(crate) fn connection_state(&self) -> ConnectionState {
        if self.is_driver_gone() { ConnectionState::Closed } else { self.core.connection_state() }
    }

    /// What a channel is doing.
    pub(crate) fn channel_state(&self, channel: ChannelId) -> ChannelState {
        let state = self.core.channel_state(channel).filter(|_| !self.is_driver_gone());
        state.unwrap_or(ChannelState::Closed)
    }

    /// The driver is gone, and so are the connection and the channels.
    pub(crate) fn begin_stop(&mut self) -> LastReport {
        let mut wakers = Vec::new();
        // A panic may have come between the core and this side: what either knows of counts.
        let states = [self.core.connection_state(), self.connection.current()];
        let mut ends = self.ends.is_open() || states != [ConnectionState::Closed; 2];
        while let Some(event) = self.core.poll_event() {
            match event {
                Event::PushDone { push, outcome, .. } => {
                    wakers.extend(self.pushes.resolve(&push, outcome));
                }
                Event::Closed { .. } => ends = true,
                _ => {}
            }
        }
        self.life = Life::Ending;
        let mut channels = Vec::new();
        for (id, entry) in self.channels.iter_mut() {
            entry.status.set(ChannelState::Closed, &mut wakers);
            if entry.closed.is_none() {
                entry.closed = Some(Box::new(ChannelCloseCause::Stopped));
                self.kept.give_back(entry.failure_len());
                entry.failure = None;
                let topic = self.core.topic(id).cloned().unwrap_or_default();
                let hooks = entry.hooks.as_ref().map(|hooks| hooks.close.clone());
                channels.push((topic, hooks.unwrap_or_default()));
            }
        }
        self.connection.set(ConnectionState::Closed, &mut wakers);
        let was_open = self.ends.is_open();
        let closed = Closed { cause: CloseCause::Stopped, was_open, retry_in: None };
        let connection = ends.then_some(closed);
        LastReport {
            channels,
            connection,
            on_error: (!self.abandoned).then(|| self.hooks.error.clone()),
            on_close: self.hooks.close.clone(),
            wakers,
        }
    }

    /// The hooks have run: whoever waits learns of it, and nothing that the hooks hold is kept.
    pub(crate) fn finish_stop(&mut self, wakers: &mut Vec<Waker>) -> Garbage {
        self.life = Life::Ended;
        let end = self.ends.see_closed();
        self.report_closed(end, &CloseCause::Stopped, false, wakers);
        self.pushes.take_wakers(wakers);
        self.pings.take_wakers(wakers);
        self.topics.all().for_each(|mailbox| mailbox.end(wakers));
        let mut functions = Vec::new();
        for (_, entry) in self.channels.iter_mut() {
            entry.streams.all().for_each(|mailbox| mailbox.end(wakers));
            entry.status.take_wakers(wakers);
            functions.push((entry.hooks.take(), entry.params.take()));
        }
        Some(Box::new((std::mem::take(&mut self.hooks), functions)))
    }
}

impl Shared {
    /// The driver is gone: its waker keeps what is left of its task.
    pub(crate) fn forget_driver(&self) -> Option<Waker> {
        self.driver.take()
    }
}
