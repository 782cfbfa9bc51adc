//! Contents of `Debug` output, and what it hides.

use std::collections::BTreeMap;

use phx_proto::{
    Action, Backoff, Config, Event, Instant, Params, Payload, Presence, PresenceChange,
    ReconnectPolicy, Ref, Rejoin, RejoinPolicy, Socket, Status, TransportId, UpgradeRejection,
};

const SECRET: &str = "hunter2";

#[test]
fn schedules_and_policies_show_what_they_are() {
    let second = std::time::Duration::from_secs(1);
    let shown = [
        format!("{:?}", Backoff::steps([second]).with_jitter_percent(100)),
        format!("{:?}", Backoff::exponential(second, 2, second * 9)),
        format!("{:?}", Backoff::function(|_| std::time::Duration::ZERO)),
        format!("{:?}", ReconnectPolicy::default()),
        format!("{:?}", ReconnectPolicy::always()),
        format!("{:?}", ReconnectPolicy::never()),
        format!("{:?}", ReconnectPolicy::function(|_, _| phx_proto::Reconnect::Stop)),
        format!("{:?}", RejoinPolicy::default()),
        format!("{:?}", RejoinPolicy::always()),
        format!("{:?}", RejoinPolicy::never()),
        format!("{:?}", RejoinPolicy::function(|_| Rejoin::Stop)),
    ];
    assert_eq!(
        shown,
        [
            "Backoff::steps([1s]) ± 100 %",
            "Backoff::exponential(1s, 2, 9s) ± 0 %",
            "Backoff::function(..) ± 0 %",
            "ReconnectPolicy::default()",
            "ReconnectPolicy::always()",
            "ReconnectPolicy::never()",
            "ReconnectPolicy::function(..)",
            "RejoinPolicy::default()",
            "RejoinPolicy::always()",
            "RejoinPolicy::never()",
            "RejoinPolicy::function(..)",
        ]
    );
}

#[test]
fn small_values_show_themselves() {
    assert_eq!(format!("{:?} {:?}", Ref::from(7), Ref::from("x")), "Ref(7) Ref(x)");
    assert_eq!(format!("{:?}", Status::from("maybe")), "Status(maybe)");
    assert_eq!(format!("{:?}", Instant::EPOCH), "Instant(0ns)");
}

#[test]
fn ids_are_numbers_for_logs() {
    let mut socket = Socket::new(Config::default(), 1);
    let now = Instant::EPOCH;
    let room = socket.channel("room:a", Payload::empty()).unwrap();
    let join = socket.join(now, room, None).unwrap();
    socket.connect(now);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    socket.handle_opened(now, transport);
    let ping = socket.ping(now).unwrap();
    let asking = socket.channel("room:b", Params::OnRequest).unwrap();
    socket.join(now, asking, None).unwrap();
    let Some(Action::RequestParams { request, .. }) = socket.poll_action() else { panic!() };
    let shown = format!("{join:?} {transport:?} {ping:?} {request:?}");
    let (join, ping, request) = (join.as_u64(), ping.as_u64(), request.as_u64());
    assert_eq!(
        shown,
        format!("RequestId({join}) TransportId(1) PingId({ping}) ParamsRequestId({request})")
    );
    assert_eq!(TransportId::as_u64(transport), 1);
    assert!(request > ping && ping > join);
}

#[test]
fn payloads_and_what_is_wrong_with_them_show_no_contents() {
    let text = format!(r#"{{"token":"{SECRET}"}}"#);
    let payload = Payload::from_json_text(text.clone()).unwrap();
    let binary = Payload::binary(SECRET.as_bytes().to_vec());
    let not_json = Payload::from_json_text(format!("{SECRET}!")).unwrap_err();
    let wrong_type = payload.decode::<u64>().unwrap_err();
    let no_json = binary.decode::<u64>().unwrap_err();
    // JSON has only strings as keys.
    let unwritable = Payload::json(&BTreeMap::from([(vec![1], SECRET)])).unwrap_err();
    let refusal = UpgradeRejection::new(403).with_body(text);
    let shown = format!(
        "{payload:?} {binary:?} {not_json:?} {wrong_type:?} {no_json:?} {unwritable:?} {refusal:?}"
    );
    for name in ["NotJson", "Deserialize", "Binary", "Serialize", "line: 1", "19 bytes", "7 bytes"]
    {
        assert!(shown.contains(name), "{name} in {shown}");
    }
    let said = format!("{not_json} {wrong_type} {no_json} {unwritable}");
    assert!(!shown.contains(SECRET) && !said.contains(SECRET), "{shown} {said}");
}

#[test]
fn presences_and_their_changes_show_how_many_there_are() {
    let mut presence: Presence = Presence::default();
    let state = format!(r#"{{"{SECRET}":{{"metas":[{{"phx_ref":"1"}},{{"phx_ref":"2"}}]}}}}"#);
    let diff = format!(r#"{{"joins":{{}},"leaves":{state}}}"#);
    let diff = Payload::from_json_text(diff).unwrap();
    presence.handle_event("presence_diff", &diff).unwrap();
    assert_eq!(
        format!("{presence:?}"),
        "Presence { status: Pending, len: 0, pending_diffs: 1, .. }"
    );
    presence.handle_joined();
    let state = Payload::from_json_text(state).unwrap();
    let mut changes = presence.handle_event("presence_state", &state).unwrap().unwrap();
    let meta = presence.get(SECRET).and_then(|entry| entry.metas().next());
    assert_eq!(
        format!("{meta:?}"),
        r#"Some(PresenceMeta { phx_ref: "1", phx_ref_prev: None, .. })"#
    );
    assert_eq!(
        format!("{presence:?}"),
        "Presence { status: Synced, len: 1, pending_diffs: 0, .. }"
    );
    changes.extend(presence.handle_event("presence_diff", &diff).unwrap().unwrap());
    assert_eq!(
        format!("{changes:?}"),
        "[Joined { before: None, joined: PresenceEntry(2 metas), .. }, Synced, \
         Left { after: PresenceEntry(0 metas), left: PresenceEntry(2 metas), .. }, Synced]"
    );
    assert_eq!(presence.config().state_event, "presence_state");
}

/// `Debug` of a change doesn't need `Clone`.
#[test]
fn a_copy_of_a_change_is_that_change() {
    #[derive(serde::Deserialize)]
    struct Meta {
        phx_ref: String,
    }
    let mut presence: Presence<Meta> = Presence::new();
    let state = r#"{"a":{"metas":[{"phx_ref":"1"}]},"b":{"metas":[{"phx_ref":"2"}]}}"#;
    let mut changes = Vec::new();
    for state in [state, r#"{"b":{"metas":[{"phx_ref":"2"},{"phx_ref":"3"}]}}"#] {
        let state = Payload::from_json_text(state.to_owned()).unwrap();
        changes.extend(presence.handle_event("presence_state", &state).unwrap().unwrap());
    }
    let reported = |change: &PresenceChange<Meta, _>| match change {
        PresenceChange::Joined { key, before, joined, .. } => {
            let refs: Vec<_> = joined.metas().map(|meta| meta.data().phx_ref.clone()).collect();
            format!("+{key}{refs:?}{}", before.is_some())
        }
        PresenceChange::Left { key, after, left, .. } => {
            format!("-{key}{}{}", after.metas().len(), left.metas().len())
        }
        PresenceChange::Synced => "sync".to_owned(),
        other => panic!("{other:?}"),
    };
    let copies: Vec<String> = changes.iter().map(|change| reported(&change.clone())).collect();
    assert_eq!(
        copies,
        [r#"+a["1"]false"#, r#"+b["2"]false"#, "sync", r#"+b["3"]true"#, "-a01", "sync"]
    );
}

#[test]
fn events_show_no_payloads() {
    let mut socket = Socket::new(Config::default(), 1);
    let now = Instant::EPOCH;
    socket.connect(now);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    socket.handle_opened(now, transport);
    let frame = phx_proto::Frame::text(format!("[null,null,{SECRET}"));
    assert!(!frame.is_empty() && phx_proto::Frame::binary(Vec::new()).is_empty());
    socket.handle_frame(now, transport, frame);
    let events: Vec<Event> = std::iter::from_fn(|| socket.poll_event()).collect();
    let shown = format!("{events:?} {socket:?}");
    assert!(shown.contains("Malformed") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn payloads_give_their_bytes_back() {
    assert_eq!(Payload::default(), Payload::empty());
    assert_eq!(Payload::default().into_bytes(), "{}");
    assert_eq!(Payload::binary(vec![1, 2]).into_bytes(), [1, 2].as_slice());
    assert!(Payload::binary(vec![]).is_empty() && !Payload::empty().is_empty());
}
