//! Any message that one side can encode is decoded as the same message by the other side.

use phx_proto::{Message, Payload, Ref, Serializer, Status, V1, V1Server, V2, V2Server, events};
use proptest::prelude::*;

fn reference() -> impl Strategy<Value = Option<Ref>> {
    prop_oneof![
        Just(None),
        any::<u64>().prop_map(|number| Some(Ref::from(number))),
        "\\PC{1,8}|[0-9]{1,22}|[\"\\\\\u{0}-\u{1f}]{1,3}".prop_map(|text| Some(Ref::from(&*text))),
    ]
}

/// Names with any characters: quotes, control characters, characters beyond ASCII.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}:[a-z0-9]{0,8}", any::<String>()]
        .prop_filter("a `phx_reply` is what a message with a status is", |name| {
            *name != *events::REPLY
        })
}

fn json() -> impl Strategy<Value = Payload> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
    .prop_map(|value| Payload::from_unchecked_json(value.to_string().into()))
}

fn message(payload: impl Strategy<Value = Payload>) -> impl Strategy<Value = Message> {
    (reference(), reference(), name(), name(), payload).prop_map(
        |(join_ref, reference, topic, event, payload)| {
            Message::new(topic, event, payload).with_join_ref(join_ref).with_reference(reference)
        },
    )
}

fn reply(payload: impl Strategy<Value = Payload>) -> impl Strategy<Value = Message> {
    (message(payload), any::<String>()).prop_map(|(message, status)| {
        let status = Status::from(status.as_str());
        Message::reply(message.topic, message.reference, status, message.payload)
            .with_join_ref(message.join_ref)
    })
}

fn bytes() -> impl Strategy<Value = Payload> {
    any::<Vec<u8>>().prop_map(Payload::binary)
}

fn short(message: &Message) -> bool {
    let status = message.status.as_ref().map_or("", Status::as_str);
    [&*message.topic, &*message.event, status].iter().all(|name| name.len() <= 255)
}

fn heard(
    receiver: &dyn Serializer,
    sender: &dyn Serializer,
    message: &Message,
) -> Result<(), TestCaseError> {
    let frame = sender.encode(message).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let heard = receiver.decode(frame);
    prop_assert_eq!(heard.as_ref(), Ok(message));
    Ok(())
}

proptest! {
    #[test]
    fn pushes_in_v2(message in message(json())) {
        heard(&V2Server, &V2, &message)?;
        heard(&V2, &V2Server, &message)?;
    }

    #[test]
    fn replies_in_v2(message in reply(json())) {
        heard(&V2, &V2Server, &message)?;
    }

    #[test]
    fn pushes_in_v1(message in message(json())) {
        let message = message.with_join_ref(None);
        heard(&V1Server, &V1, &message)?;
        heard(&V1, &V1Server, &message)?;
    }

    #[test]
    fn replies_in_v1(message in reply(json())) {
        let message = message.with_join_ref(None);
        heard(&V1, &V1Server, &message)?;
    }

    #[test]
    fn binary_pushes_of_a_client(message in message(bytes()).prop_filter("too long", short)) {
        heard(&V2Server, &V2, &message)?;
    }

    #[test]
    fn binary_replies(message in reply(bytes()).prop_filter("too long", short)) {
        heard(&V2, &V2Server, &message)?;
    }

    #[test]
    fn binary_pushes_and_broadcasts_of_a_server(
        message in message(bytes()).prop_filter("too long", short)
    ) {
        // They have no field for a ref.
        let message = message.with_reference(None);
        heard(&V2, &V2Server, &message)?;
    }
}
