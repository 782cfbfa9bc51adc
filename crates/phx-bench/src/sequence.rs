//! Checks of received messages: count, order and content.

use std::sync::Arc;

use anyhow::bail;

/// Messages that one consumer must receive, in order: `{"i":I,"pad":"xx.."}` with growing `I`.
///
/// The check compares bytes and parses one number, so that it costs little beside the measured work.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    next: u64,
    step: u64,
    /// The text after the number.
    tail: Arc<[u8]>,
}

impl Sequence {
    /// Creates messages from number `first` on in steps of `step`, with `size` bytes of text.
    pub(crate) fn new(first: u64, step: u64, size: usize) -> Self {
        let tail = format!(",\"pad\":\"{}\"}}", "x".repeat(size));
        Sequence { next: first, step, tail: tail.into_bytes().into() }
    }

    /// Returns the same messages for another consumer, from number `first` on.
    pub(crate) fn starting_at(&self, first: u64) -> Self {
        Sequence { next: first, ..self.clone() }
    }

    /// Checks the text of the next message.
    pub(crate) fn take(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let number = text.strip_prefix(b"{\"i\":").and_then(|rest| rest.strip_suffix(&*self.tail));
        let number = number.and_then(|digits| {
            digits.iter().try_fold(0_u64, |number, digit| match digit {
                b'0'..=b'9' => Some(number * 10 + u64::from(digit - b'0')),
                _ => None,
            })
        });
        match number {
            Some(number) => self.take_number(number),
            None => bail!("a message has another text than was sent"),
        }
    }

    /// Checks the number and text of the next message, for callers that have parsed it.
    pub(crate) fn take_parsed(&mut self, number: u64, pad: &str) -> anyhow::Result<()> {
        let expected = self.tail.get(8..self.tail.len() - 2).unwrap_or_default();
        if pad.as_bytes() != expected {
            bail!("a message has another text than was sent");
        }
        self.take_number(number)
    }

    fn take_number(&mut self, number: u64) -> anyhow::Result<()> {
        if number != self.next {
            bail!("message {number} came where {} belongs", self.next);
        }
        self.next += self.step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_was_sent_in_order() {
        let mut all = Sequence::new(0, 1, 2);
        all.take(br#"{"i":0,"pad":"xx"}"#).unwrap();
        all.take_parsed(1, "xx").unwrap();
        let mut every_third = all.starting_at(2);
        every_third.step = 3;
        every_third.take(br#"{"i":2,"pad":"xx"}"#).unwrap();
        every_third.take(br#"{"i":5,"pad":"xx"}"#).unwrap();
    }

    #[test]
    fn notices_what_is_missing_twice_or_altered() {
        for text in [
            r#"{"i":8,"pad":"xx"}"#,
            r#"{"i":6,"pad":"xx"}"#,
            r#"{"i":7,"pad":"xxx"}"#,
            r#"{"i":7,"pad":"xy"}"#,
            r#"{"i":"7","pad":"xx"}"#,
            r#"{"i": 7,"pad":"xx"}"#,
            "",
        ] {
            assert!(Sequence::new(7, 1, 2).take(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Sequence::new(7, 1, 2).take_parsed(7, "x").is_err());
        assert!(Sequence::new(7, 1, 2).take_parsed(8, "xx").is_err());
    }
}
