//! Entries in memory: the frequent ones in one to four words, the others as they are.
//!
//! A broadcast takes 16 bytes with its delivery, a reply 32; neither takes an allocation or a copy of an entry. What doesn't fit into the bits that
//! a word has for it is kept as an entry.

use std::collections::VecDeque;
use std::time::Duration;

use phx_proto::{Message as CoreMessage, Ref as CoreRef, Status};

use crate::cause::{OutcomeIs, StatusIs};
use crate::entry::{
    Action, Body, Entry, Event, Hashed, Hex, Message, Name, Push, Ref, Returned, SendWhy,
};
use crate::time::Time;

/// Most words of an entry.
const WORDS: usize = 4;

/// Items for which a queue may keep memory that it doesn't use.
const SPARE: usize = 1 << 10;

/// The memory of the longest packed entry, in bytes.
pub(crate) const PACKED_BYTES: usize = WORDS * size_of::<u64>();

/// A frequent entry. The first word has its kind, and as much of it as there is room for; the others follow it.
#[derive(Clone, Copy)]
pub(crate) struct Packed {
    words: [u64; WORDS],
    len: usize,
}

/// Entries in their order.
#[derive(Clone, Default)]
pub(crate) struct Log {
    words: VecDeque<u64>,
    /// The entries of kind [`OTHER`].
    others: VecDeque<Entry>,
    /// The memory of `others`.
    bytes_of_others: usize,
    len: usize,
}

const OTHER: u64 = 0;
const DELIVERED: u64 = 1;
const TIMEOUT: u64 = 2;
const NO_ACTION: u64 = 3;
const NO_CONTROL: u64 = 4;
const AT: u64 = 5;
const DEADLINE: u64 = 6;
const CHECK: u64 = 7;
const PUSH: u64 = 8;
const HASHED_PUSH: u64 = 9;
const DID: u64 = 10;
const REQUEST: u64 = 11;
const SEND: u64 = 12;
const REQUEST_DONE: u64 = 13;
/// Messages, with a bit for what each has.
const MESSAGE: u64 = 32;
const JOIN_REF: u64 = 1;
const REFERENCE: u64 = 2;
const HASH: u64 = 4;
const OK: u64 = 8;
const ERROR: u64 = 16;

/// Bits of a number beside the kind; of two names and two lengths.
const NUMBER: u32 = 58;
const NAME: u32 = 13;
const LEN: u32 = 16;

/// A kind, and a number if it isn't too large.
fn with_number(kind: u64, number: u64) -> Option<u64> {
    (number >> NUMBER == 0).then_some((kind << NUMBER) | number)
}

/// A kind, two names, a payload's length and another number (of a message the other bytes of its frame, of a push whether it
/// wants no reply), if they aren't too large.
fn with_names(kind: u64, topic: u32, event: u32, len: u64, more: u64) -> Option<u64> {
    let fits = (topic | event) >> NAME == 0 && (len | more) >> LEN == 0;
    let names = (u64::from(topic) << NAME) | u64::from(event);
    fits.then_some((kind << NUMBER) | (names << (2 * LEN)) | (len << LEN) | more)
}

fn kind_of(head: u64) -> u64 {
    head >> NUMBER
}

fn number_of(head: u64) -> u64 {
    head & ((1 << NUMBER) - 1)
}

fn names_of(head: u64) -> (u32, u32) {
    let name = |bits: u64| u32::try_from(bits & ((1 << NAME) - 1)).unwrap_or_default();
    (name(head >> (2 * LEN + NAME)), name(head >> (2 * LEN)))
}

fn lens_of(head: u64) -> (u64, u64) {
    let len = |bits: u64| bits & ((1 << LEN) - 1);
    (len(head >> LEN), len(head))
}

/// The words of a message of this kind.
fn words_of(kind: u64) -> usize {
    let refs = (kind & JOIN_REF).saturating_add((kind & REFERENCE) >> 1);
    let more = refs.saturating_add((kind & HASH) >> 2);
    usize::try_from(more).map_or(WORDS, |more| more.saturating_add(1))
}

/// The length of a payload of JSON, and its hash if it has one.
fn parts_of(body: &Body) -> Option<(u64, Option<u64>)> {
    match body {
        Body::Json(len) => Some((*len, None)),
        Body::Hashed(Hashed { len, hash: Hex(hash) }) => Some((*len, Some(*hash))),
        Body::Other(_) => None,
    }
}

fn nanos(time: &Time) -> Option<u64> {
    u64::try_from(time.0.as_nanos()).ok()
}

impl Packed {
    /// A message was delivered.
    pub(crate) const DELIVERED: Packed = Packed { words: [DELIVERED << NUMBER, 0, 0, 0], len: 1 };

    fn new(head: u64) -> Self {
        Packed { words: [head, 0, 0, 0], len: 1 }
    }

    #[inline]
    fn with(mut self, word: u64) -> Self {
        if let Some(next) = self.words.get_mut(self.len) {
            *next = word;
            self.len = self.len.saturating_add(1);
        }
        self
    }

    #[inline]
    fn with_some(self, word: Option<u64>) -> Self {
        word.map_or(self, |word| self.with(word))
    }

    /// A message that came, in a frame of this length; `None` if it doesn't fit.
    #[inline]
    pub(crate) fn message(
        message: &CoreMessage,
        (topic, event): (u32, u32),
        payload: &Body,
        frame: u64,
    ) -> Option<Self> {
        let (len, hash) = parts_of(payload)?;
        let number = |reference: &Option<CoreRef>| match reference {
            None => Some(None),
            Some(reference) => reference.as_number().map(Some),
        };
        let (join_ref, reference) = (number(&message.join_ref)?, number(&message.reference)?);
        let status = match message.status {
            None => 0,
            Some(Status::Ok) => OK,
            Some(Status::Error) => ERROR,
            Some(_) => return None,
        };
        let mark = |part: Option<u64>, mark| part.map_or(0, |_| mark);
        let parts = mark(join_ref, JOIN_REF) | mark(reference, REFERENCE) | mark(hash, HASH);
        let kind = MESSAGE | parts | status;
        let head = with_names(kind, topic, event, len, frame.checked_sub(len)?)?;
        let packed = Packed::new(head);
        Some(packed.with_some(join_ref).with_some(reference).with_some(hash))
    }

    /// Another frequent entry; `None` for a rare one, and if it doesn't fit.
    fn of(entry: &Entry) -> Option<Self> {
        Some(match entry {
            Entry::Delivered => Packed::DELIVERED,
            Entry::Timeout => Packed::new(TIMEOUT << NUMBER),
            Entry::NoAction => Packed::new(NO_ACTION << NUMBER),
            Entry::NoControl => Packed::new(NO_CONTROL << NUMBER),
            Entry::At(at) => Packed::new(with_number(AT, nanos(at)?)?),
            Entry::Deadline(Some(at)) => Packed::new(with_number(DEADLINE, nanos(at)?)?),
            Entry::Check(Hex(hash)) => Packed::new(CHECK << NUMBER).with(*hash),
            Entry::Push(Push { channel, event, payload, no_reply, timeout: None }) => {
                let (len, hash) = parts_of(payload)?;
                let kind = if hash.is_some() { HASHED_PUSH } else { PUSH };
                let head = with_names(kind, 0, *event, len, u64::from(*no_reply))?;
                Packed::new(head).with(*channel).with_some(hash)
            }
            Entry::Returned(Returned::Did(did)) => Packed::new(with_number(DID, u64::from(*did))?),
            Entry::Returned(Returned::Request(request)) => {
                Packed::new(with_number(REQUEST, *request)?)
            }
            Entry::Action(Action::Send(transport, SendWhy::Push(request), may_compress)) => {
                let number = transport.checked_mul(2)? | u64::from(*may_compress);
                Packed::new(with_number(SEND, number)?).with(*request)
            }
            Entry::Event(Event::RequestDone(request, channel, outcome)) => {
                let OutcomeIs::Reply(StatusIs::Ok, len) = outcome else { return None };
                Packed::new(with_number(REQUEST_DONE, *len)?).with(*request).with(*channel)
            }
            _ => return None,
        })
    }
}

impl Log {
    /// The memory that the entries take.
    pub(crate) fn bytes(&self) -> usize {
        (self.words.len() << 3).saturating_add(self.bytes_of_others)
    }

    // Only a file gathers entries.
    #[cfg(any(not(target_family = "wasm"), test))]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives memory back where most of it isn't used: what many short entries took isn't there for long ones as well.
    pub(crate) fn shrink(&mut self) {
        shrink(&mut self.words);
        shrink(&mut self.others);
    }

    /// Adds an entry at the end.
    pub(crate) fn push(&mut self, entry: Entry) {
        match Packed::of(&entry) {
            Some(packed) => self.push_packed(&packed),
            None => self.push_other(entry),
        }
    }

    /// Adds a packed entry at the end.
    #[inline]
    pub(crate) fn push_packed(&mut self, packed: &Packed) {
        self.len = self.len.saturating_add(1);
        for word in packed.words.iter().take(packed.len) {
            self.words.push_back(*word);
        }
    }

    fn push_other(&mut self, entry: Entry) {
        self.len = self.len.saturating_add(1);
        self.bytes_of_others = self.bytes_of_others.saturating_add(size(&entry));
        self.words.push_back(OTHER << NUMBER);
        self.others.push_back(entry);
    }

    /// Drops the first entry, and returns it unless it is a message or a delivery.
    pub(crate) fn drop_first(&mut self) -> Option<Entry> {
        let kind = kind_of(*self.words.front()?);
        if kind & MESSAGE == 0 && kind != DELIVERED {
            return self.pop();
        }
        self.len = self.len.saturating_sub(1);
        let words = if kind == DELIVERED { 1 } else { words_of(kind) };
        for _ in 0..words {
            self.words.pop_front();
        }
        None
    }

    /// Takes the first entry.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let head = self.words.pop_front()?;
        self.len = self.len.saturating_sub(1);
        let kind = kind_of(head);
        Some(match kind {
            DELIVERED => Entry::Delivered,
            TIMEOUT => Entry::Timeout,
            NO_ACTION => Entry::NoAction,
            NO_CONTROL => Entry::NoControl,
            AT => Entry::At(Time(Duration::from_nanos(number_of(head)))),
            DEADLINE => Entry::Deadline(Some(Time(Duration::from_nanos(number_of(head))))),
            CHECK => Entry::Check(Hex(self.word()?)),
            PUSH | HASHED_PUSH => {
                let ((_, event), (len, no_reply)) = (names_of(head), lens_of(head));
                let channel = self.word()?;
                let payload = self.body(len, kind == HASHED_PUSH)?;
                let (no_reply, timeout) = (no_reply == 1, None);
                Entry::Push(Push { channel, event, payload, no_reply, timeout })
            }
            DID => Entry::Returned(Returned::Did(number_of(head) == 1)),
            REQUEST => Entry::Returned(Returned::Request(number_of(head))),
            SEND => {
                let (number, request) = (number_of(head), self.word()?);
                let (transport, may_compress) = (number >> 1, number & 1 == 1);
                Entry::Action(Action::Send(transport, SendWhy::Push(request), may_compress))
            }
            REQUEST_DONE => {
                let outcome = OutcomeIs::Reply(StatusIs::Ok, number_of(head));
                Entry::Event(Event::RequestDone(self.word()?, self.word()?, outcome))
            }
            kind if kind & MESSAGE != 0 => self.message(head)?,
            _ => {
                let entry = self.others.pop_front()?;
                self.bytes_of_others = self.bytes_of_others.saturating_sub(size(&entry));
                entry
            }
        })
    }

    fn message(&mut self, head: u64) -> Option<Entry> {
        let ((topic, event), (len, more)) = (names_of(head), lens_of(head));
        let has = |mark: u64| kind_of(head) & mark != 0;
        let join_ref = if has(JOIN_REF) { Some(Ref::Number(self.word()?)) } else { None };
        let reference = if has(REFERENCE) { Some(Ref::Number(self.word()?)) } else { None };
        let status = match (has(OK), has(ERROR)) {
            (true, _) => Some(StatusIs::Ok),
            (_, true) => Some(StatusIs::Error),
            _ => None,
        };
        let (payload, frame) = (self.body(len, has(HASH))?, len.saturating_add(more));
        if join_ref.is_none() && reference.is_none() && status.is_none() {
            return Some(Entry::Broadcast(topic, event, payload, frame));
        }
        let message = Message { join_ref, reference, topic, event, status, payload, frame };
        Some(Entry::Message(message))
    }

    fn word(&mut self) -> Option<u64> {
        self.words.pop_front()
    }

    fn body(&mut self, len: u64, is_hashed: bool) -> Option<Body> {
        if !is_hashed {
            return Some(Body::Json(len));
        }
        Some(Body::Hashed(Hashed { len, hash: Hex(self.word()?) }))
    }
}

/// Halves the memory of a queue that uses a quarter of it, or less.
fn shrink<T>(queue: &mut VecDeque<T>) {
    let (len, capacity) = (queue.len(), queue.capacity());
    if capacity > SPARE && len < capacity / 4 {
        queue.shrink_to(capacity / 2);
    }
}

/// The memory of an entry, if it isn't packed.
pub(crate) fn size(entry: &Entry) -> usize {
    let beside = match entry {
        Entry::Name(Name(_, text)) | Entry::CutName(Name(_, text)) => text.len(),
        Entry::Broadcast(_, _, payload, _) => payload.memory(),
        Entry::Message(message) => message.payload.memory(),
        Entry::Push(push) => push.payload.memory(),
        // Rare ones, with texts that are limited.
        Entry::Closed(..) | Entry::Malformed(_) | Entry::Returned(_) | Entry::Disconnect(..) => 300,
        _ => 0,
    };
    size_of::<Entry>().saturating_add(beside)
}

#[cfg(test)]
mod tests {
    use phx_proto::Payload;

    use super::*;

    fn bodies(len: u64) -> [Body; 2] {
        [Body::Json(len), Body::Hashed(Hashed { len, hash: Hex(u64::MAX) })]
    }

    /// Entries of each kind, with numbers that just fit and that don't.
    fn entries() -> Vec<Entry> {
        let mut all = vec![
            Entry::Delivered,
            Entry::Timeout,
            Entry::NoAction,
            Entry::NoControl,
            Entry::Connect,
            Entry::Check(Hex(u64::MAX)),
            Entry::Name(Name(1, "room:a".into())),
            Entry::Deadline(None),
            Entry::Broadcast(1, 2, Body::Json(3), 20),
            Entry::At(Time(Duration::MAX)),
            Entry::Returned(Returned::Did(true)),
            Entry::Returned(Returned::Did(false)),
        ];
        for number in [0, 1, (1 << 57) - 1, 1 << 57, (1 << 58) - 1, 1 << 58, u64::MAX] {
            let time = Time(Duration::from_nanos(number));
            let done = |status| {
                Entry::Event(Event::RequestDone(number, 1, OutcomeIs::Reply(status, number)))
            };
            all.extend([
                Entry::At(time),
                Entry::Deadline(Some(time)),
                Entry::Returned(Returned::Request(number)),
                Entry::Action(Action::Send(number, SendWhy::Push(number), true)),
                Entry::Action(Action::Send(number, SendWhy::Push(7), false)),
                Entry::Action(Action::Send(number, SendWhy::Heartbeat, false)),
                done(StatusIs::Ok),
                done(StatusIs::Error),
            ]);
        }
        for (event, len) in [(0, 0), (8_191, 65_535), (8_192, 1), (1, 65_536), (1, u64::MAX)] {
            for payload in bodies(len) {
                for (no_reply, timeout) in
                    [(false, None), (true, None), (true, Some(Time::default()))]
                {
                    let (channel, payload) = (u64::MAX, payload.clone());
                    all.push(Entry::Push(Push { channel, event, payload, no_reply, timeout }));
                }
            }
        }
        all
    }

    #[test]
    fn what_is_pushed_is_popped() {
        let mut log = Log::default();
        let entries = entries();
        entries.iter().for_each(|entry| log.push(entry.clone()));
        assert_eq!(log.len(), entries.len());
        for entry in entries {
            assert_eq!(log.pop(), Some(entry));
        }
        assert_eq!((log.pop(), log.bytes(), log.len()), (None, 0, 0));
    }

    #[test]
    fn what_is_pushed_can_be_dropped() {
        let mut log = Log::default();
        let mut message = CoreMessage::new("t", "e", Payload::empty());
        let [_, hashed] = bodies(80);
        for (payload, reference) in [(Body::Json(80), None), (hashed, Some(CoreRef::from(1)))] {
            message.reference = reference;
            log.push_packed(&Packed::message(&message, (1, 1), &payload, 100).unwrap());
            log.push(Entry::Delivered);
        }
        let others = entries();
        others.iter().for_each(|entry| log.push(entry.clone()));
        (0..4).for_each(|_| assert_eq!(log.drop_first(), None));
        assert_eq!(log.len(), others.len());
        for entry in others {
            assert_eq!(log.drop_first(), Some(entry).filter(|entry| *entry != Entry::Delivered));
        }
        assert_eq!((log.drop_first(), log.bytes(), log.len()), (None, 0, 0));
    }

    #[test]
    fn a_packed_entry_takes_no_more_than_it_may() {
        let mut packed = 0;
        for entry in entries() {
            let mut log = Log::default();
            log.push(entry);
            if log.others.is_empty() {
                assert!(log.bytes() <= PACKED_BYTES, "{}", log.bytes());
                packed += 1;
            }
        }
        assert!(packed > 40, "{packed}");
    }

    #[test]
    fn a_message_of_every_kind_comes_back() {
        let refs = [None, Some(0), Some(u64::MAX)];
        let statuses = [None, Some(Status::Ok), Some(Status::Error)];
        for (join_ref, reference) in refs.iter().flat_map(|one| refs.map(|other| (*one, other))) {
            for (status, payload) in
                statuses.iter().flat_map(|status| bodies(80).map(|body| (status.clone(), body)))
            {
                let mut message = CoreMessage::new("t", "e", Payload::empty())
                    .with_join_ref(join_ref.map(CoreRef::from))
                    .with_reference(reference.map(CoreRef::from));
                message.status = status;
                let packed = Packed::message(&message, (1, 8_191), &payload, 100).unwrap();
                let mut log = Log::default();
                log.push_packed(&packed);
                assert!(log.bytes() <= PACKED_BYTES);
                let status = message.status.as_ref().map(StatusIs::of);
                let expected = if (join_ref, reference, &status) == (None, None, &None) {
                    Entry::Broadcast(1, 8_191, payload, 100)
                } else {
                    Entry::Message(Message {
                        join_ref: join_ref.map(Ref::Number),
                        reference: reference.map(Ref::Number),
                        topic: 1,
                        event: 8_191,
                        status,
                        payload,
                        frame: 100,
                    })
                };
                assert_eq!(log.pop(), Some(expected));
                assert_eq!((log.pop(), log.bytes()), (None, 0));
            }
        }
    }

    #[test]
    fn a_message_that_does_not_fit_is_not_packed() {
        let message = CoreMessage::new("t", "e", Payload::empty());
        let fits = |message: &CoreMessage, names, len, frame| {
            Packed::message(message, names, &Body::Json(len), frame).is_some()
        };
        assert!(fits(&message, (8_191, 8_191), 65_535, 131_070));
        assert!(!fits(&message, (8_192, 1), 1, 2));
        assert!(!fits(&message, (1, 8_192), 1, 2));
        assert!(!fits(&message, (1, 1), 65_536, 65_537));
        assert!(!fits(&message, (1, 1), 1, 65_537));
        // A payload in fewer bytes than it has: of a serializer that expands it.
        assert!(!fits(&message, (1, 1), 2, 1));
        let named = message.clone().with_reference(Some(CoreRef::from("x")));
        assert!(!fits(&named, (1, 1), 1, 2));
        let mut other = message;
        other.status = Some(Status::from("other"));
        assert!(!fits(&other, (1, 1), 1, 2));
    }
}
