//! The list of those who are present on a channel, for the step that waits for them.

use phx_tokio::{Channel, Presence, PresenceStatus};
use serde::de::IgnoredAny;

/// The keys that are present on a channel.
#[derive(Clone, Debug)]
pub(crate) struct Present(Presence<IgnoredAny>);

impl Present {
    /// Follows a channel's list. Call it before the join, since the server sends the list right after it.
    pub(crate) fn on(channel: &Channel) -> Self {
        Present(channel.presence())
    }

    /// Waits until at least so many keys are present, or this one is; `None` if the channel ends before.
    pub(crate) async fn reaches(&self, key: Option<&str>, at_least: u64) -> Option<()> {
        let mut changes = self.0.changes();
        loop {
            let is_known = self.0.status() != PresenceStatus::Pending;
            let is_there = match key {
                Some(key) => self.0.entry(key).is_some(),
                None => self.0.len() as u64 >= at_least,
            };
            if is_known && is_there {
                return Some(());
            }
            changes.next().await?;
        }
    }
}
