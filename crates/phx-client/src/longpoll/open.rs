//! From an attempt to an open session.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use phx_proto::longpoll::{Session, TokenPlace};
use phx_proto::{CloseCause, LongPollCause};

use super::LongPollConfig;
use super::lane::Opener;
use super::requests::Requests;
use super::transport::LongPollTransport;
use crate::connector::{Attempt, Transport};
use crate::dial::{self, Dialer, Untyped};
use crate::http::{Connection, Limits, host_and_port};
use crate::runtime::Clock;
use crate::websocket::WebSocketConfig;

/// What a connector keeps for its sessions.
#[derive(Debug, Default)]
pub(crate) struct LongPoll {
    pub(crate) config: LongPollConfig,
    /// Where the last server read the token of a session. Each session would have to find out otherwise, and leave a
    /// stray one on servers before Phoenix 1.8.10.
    place: Mutex<(String, TokenPlace)>,
}

impl LongPoll {
    pub(crate) fn new(config: LongPollConfig) -> Self {
        LongPoll { config, place: Mutex::default() }
    }

    fn place(&self, host: &str) -> TokenPlace {
        let known = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 == host { known.1 } else { TokenPlace::Unknown }
    }

    fn note_place(&self, host: String, place: TokenPlace) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = (host, place);
    }
}

/// Opens a session over the streams of a dialer.
pub(crate) async fn open<D: Dialer>(
    dialer: Arc<D>,
    attempt: Attempt,
    config: Arc<WebSocketConfig>,
    long_poll: Arc<LongPoll>,
) -> Result<Pin<Box<dyn Transport>>, CloseCause> {
    let request = attempt.request.clone();
    let clock = Clock::new(Arc::clone(&attempt.runtime));
    let host = host_and_port(&request);
    let limits = Limits {
        max_body: long_poll.config.max_answer_size,
        too_long: |max| CloseCause::LongPoll(LongPollCause::answer_too_large(max)),
        max_refusal_body: config.max_refusal_body,
        refusal_timeout: config.refusal_timeout,
        runtime: Arc::clone(&attempt.runtime),
    };
    let opening_timeout = long_poll.config.answer_timeout;
    let session = long_poll.config.session(config.max_refusal_body);
    let session = Session::new(&request, session, long_poll.place(&host));
    let attempt = Arc::new(attempt);
    let opener: Opener = Box::new(move || {
        let (dialer, attempt) = (Arc::clone(&dialer), Arc::clone(&attempt));
        let config = Arc::clone(&config);
        Box::pin(async move {
            let (turn, stream) = dial::open(&dialer, &attempt, &config, Untyped).await?;
            Ok(Connection::new(turn, stream))
        })
    });
    let at_end =
        Box::new(move |session: &Session| long_poll.note_place(host, session.token_place()));
    let requests = Requests::new(&request);
    let transport =
        LongPollTransport::open(session, requests, opener, limits, opening_timeout, clock, at_end);
    Ok(Box::pin(transport.await?))
}
