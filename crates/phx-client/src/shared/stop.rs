//! The end of a socket whose driver is gone.

use std::task::Waker;

use phx_proto::{ChannelCloseCause, ChannelId, ChannelState, ConnectionState, Event};

use super::{Deferred, Shared, State};

/// State of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// The driver is gone: nothing is open or joined, and calls are refused. Not all hooks have run.
    Ending,
    /// The hooks have run, so futures and streams end.
    Ended,
}

impl State {
    /// Returns true if the driver is gone: calls are refused then.
    pub(crate) fn is_driver_gone(&self) -> bool {
        self.life != Life::Running
    }

    /// Returns true if the hooks of the driver's end have run: futures and streams end then.
    pub(crate) fn is_stop_reported(&self) -> bool {
        self.life == Life::Ended
    }

    /// Returns the connection's state.
    pub(crate) fn connection_state(&self) -> ConnectionState {
        if self.is_driver_gone() { ConnectionState::Closed } else { self.core.connection_state() }
    }

    /// Returns the channel's state.
    pub(crate) fn channel_state(&self, channel: ChannelId) -> ChannelState {
        let state = self.core.channel_state(channel).filter(|_| !self.is_driver_gone());
        state.unwrap_or(ChannelState::Closed)
    }

    /// Marks the driver, the connection and the channels as gone. Returns the channels that weren't closed yet, and
    /// true if this ends a connection, or the wait for one.
    pub(crate) fn begin_stop(&mut self, deferred: &mut Deferred) -> (Vec<ChannelId>, bool) {
        // A panic may have come between the core and this side: what either knows of counts.
        let mut ends =
            self.ends.is_open() || self.core.connection_state() != ConnectionState::Closed;
        while let Some(event) = self.core.poll_event() {
            match event {
                Event::RequestDone { push, outcome, .. } => self.resolve(push, outcome, deferred),
                Event::Pong { ping, round_trip, .. } => {
                    self.resolve_ping(ping, round_trip, deferred);
                }
                Event::Closed { .. } => ends = true,
                event => deferred.drop_box(Box::new(event)),
            }
        }
        self.life = Life::Ending;
        let mut stopped = Vec::new();
        for (id, entry) in self.channels.iter_mut() {
            entry.watchers.take_all(deferred);
            if entry.closed.is_none() {
                entry.closed = Some(Box::new(ChannelCloseCause::Stopped));
                self.kept.give_back(entry.failure_len());
                if let Some(failure) = entry.failure.take() {
                    deferred.drop_box(failure);
                }
                stopped.push(id);
            }
        }
        self.connection.take_all(deferred);
        (stopped, ends)
    }

    /// Ends futures and streams, once the hooks have run. Returns the hooks; the caller drops them after releasing
    /// the lock.
    pub(crate) fn finish_stop(&mut self, deferred: &mut Deferred) -> impl Sized + use<> {
        self.life = Life::Ended;
        self.spans.stop(deferred);
        for (_, entry) in self.channels.iter_mut() {
            if let Some(span) = entry.span.take() {
                deferred.drop_box(span);
            }
        }
        self.connection.take_all(deferred);
        self.pushes.take_wakers(deferred);
        self.pings.take_wakers(deferred);
        self.topics.all().for_each(|mailbox| mailbox.end(deferred));
        let mut functions = Vec::new();
        for (_, entry) in self.channels.iter_mut() {
            entry.streams.all().for_each(|mailbox| mailbox.end(deferred));
            entry.watchers.take_all(deferred);
            functions.push((entry.hooks.take(), entry.params.take()));
        }
        (std::mem::take(&mut self.hooks), functions)
    }
}

impl Shared {
    /// The driver is gone: its waker keeps what is left of its task.
    pub(crate) fn forget_driver(&self) -> Option<Waker> {
        self.driver.take()
    }
}
