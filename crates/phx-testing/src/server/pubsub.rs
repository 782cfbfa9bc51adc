//! Subscriptions by topic, over all connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use phx_proto::{ByteString, Frame, Message, Serializer};

use super::action::SocketId;
use super::envelope::ProcessId;

#[derive(Default)]
pub(crate) struct PubSub {
    topics: BTreeMap<ByteString, Vec<Subscriber>>,
}

struct Subscriber {
    process: ProcessId,
    socket: SocketId,
    serializer: Arc<dyn Serializer>,
}

impl PubSub {
    pub(super) fn subscribe(
        &mut self,
        topic: &ByteString,
        process: ProcessId,
        socket: SocketId,
        serializer: Arc<dyn Serializer>,
    ) {
        let subscriber = Subscriber { process, socket, serializer };
        self.topics.entry(topic.clone()).or_default().push(subscriber);
    }

    pub(super) fn unsubscribe(&mut self, topic: &ByteString, process: ProcessId) {
        if let Some(subscribers) = self.topics.get_mut(topic) {
            subscribers.retain(|subscriber| subscriber.process != process);
            if subscribers.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// The frames that a broadcast becomes, in the order of the subscriptions; encoded once for
    /// each serializer. Subscribers whose serializer can't express it get none.
    pub(super) fn frames(
        &self,
        broadcast: &Message,
        except: Option<ProcessId>,
    ) -> Vec<(SocketId, Frame)> {
        let mut encoded: BTreeMap<&str, Option<Frame>> = BTreeMap::new();
        let subscribers = self.topics.get(&broadcast.topic).into_iter().flatten();
        subscribers
            .filter(|subscriber| Some(subscriber.process) != except)
            .filter_map(|subscriber| {
                let serializer = &subscriber.serializer;
                let frame = encoded
                    .entry(serializer.vsn())
                    .or_insert_with(|| serializer.encode(broadcast).ok());
                frame.clone().map(|frame| (subscriber.socket, frame))
            })
            .collect()
    }
}
