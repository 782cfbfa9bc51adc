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

/// A channel's process that gets the broadcasts of a topic of the server's side.
pub(super) struct Subscriber {
    pub(super) process: ProcessId,
    pub(super) socket: SocketId,
    /// Topic that the client knows, in the frames.
    pub(super) topic: ByteString,
    pub(super) serializer: Arc<dyn Serializer>,
}

impl PubSub {
    pub(super) fn subscribe(&mut self, topic: &ByteString, subscriber: Subscriber) {
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
    /// each serializer and topic. Subscribers whose serializer can't express it get none.
    pub(super) fn frames(
        &self,
        broadcast: &Message,
        except: Option<ProcessId>,
    ) -> Vec<(SocketId, Frame)> {
        let mut encoded: BTreeMap<(&str, &ByteString), Option<Frame>> = BTreeMap::new();
        let subscribers = self.topics.get(&broadcast.topic).into_iter().flatten();
        subscribers
            .filter(|subscriber| Some(subscriber.process) != except)
            .filter_map(|subscriber| {
                let serializer = &subscriber.serializer;
                let topic = &subscriber.topic;
                let frame = encoded.entry((serializer.vsn(), topic)).or_insert_with(|| {
                    let mut message = broadcast.clone();
                    message.topic.clone_from(topic);
                    serializer.encode(&message).ok()
                });
                frame.clone().map(|frame| (subscriber.socket, frame))
            })
            .collect()
    }
}
