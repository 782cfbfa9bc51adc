//! Policies for trying again: after a connection ended, after a join was rejected, and after the server
//! closed a channel.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::{CloseCause, Escaped, Payload, PayloadDropped, Status, TlsCauseKind};

/// Decides whether to connect again after a connection ended that the client did not end itself.
///
/// The default reconnects whatever happened to a socket that has been open before, and after every close code.
/// For a socket that never was open, these ends are final, since another attempt would end the same way:
///
/// - HTTP statuses 3xx, and 4xx but for 408, 425 and 429;
/// - a server certificate that isn't trusted, is for another name, has expired or was revoked, or is broken; but not
///   one that isn't valid yet, since the clock here may be wrong for a while after a start;
/// - a request that can't be made.
#[derive(Clone, Default)]
pub struct ReconnectPolicy(Rule<ReconnectFn>);

/// The rule of a policy.
#[derive(Clone, Default)]
enum Rule<F> {
    #[default]
    Standard,
    Always,
    Never,
    Function(F),
}

/// The way in which a policy was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// `default()`.
    Standard,
    /// `always()`.
    Always,
    /// `never()`; of a [`ClosePolicy`] that is the default.
    Never,
    /// A function of the caller.
    Function,
}

impl<F> Rule<F> {
    fn kind(&self) -> PolicyKind {
        match self {
            Rule::Standard => PolicyKind::Standard,
            Rule::Always => PolicyKind::Always,
            Rule::Never => PolicyKind::Never,
            Rule::Function(_) => PolicyKind::Function,
        }
    }

    /// Shows the policy of this name as it is made.
    fn fmt(&self, policy: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made_by = match self {
            Rule::Standard => "default()",
            Rule::Always => "always()",
            Rule::Never => "never()",
            Rule::Function(_) => "function(..)",
        };
        write!(f, "{policy}::{made_by}")
    }
}

type ReconnectFn = Arc<dyn Fn(&CloseCause, bool) -> Reconnect + Send + Sync>;

/// The decision of a [`ReconnectPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// Connect again after the delay of the reconnect schedule, or after the server's `Retry-After`
    /// if that is longer.
    Backoff,
    /// Connect again after this delay.
    After(Duration),
    /// Stay closed until the user connects.
    Stop,
}

impl ReconnectPolicy {
    /// Reconnect whatever happened, as phoenix.js does (but older ones not after close code 1000).
    #[must_use]
    pub const fn always() -> Self {
        ReconnectPolicy(Rule::Always)
    }

    /// Never reconnect: the first end is final.
    #[must_use]
    pub const fn never() -> Self {
        ReconnectPolicy(Rule::Never)
    }

    /// A custom policy. The function gets the cause and whether this socket has ever been
    /// open since the user connected, and must be pure, or a session can't be replayed.
    ///
    /// # Examples
    ///
    /// Code 4001 of this application means that the account was closed:
    ///
    /// ```
    /// use phx_proto::{CloseCode, Reconnect, ReconnectPolicy};
    ///
    /// let policy = ReconnectPolicy::function(|cause, _was_open| {
    ///     if cause.code() == CloseCode::from_u16(4001) { Reconnect::Stop } else { Reconnect::Backoff }
    /// });
    /// ```
    pub fn function(
        decide: impl Fn(&CloseCause, bool) -> Reconnect + Send + Sync + 'static,
    ) -> Self {
        ReconnectPolicy(Rule::Function(Arc::new(decide)))
    }

    /// The way in which the policy was made.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.0.kind()
    }

    /// Decides what to do after `cause`; `was_open` is `true` if the socket has been open since the user
    /// connected (the field of this name in [`Event::Closed`](crate::Event::Closed) is about one connection).
    #[must_use]
    pub fn decide(&self, cause: &CloseCause, was_open: bool) -> Reconnect {
        match &self.0 {
            // After an open connection the same end is more often a deploy, or a proxy in trouble.
            Rule::Standard if !was_open && is_final(cause) => Reconnect::Stop,
            Rule::Standard | Rule::Always => Reconnect::Backoff,
            Rule::Never => Reconnect::Stop,
            Rule::Function(decide) => decide(cause, was_open),
        }
    }
}

/// Returns `true` if a first attempt that ended like this would end the same way again.
fn is_final(cause: &CloseCause) -> bool {
    match cause {
        CloseCause::UpgradeRejected(refusal) => match refusal.status {
            // Request Timeout, Too Early, Too Many Requests.
            408 | 425 | 429 => false,
            status => matches!(status, 300..=499),
        },
        CloseCause::Tls(failure) => match failure.kind {
            TlsCauseKind::UnknownIssuer
            | TlsCauseKind::WrongName
            | TlsCauseKind::Expired
            | TlsCauseKind::Revoked
            | TlsCauseKind::BadCertificate => true,
            // A wrong clock is set, servers without TLS are restarted, and a client certificate is known to be missing
            // or refused only once the connection is open (TLS 1.3).
            TlsCauseKind::NotYetValid
            | TlsCauseKind::ClientCertificateRequired
            | TlsCauseKind::ClientCertificateRefused
            | TlsCauseKind::Refused
            | TlsCauseKind::Protocol
            | TlsCauseKind::Ended
            | TlsCauseKind::Other => false,
        },
        CloseCause::InvalidRequest { .. } => true,
        // Close frames, I/O errors, timeouts and proxies: the next attempt may end in another way.
        _ => false,
    }
}

impl fmt::Debug for ReconnectPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("ReconnectPolicy", f)
    }
}

/// Decides whether to join again after the server rejected a join.
///
/// The default takes the rejection of a first join as final, unless the join
/// [crashed](Rejection::is_crash), and tries a rejected rejoin again with the rejoin schedule. Joins
/// that time out or lose their connection, and those of which the server says `phx_error`, are no
/// rejections: they are always tried again.
#[derive(Clone, Default)]
pub struct RejoinPolicy(Rule<RejoinFn>);

type RejoinFn = Arc<dyn Fn(&str, &Rejection) -> Rejoin + Send + Sync>;

/// The decision of a [`RejoinPolicy`] or a [`ClosePolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejoin {
    /// Join again after the delay of the rejoin schedule.
    Backoff,
    /// Join again after this delay.
    After(Duration),
    /// The channel is closed.
    Stop,
}

/// A join that the server answered with a status other than `ok`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The reply's status, usually `error`.
    pub status: Status,
    /// The reply's response, often `{"reason":"..."}`. A policy always gets it. An event doesn't if that is too much
    /// to keep, see [`Config::max_answer_bytes`](crate::Config::max_answer_bytes).
    pub response: Result<Payload, PayloadDropped>,
    /// `true` if this channel had been joined before.
    pub rejoin: bool,
}

impl Rejection {
    /// A rejection, for tests of a policy.
    #[must_use]
    pub fn new(status: Status, response: Payload, rejoin: bool) -> Self {
        Rejection { status, response: Ok(response), rejoin }
    }

    /// Returns `true` if the channel's `join` raised an error on the server: Phoenix answers with the
    /// status `error` and `{"reason":"join crashed"}` then. Such trouble may pass, a database that is
    /// away for one; it is no decision of the application.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        self.status == Status::Error && self.reason().is_some_and(|reason| reason == "join crashed")
    }

    /// The reason that the response [gives](Payload::reason).
    #[must_use]
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        self.response.as_ref().ok()?.reason()
    }
}

/// The status, and the reason if the server gave one.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server rejected the join with the status `{}`", self.status)?;
        Reason::of(&self.response).fmt(f)
    }
}

/// The reason that a payload gives, [`Escaped`] and after a colon; nothing if it gives none.
pub(crate) struct Reason<'a>(Option<Cow<'a, str>>);

impl<'a> Reason<'a> {
    pub(crate) fn of(payload: &'a Result<Payload, PayloadDropped>) -> Self {
        Reason(payload.as_ref().ok().and_then(Payload::reason))
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(reason) => write!(f, ": {}", Escaped::short(reason, Payload::MAX_SHOWN_REASON)),
            None => Ok(()),
        }
    }
}

impl RejoinPolicy {
    /// Try every rejected join again, as phoenix.js does.
    #[must_use]
    pub const fn always() -> Self {
        RejoinPolicy(Rule::Always)
    }

    /// Every rejection is final, that of a crashed join included.
    #[must_use]
    pub const fn never() -> Self {
        RejoinPolicy(Rule::Never)
    }

    /// A custom policy. The function must be pure, or a session can't be replayed.
    ///
    /// # Examples
    ///
    /// A full room is worth another try, in its own time, and a crash is; everything else is final:
    ///
    /// ```
    /// use core::time::Duration;
    /// use phx_proto::{Rejoin, RejoinPolicy};
    ///
    /// let policy = RejoinPolicy::function(|rejection| match rejection.reason().as_deref() {
    ///     Some("full") => Rejoin::After(Duration::from_secs(60)),
    ///     _ if rejection.is_crash() => Rejoin::Backoff,
    ///     _ => Rejoin::Stop,
    /// });
    /// ```
    pub fn function(decide: impl Fn(&Rejection) -> Rejoin + Send + Sync + 'static) -> Self {
        RejoinPolicy::by_topic(move |_, rejection| decide(rejection))
    }

    /// A custom policy that decides by the channel's topic too. It must be pure, as that of
    /// [`function`](Self::function).
    pub fn by_topic(decide: impl Fn(&str, &Rejection) -> Rejoin + Send + Sync + 'static) -> Self {
        RejoinPolicy(Rule::Function(Arc::new(decide)))
    }

    /// The way in which the policy was made.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.0.kind()
    }

    /// Decides what to do after `rejection` of a join of `topic`.
    #[must_use]
    pub fn decide(&self, topic: &str, rejection: &Rejection) -> Rejoin {
        match &self.0 {
            // A rejoin was accepted once, and a crash is no decision: both may pass.
            Rule::Standard if rejection.rejoin || rejection.is_crash() => Rejoin::Backoff,
            Rule::Always => Rejoin::Backoff,
            Rule::Standard | Rule::Never => Rejoin::Stop,
            Rule::Function(decide) => decide(topic, rejection),
        }
    }
}

impl fmt::Debug for RejoinPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("RejoinPolicy", f)
    }
}

/// Decides whether to join again after the server closed a channel (`phx_close`): its process stopped, as it
/// does when a token has expired or a room is over.
///
/// The default takes that as the end, as phoenix.js does. A channel that is joined again by a policy
/// isn't closed: it is errored, its pushes in flight end with
/// [`Outcome::ChannelClosed`](crate::Outcome::ChannelClosed), those that weren't sent wait for the
/// rejoin, and what the server sent in between is lost.
#[derive(Clone, Default)]
pub struct ClosePolicy(Rule<CloseFn>);

type CloseFn = Arc<dyn Fn(&str, &Payload) -> Rejoin + Send + Sync>;

impl ClosePolicy {
    /// Join again whatever the server said, after the delay of the rejoin schedule.
    #[must_use]
    pub const fn always() -> Self {
        ClosePolicy(Rule::Always)
    }

    /// Every close is final: the default.
    #[must_use]
    pub const fn never() -> Self {
        ClosePolicy(Rule::Standard)
    }

    /// A policy that decides by the payload of `phx_close`. The function must be pure, or a session
    /// can't be replayed.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::{ClosePolicy, Rejoin};
    ///
    /// let policy = ClosePolicy::function(|payload| match payload.reason().as_deref() {
    ///     Some("over") => Rejoin::Stop,
    ///     _ => Rejoin::Backoff,
    /// });
    /// ```
    pub fn function(decide: impl Fn(&Payload) -> Rejoin + Send + Sync + 'static) -> Self {
        ClosePolicy::by_topic(move |_, payload| decide(payload))
    }

    /// A custom policy that decides by the channel's topic too. It must be pure, as that of
    /// [`function`](Self::function): it may depend on what the server sent to the channel before.
    pub fn by_topic(decide: impl Fn(&str, &Payload) -> Rejoin + Send + Sync + 'static) -> Self {
        ClosePolicy(Rule::Function(Arc::new(decide)))
    }

    /// The way in which the policy was made.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.0.kind()
    }

    /// Decides what to do after a `phx_close` of `topic` with this payload.
    #[must_use]
    pub fn decide(&self, topic: &str, payload: &Payload) -> Rejoin {
        match &self.0 {
            // phoenix.js takes `phx_close` as the end as well.
            Rule::Standard | Rule::Never => Rejoin::Stop,
            Rule::Always => Rejoin::Backoff,
            Rule::Function(decide) => decide(topic, payload),
        }
    }
}

impl fmt::Debug for ClosePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("ClosePolicy", f)
    }
}
