//! What happened, in words.

use phx_proto::{Config, Escaped};
use phx_recorder::{
    About, Happening, MAX_THINGS, RecordingOptions, ReplayError, State, Timeline, replay,
};

use crate::session::{recording, text};

/// All that happened, and why the replay ended early if it did.
fn all(recording: &[u8]) -> (Vec<Happening>, Option<String>) {
    let mut timeline = Timeline::new(recording).unwrap();
    let mut happened = Vec::new();
    while let Some(happening) = timeline.next_happening().unwrap() {
        happened.push(happening);
    }
    let failed = timeline.parted().map(ToString::to_string);
    assert_eq!(failed.is_some(), timeline.replayed().is_err());
    (happened, failed)
}

#[test]
fn a_session_in_words() {
    let recording = recording(Config::default(), RecordingOptions::default());
    let (happened, failed) = all(&recording);
    assert_eq!(failed, None);
    let mut rest = happened.iter();
    for words in [
        "connect was called",
        "channel of `room:lobby` was made",
        "#1 join of `room:lobby`, without a connection and not joined",
        "connection 1 is open",
        "joined `room:lobby`, a response of 9 bytes",
        "push `shout` to `room:lobby`, 16 bytes of JSON, while connected and joined",
        "the server replied `ok`, 9 bytes",
        "message `news` on `room:lobby`, 25 bytes of JSON",
        "ended: reset; the next attempt is",
        "end of the session",
    ] {
        assert!(rest.any(|it| it.words.contains(words)), "no `{words}` in order in {happened:#?}");
    }
    assert!(happened.is_sorted_by_key(|it| it.at));
    let requests = |it: &&Happening| matches!(it.about, About::Request(..)) && it.is_outcome;
    assert_eq!(happened.iter().filter(requests).count(), 3, "a join and two pushes");
    let states = |about| {
        let of = happened.iter().filter(move |it| it.about == about);
        of.filter_map(|it| it.state).collect::<Vec<_>>()
    };
    let channel = happened.iter().find_map(|it| match it.about {
        About::Channel(_) => Some(it.about),
        _ => None,
    });
    assert_eq!(states(channel.unwrap())[..2], [State::Pending, State::Up]);
    assert!(states(channel.unwrap()).contains(&State::Waiting));
    assert_eq!(states(About::Connection)[..2], [State::Pending, State::Up]);
    assert!(states(About::Connection).contains(&State::Waiting));
    let failed: Vec<_> = happened.iter().filter(|it| it.is_failure).map(|it| &*it.words).collect();
    assert!(failed.len() == 1 && failed[0].contains("ended: reset"), "{failed:?}");
}

#[test]
fn its_replay_is_that_of_the_library() {
    let recording = recording(Config::default(), RecordingOptions::default());
    let mut timeline = Timeline::new(&recording[..]).unwrap();
    while timeline.next_happening().unwrap().is_some() {}
    assert_eq!(timeline.replayed().unwrap(), replay(&recording[..]).unwrap());

    let mut half = Timeline::new(&recording[..]).unwrap();
    let last = (0..5).map(|_| half.next_happening().unwrap().unwrap()).last().unwrap();
    let replayed = half.replayed().unwrap();
    assert!(!replayed.is_complete && replayed.lines >= last.line, "{replayed:?} {last:?}");
}

#[test]
fn what_cannot_be_replayed_is_shown_all_the_same() {
    let text = text(RecordingOptions::default());
    let (whole, _) = all(text.as_bytes());
    for (from, to, why) in [
        ("\"part\":1", "\"part\":2", "entries are missing before line 1"),
        ("\"V2\"", "\"Mine\"", "serializer isn't known"),
        ("\"returned\":{\"request\":", "\"returned\":{\"request\":9", "the recording has"),
    ] {
        let (happened, failed) = all(text.replacen(from, to, 1).as_bytes());
        assert!(failed.as_ref().is_some_and(|failed| failed.contains(why)), "{failed:?}");
        assert_eq!(happened.len(), whole.len());
    }
    let gap = text.replacen("\"connect\"\n", "{\"gap\":7}\n\"connect\"\n", 1);
    let mut timeline = Timeline::new(gap.as_bytes()).unwrap();
    let first = timeline.next_happening().unwrap().unwrap();
    assert!(first.is_failure && first.about == About::Recording, "{first:?}");
    while timeline.next_happening().unwrap().is_some() {}
    assert!(matches!(timeline.replayed(), Err(ReplayError::Gap { .. })));
}

#[test]
fn words_are_one_line_and_act_on_no_terminal() {
    let text = text(RecordingOptions::default());
    let hostile = "lobby\\r\\n00:00:00.000  forged\\u001b[2J\\u202e\\u009b";
    for from in ["lobby", "news", "reset"] {
        let (happened, _) = all(text.replace(from, hostile).as_bytes());
        let words = happened.iter().flat_map(|it| it.words.chars());
        assert_eq!(words.filter(|c| Escaped::is_escaped(*c)).count(), 0, "{from}: {happened:#?}");
    }
}

#[test]
fn what_is_called_by_its_name_is_limited() {
    let text = text(RecordingOptions::default());
    let header = text.lines().next().unwrap();
    let mut lines = vec![header.to_owned(), "{\"name\":[1,\"room:a\"]}".to_owned()];
    for channel in 1..=MAX_THINGS + 2 {
        lines.push("{\"channel\":[1,2]}".to_owned());
        lines.push(format!("{{\"returned\":{{\"channel\":{channel}}}}}"));
    }
    lines
        .extend([1, MAX_THINGS, MAX_THINGS + 1].map(|channel| format!("{{\"remove\":{channel}}}")));
    let (happened, _) = all(lines.join("\n").as_bytes());
    let last = happened[happened.len() - 3..].iter().map(|it| &*it.words).collect::<Vec<_>>();
    let further = format!("channel {} was removed", MAX_THINGS + 1);
    assert_eq!(last, ["`room:a` was removed", "`room:a` was removed", &further]);
}
