//! The recordings of long-poll, and how far each is replayed on the client's side. On the server's side each is
//! replayed whole.

use phx_proto::longpoll::TokenPlace::{self, Header, Query};

use Coverage::{NotApplicable, Replayed};

/// A recording of long-poll.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// Name of the recording.
    pub file: &'static str,
    /// Replay with the core's session in the place of the recorded client.
    pub client: Coverage,
}

/// Replay of a recording on one side.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a recording is replayed or not")]
pub enum Coverage {
    /// Where the recorded client has the token; the POSTs that the session makes in another way, by the numbers of
    /// the requests, and why.
    Replayed(TokenPlace, &'static [(u32, &'static str)]),
    /// The reason why it isn't replayed.
    NotApplicable(&'static str),
}

const BROKEN: &str = "a body that kills the session or loses lines";

/// Every recording of long-poll.
pub const LONG_POLL: [Row; 15] = [
    Row { file: "longpoll_auth_token", client: Replayed(Header, &[]) },
    Row {
        file: "longpoll_batch_over_100",
        client: Replayed(
            Header,
            &[(4, "130 lines, of which the server drops 30: the session makes two POSTs")],
        ),
    },
    Row { file: "longpoll_binary", client: Replayed(Header, &[]) },
    Row { file: "longpoll_gzip", client: Replayed(Header, &[]) },
    Row { file: "longpoll_js_binary", client: Replayed(Query, &[]) },
    Row { file: "longpoll_js_disconnect_broadcast", client: Replayed(Query, &[]) },
    Row { file: "longpoll_js_drop_transport", client: Replayed(Query, &[]) },
    Row { file: "longpoll_js_rejected", client: Replayed(Query, &[]) },
    Row { file: "longpoll_js_session", client: Replayed(Query, &[]) },
    Row {
        file: "longpoll_malformed",
        client: Replayed(
            Header,
            &[(5, BROKEN), (8, BROKEN), (11, BROKEN), (14, BROKEN), (20, BROKEN)],
        ),
    },
    Row { file: "longpoll_no_content", client: Replayed(Header, &[]) },
    Row {
        file: "longpoll_other_methods",
        client: NotApplicable("OPTIONS, PUT, HEAD and DELETE: no client of long-poll makes them"),
    },
    Row { file: "longpoll_raw_session", client: Replayed(Header, &[]) },
    Row { file: "longpoll_rejected", client: Replayed(Header, &[]) },
    Row {
        file: "longpoll_vsn1",
        client: Replayed(Header, &[(4, "a V1 message as a line: the session sends it alone")]),
    },
];
