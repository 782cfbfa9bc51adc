//! What a recording keeps.

/// What a recording keeps. By default that is as little as a replay needs.
///
/// In no mode it holds params, access tokens, headers or the endpoint. Topics, events, statuses and the reasons of close
/// frames stand in it as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingOptions {
    /// What is kept of payloads. Default: their length.
    pub payloads: Payloads,
    /// `true` if topics are replaced by digits and letters that mean nothing. Default: `false`.
    pub hides_topics: bool,
}

/// What a recording keeps of the payloads of pushes, messages and replies.
///
/// Join params, and payloads that are [marked](phx_proto::Payload::uncompressed) because a secret is in them, are always
/// dropped to their length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payloads {
    /// Their length.
    #[default]
    Length,
    /// Their length, and a hash with a key that is drawn for each recording and stored nowhere: equal payloads can be
    /// seen to be equal within one recording, and no guess at a payload can be checked.
    Hashed,
    /// The payloads themselves, up to 64 KiB each.
    Whole,
}

impl RecordingOptions {
    /// The same options with payloads kept like this.
    #[must_use]
    pub const fn payloads(mut self, payloads: Payloads) -> Self {
        self.payloads = payloads;
        self
    }

    /// The same options with topics replaced, or not.
    #[must_use]
    pub const fn hide_topics(mut self, hide: bool) -> Self {
        self.hides_topics = hide;
        self
    }
}
