//! Broadcasts by HTTP.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use phx_client::{EncodeError, HttpClient, HttpRequest, Payload, Runtime, Socket};

use crate::error::ServerError;
use crate::send::SendError;
use crate::token::TokenSource;

/// Largest body of an answer, in bytes: the server's answers have a line at most.
const MAX_ANSWER: usize = 16 << 10;

/// A project's HTTP API for broadcasts. `Debug` shows no key.
pub(crate) struct Api {
    url: String,
    key: String,
    client: HttpClient,
    runtime: Arc<dyn Runtime>,
}

impl Api {
    /// The API of the project with this socket.
    pub(crate) fn new(socket: &Socket, client: HttpClient) -> Self {
        let request = socket.endpoint().request("");
        let key = request.url().query_pairs().find(|(name, _)| name == "apikey");
        let key = key.map(|(_, key)| key.into_owned()).unwrap_or_default();
        let mut url = request.url().clone();
        url.set_query(None);
        // Such as `wss://HOST/realtime/v1/websocket`.
        let url = url.as_str().trim_start_matches("ws").trim_end_matches("/websocket");
        let url = format!("http{url}/api/broadcast");
        let client = client.with_max_body(MAX_ANSWER);
        Api { url, key, client, runtime: socket.runtime() }
    }
}

/// Posts a broadcast to the channel and the event with these names.
pub(crate) async fn post(
    api: Option<&Api>,
    names: [&str; 2],
    is_private: bool,
    payload: Payload,
    token: TokenSource,
) -> Result<(), SendError> {
    // Such names would make another path.
    let Some(api) = api.filter(|_| !names.iter().any(|it| ["", ".", ".."].contains(it))) else {
        let text = "a URL can't carry an empty name, `.` or `..`".to_owned();
        return Err(SendError::Encode(EncodeError::Custom(text)));
    };
    let [name, event] = names.map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
    let private = if is_private { "?private=true" } else { "" };
    let url = format!("{}/{name}/events/{event}{private}", api.url);
    let kind = if payload.is_binary() { "octet-stream" } else { "json" };
    let token = token.get_in_time(&*api.runtime).await.map_err(SendError::Token)?;
    let answer = async {
        let request = HttpRequest::post(&url, payload.as_bytes().clone())?
            .with_header("content-type", &format!("application/{kind}"))?
            .with_header("apikey", &api.key)?;
        let request = match token {
            Some(token) => request.with_header("authorization", &format!("Bearer {token}"))?,
            None => request,
        };
        api.client.send(request).await
    };
    let answer = answer.await.map_err(SendError::Http)?;
    let error = || ServerError::of_response(&Payload::from_unchecked_json(answer.body.clone()));
    match answer.status {
        200..300 => Ok(()),
        status => Err(SendError::Refused { status, error: error() }),
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("url", &self.url).finish_non_exhaustive()
    }
}
