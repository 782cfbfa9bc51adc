//! Items of streams that are made of the channel's streams.

use phx_client::StreamItem;

/// Converts an item: its message by `convert`, anything else as it is. `None` if the stream has no such item.
pub(crate) fn converted<M, T>(
    item: StreamItem<M>,
    convert: impl FnOnce(M) -> Option<StreamItem<T>>,
) -> Option<StreamItem<T>> {
    match item {
        StreamItem::Message(message) => convert(message),
        StreamItem::Gap => Some(StreamItem::Gap),
        StreamItem::Lagged(count) => Some(StreamItem::Lagged(count)),
        StreamItem::Malformed(error) => Some(StreamItem::Malformed(error)),
        _ => None,
    }
}
