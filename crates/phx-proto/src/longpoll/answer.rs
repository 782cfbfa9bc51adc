//! The body of an answer: `{"status":n,"token":t,"messages":[..]}`.

use alloc::borrow::Cow;

use bytes::Bytes;

use super::messages::Messages;
use super::target::is_header_value;
use crate::close::AnswerCause;
use crate::serializer::scan::{Element, Scanner};

/// The longest token that is taken, in bytes: those of Phoenix have some hundreds.
const MAX_TOKEN: usize = 4096;

/// An answer whose JSON was checked to its end.
pub(super) struct Body {
    bytes: Bytes,
    status: u16,
    token: Option<Element>,
    messages: Option<Option<Messages>>,
}

impl Body {
    pub(super) fn read(bytes: Bytes) -> Result<Self, AnswerCause> {
        let mut scanner = Scanner::new(&bytes);
        let (mut status, mut token, mut messages) = (None, None, None);
        if scanner.peek() != Some(b'{') {
            let is_json = scanner.value().is_ok() && scanner.end().is_ok();
            return Err(if is_json { AnswerCause::NotAnObject } else { AnswerCause::NotJson });
        }
        let mut read = || {
            scanner.expect(b'{')?;
            if scanner.peek() != Some(b'}') {
                loop {
                    let key = scanner.key()?.text(&bytes);
                    // A key that comes again is skipped: what it holds would have to be made twice.
                    match key.as_deref() {
                        Some(b"status") if status.is_none() => status = Some(scanner.value()?),
                        Some(b"token") if token.is_none() => token = Some(scanner.element()?),
                        Some(b"messages") if messages.is_none() => {
                            messages = Some(Messages::read(&mut scanner)?);
                        }
                        _ => _ = scanner.value()?,
                    }
                    if !scanner.eat(b',') {
                        break;
                    }
                }
            }
            scanner.expect(b'}')?;
            scanner.end()
        };
        read().map_err(|_| AnswerCause::NotJson)?;
        let status = core::str::from_utf8(status.ok_or(AnswerCause::NoStatus)?.of(&bytes));
        let status = status.ok().and_then(|status| status.parse().ok());
        let status = status.filter(|status| (100..600).contains(status));
        Ok(Body { status: status.ok_or(AnswerCause::Status)?, token, messages, bytes })
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// The token of a session that was created.
    pub(super) fn token(&self) -> Result<Cow<'_, str>, AnswerCause> {
        let token = self.token.ok_or(AnswerCause::NoToken)?;
        let token = match token.text(&self.bytes).ok_or(AnswerCause::Token)? {
            Cow::Borrowed(token) => core::str::from_utf8(token).ok().map(Cow::Borrowed),
            Cow::Owned(token) => alloc::string::String::from_utf8(token).ok().map(Cow::Owned),
        };
        let is_usable = |token: &Cow<'_, str>| token.len() <= MAX_TOKEN && is_header_value(token);
        token.filter(is_usable).ok_or(AnswerCause::Token)
    }

    /// The messages of an answer to a poll.
    pub(super) fn messages(self) -> Result<Messages, AnswerCause> {
        self.messages.ok_or(AnswerCause::NoMessages)?.ok_or(AnswerCause::Messages)
    }
}
