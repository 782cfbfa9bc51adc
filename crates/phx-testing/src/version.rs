//! Phoenix releases that a server can imitate.

/// Phoenix release, for the behaviour of a [`Server`](crate::Server) where releases differ.
///
/// | | since | before |
/// |---|---|---|
/// | a socket with [`auth_token`](crate::ServerBuilder::auth_token) takes tokens and answers `phoenix` | 1.8.0 | subprotocols are ignored |
/// | a push with another `join_ref` than the channel's is dropped | 1.8.3 | it is handled |
/// | [`disconnect`](crate::Server::disconnect) closes with 1001 | 1.8.8 | 1000 |
/// | a connection may have joined 100 channels | 1.8.9 | any number |
/// | `phx_error` has the payload `{"reason":"channel_crash"}` | 1.8.10 | `{}` |
/// | the header `x-phoenix-longpoll-token` names a long-poll session | 1.8.10 | only the query parameter does |
/// | a push whose `join_ref` is null is handled | 1.8.12 | dropped since 1.8.3 |
///
/// 1.7.24, 1.8.12 and 1.9-dev were run; for rules that changed in between, the sources show the release.
///
/// # Examples
///
/// ```
/// use phx_testing::{PhoenixVersion, demo_server};
///
/// let server = demo_server().version(PhoenixVersion::new(1, 7, 24)).build();
/// # drop(server);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhoenixVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl PhoenixVersion {
    /// Creates the release of these numbers. 1.9-dev is `new(1, 9, 0)`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        PhoenixVersion { major, minor, patch }
    }

    pub(crate) fn takes_auth_tokens(self) -> bool {
        self >= PhoenixVersion::new(1, 8, 0)
    }

    pub(crate) fn drops_stale_pushes(self) -> bool {
        self >= PhoenixVersion::new(1, 8, 3)
    }

    pub(crate) fn drops_pushes_without_join_ref(self) -> bool {
        self.drops_stale_pushes() && self < PhoenixVersion::new(1, 8, 12)
    }

    pub(crate) fn disconnects_as_going_away(self) -> bool {
        self >= PhoenixVersion::new(1, 8, 8)
    }

    /// Returns the default limit of channels that a connection may have joined.
    pub(crate) fn max_channels(self) -> usize {
        if self >= PhoenixVersion::new(1, 8, 9) { 100 } else { usize::MAX }
    }

    pub(crate) fn reads_session_headers(self) -> bool {
        self >= PhoenixVersion::new(1, 8, 10)
    }

    pub(crate) fn says_why_channels_crash(self) -> bool {
        self >= PhoenixVersion::new(1, 8, 10)
    }
}

/// 1.8.12, the release of the recordings.
impl Default for PhoenixVersion {
    fn default() -> Self {
        PhoenixVersion::new(1, 8, 12)
    }
}
