//! The HTTP API for broadcasts: `POST /realtime/v1/api/broadcast` and `.../TOPIC/events/EVENT`.

use percent_encoding::percent_decode_str;
use phx_client::{Instant, Message, Payload};
use phx_testing::{HttpAnswer, HttpRequest};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::{JoinRequest, RealtimeServer};
use crate::Broadcast;
use crate::wire::{BROADCAST, USER_BROADCAST};

/// Path of the API.
pub(super) const PATH: &str = "/realtime/v1/api/broadcast";

const UNAUTHORIZED: (u16, &str) = (401, "Unauthorized");
const NOT_FOUND: (u16, &str) = (404, "not found");

#[derive(Deserialize)]
struct Batch {
    messages: Vec<Posted>,
}

#[derive(Deserialize)]
struct Posted {
    topic: String,
    event: String,
    payload: Map<String, Value>,
    #[serde(default)]
    private: bool,
    id: Option<String>,
}

/// Answers a request; the messages are to be broadcast.
pub(super) fn answer(
    settings: &RealtimeServer,
    now: Instant,
    request: &HttpRequest,
) -> (HttpAnswer, Vec<Message>) {
    let (status, message) = match broadcasts(settings, now, request) {
        Ok(messages) => return (HttpAnswer::new(202, ""), messages),
        Err(error) => error,
    };
    let answer = HttpAnswer::new(status, json!({ "message": message }).to_string());
    (answer.with_header("content-type", "application/json; charset=utf-8"), Vec::new())
}

fn broadcasts(
    settings: &RealtimeServer,
    now: Instant,
    request: &HttpRequest,
) -> Result<Vec<Message>, (u16, &'static str)> {
    let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
    let token = bearer.map(|(_, token)| token);
    let sent = token.or(request.header("apikey")).unwrap_or_default();
    let is_token = || token.is_some_and(|token| (settings.tokens)(token, now).error().is_none());
    match (settings.keys)(sent).error().is_none() || is_token() {
        false => return Err(UNAUTHORIZED),
        true if request.method() != "POST" => return Err(NOT_FOUND),
        true => {}
    }
    let body = request.body().clone();
    let Some(rest) = request.path().strip_prefix(PATH).filter(|rest| !rest.is_empty()) else {
        let batch: Batch = serde_json::from_slice(&body).map_err(|_| (422, "invalid messages"))?;
        let message = |it: &Posted| {
            let to = JoinRequest::new(&it.topic, it.private, sent);
            let is_allowed = settings.allows_writes(&to);
            is_allowed.then(|| Message::new(to.server_topic(), BROADCAST, text(it)))
        };
        return Ok(batch.messages.iter().filter_map(message).collect());
    };
    let (channel, event) = names(rest).ok_or(NOT_FOUND)?;
    let kind = request.header("content-type").unwrap_or("application/json");
    let body = match kind.split(';').next().unwrap_or_default() {
        "application/json" => Payload::from_json_text(body).map_err(|_| (400, "not JSON"))?,
        "application/octet-stream" => Payload::binary(body),
        _ => return Err((415, "Unsupported Media Type")),
    };
    let is_private = request.params().get("private").is_some_and(|private| private == "true");
    let to = JoinRequest::new(&channel, is_private, sent);
    if !settings.allows_writes(&to) {
        return Err(UNAUTHORIZED);
    }
    let payload = Broadcast::new(event, body).to_payload().map_err(|_| (422, "invalid event"))?;
    Ok(vec![Message::new(to.server_topic(), USER_BROADCAST, payload)])
}

/// The payload of a text frame: the batch's broadcasts come as such.
fn text(posted: &Posted) -> Payload {
    let payload = Payload::json(&posted.payload).unwrap_or_default();
    let mut broadcast = Broadcast::new(&*posted.event, payload);
    broadcast.meta = posted.id.as_ref().and_then(|id| Payload::json(&json!({ "id": id })).ok());
    broadcast.to_text().unwrap_or_default()
}

/// The decoded names in `/TOPIC/events/EVENT`.
fn names(path: &str) -> Option<(String, String)> {
    let (channel, event) = path.strip_prefix('/')?.split_once("/events/")?;
    let decoded = |name| percent_decode_str(name).decode_utf8().ok().map(String::from);
    Some((decoded(channel)?, decoded(event)?))
}
