//! The channel that serves every topic `realtime:NAME`.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use phx_client::{ByteString, Instant, Payload, Status};
use phx_testing::{Channel, Context, Handled};
use serde_json::{Map, Value, json};

use super::command::Command;
use super::postgres::Bindings;
use super::settings::{JoinRequest, RealtimeServer, StoredBroadcast, TOPIC, Token};
use crate::Broadcast;
use crate::wire::{BROADCAST, USER_BROADCAST};

/// Most rows that a join replays.
const MAX_REPLAYED: u64 = 25;

/// Time that a subscription to changes of rows takes; Supabase's takes longer.
const SUBSCRIBE_DELAY: Duration = Duration::from_millis(100);

pub(super) struct Realtime {
    settings: Arc<RealtimeServer>,
    request: JoinRequest,
    /// Increases with each token: a check that waits for an older one does nothing.
    tokens: u32,
    /// The join's `config`.
    config: Value,
    presence_key: String,
    tracked: Option<Value>,
    bindings: Bindings,
    /// Calls of presence in the present window, and its end.
    presence_calls: (u32, Instant),
}

/// What a channel sends itself.
enum Later {
    SyncPresence,
    Subscribed,
    Replay(Vec<StoredBroadcast>),
    CheckToken(u32),
}

impl Realtime {
    pub(super) fn new(settings: Arc<RealtimeServer>) -> Self {
        Realtime {
            settings,
            request: JoinRequest::new("", false, ""),
            tokens: 0,
            config: Value::Null,
            presence_key: String::new(),
            tracked: None,
            bindings: Bindings::default(),
            presence_calls: (0, Instant::EPOCH),
        }
    }

    fn try_join(&mut self, ctx: &mut Context<'_>, params: &Value) -> Result<Value, String> {
        let channel = ctx.topic().strip_prefix(TOPIC).unwrap_or_default().to_owned();
        if channel.is_empty() {
            return Err("TopicNameRequired: You must provide a topic name".to_owned());
        }
        let config = &params["config"];
        let key = ctx.connect_info().param("apikey").unwrap_or_default();
        let sent = params["access_token"].as_str().filter(|token| !token.starts_with("sb_"));
        self.request = JoinRequest::new(&channel, flag(&config["private"]), sent.unwrap_or(key));
        (self.settings.joins)(&self.request)?;
        self.authorize(ctx).map_err(|(code, text)| format!("{code}: {text}"))?;
        let replayed = self.replayed(&config["broadcast"]["replay"])?;
        let key = config["presence"]["key"].as_str().filter(|key| !key.is_empty());
        // Supabase makes a UUID.
        self.presence_key = key.map_or_else(|| format!("{:?}", ctx.socket()), str::to_owned);
        self.bindings = Bindings::of(config);
        ctx.send(Later::Replay(replayed));
        if flag(&config["presence"]["enabled"]) {
            ctx.send(Later::SyncPresence);
        }
        if !self.bindings.is_empty() {
            ctx.send_after(SUBSCRIBE_DELAY, Later::Subscribed);
        }
        if let Some((delay, command)) = (self.settings.after_join)(&self.request) {
            ctx.send_after(delay, command);
        }
        self.config = config.clone();
        Ok(self.bindings.response())
    }

    /// Checks the present token and its rights, and sets the time of the next check.
    fn authorize(&mut self, ctx: &mut Context<'_>) -> Result<(), (&'static str, String)> {
        let token = (self.settings.tokens)(&self.request.token, ctx.now());
        self.tokens = self.tokens.wrapping_add(1);
        if let Token::Valid { recheck_after: Some(delay) } = token {
            ctx.send_after(delay, Later::CheckToken(self.tokens));
        }
        if let Some(error) = token.error() {
            return Err(error);
        }
        if self.request.private && !(self.settings.permissions)(&self.request).read {
            let topic = &self.request.channel;
            let text =
                format!("You do not have permissions to read from this Channel topic: {topic}");
            return Err(("Unauthorized", text));
        }
        Ok(())
    }

    /// The stored broadcasts that the join asks for, the oldest first.
    fn replayed(&self, replay: &Value) -> Result<Vec<StoredBroadcast>, String> {
        let error = |text: &str| Err(format!("UnableToReplayMessages: {text}"));
        if replay.is_null() {
            return Ok(Vec::new());
        }
        if !self.request.private {
            return error("Replay is not allowed for public channels");
        }
        let limit = replay.get("limit").map_or(Some(MAX_REPLAYED), Value::as_u64);
        let (Some(since), Some(limit)) = (replay["since"].as_u64(), limit) else {
            return error("Replay params are not valid");
        };
        let is_wanted = |row: &&StoredBroadcast| {
            row.channel == self.request.channel && row.inserted_at >= since
        };
        let rows = self.settings.stored.iter().filter(is_wanted);
        let mut rows: Vec<StoredBroadcast> = rows.cloned().collect();
        rows.sort_by_key(|row| row.inserted_at);
        let limit = usize::try_from(limit.clamp(1, MAX_REPLAYED)).unwrap_or(usize::MAX);
        rows.drain(..rows.len().saturating_sub(limit));
        Ok(rows)
    }

    fn broadcast(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        if !payload.is_binary() && payload.decode::<Map<String, Value>>().is_err() {
            return Handled::Crash;
        }
        let len = Broadcast::read(&payload).map_or(payload.len(), |it| it.payload.len());
        if !self.settings.allows_writes(&self.request) {
            return Handled::NoReply;
        }
        let reply = match len > self.settings.max_payload {
            true => Handled::error("payload_size_exceeded"),
            false => {
                match flag(&self.config["broadcast"]["self"]) {
                    true => ctx.broadcast(event, payload),
                    false => ctx.broadcast_from(event, payload),
                }
                ok()
            }
        };
        if flag(&self.config["broadcast"]["ack"]) { reply } else { Handled::NoReply }
    }

    fn presence(&mut self, ctx: &mut Context<'_>, payload: &Value) -> Handled {
        let Some(event) = payload["event"].as_str() else {
            return ok();
        };
        let (max, window) = self.settings.presence_calls;
        if ctx.now() > self.presence_calls.1 {
            self.presence_calls = (0, ctx.now() + window);
        }
        self.presence_calls.0 = self.presence_calls.0.saturating_add(1);
        if self.presence_calls.0 > max {
            return self.shutdown(ctx, "Client presence rate limit exceeded");
        }
        match event.to_ascii_lowercase().as_str() {
            "track" if self.settings.allows_writes(&self.request) => self.track(ctx, payload),
            "untrack" => {
                // To untrack what isn't tracked is no error.
                let _ = ctx.untrack(&self.presence_key);
                self.tracked = None;
                ok()
            }
            _ => Handled::error(&json!({})),
        }
    }

    fn track(&mut self, ctx: &mut Context<'_>, payload: &Value) -> Handled {
        let meta = payload.get("payload").cloned().unwrap_or_else(|| json!({}));
        if !meta.is_object() {
            return Handled::error(&json!({ "reason": "Presence track payload must be a map" }));
        }
        if self.tracked.as_ref() == Some(&meta) {
            return ok();
        }
        if meta.to_string().len() > self.settings.max_payload {
            return self.shutdown(ctx, "Track message size exceeded");
        }
        let tracked = match &self.tracked {
            Some(_) => ctx.update(&self.presence_key, meta.clone()),
            None => ctx.track(&self.presence_key, meta.clone()),
        };
        if tracked.is_err() {
            return Handled::error(&json!({}));
        }
        self.tracked = Some(meta);
        ok()
    }

    fn new_token(&mut self, ctx: &mut Context<'_>, payload: &Value) -> Handled {
        let token = payload["access_token"].as_str().filter(|token| !token.starts_with("sb_"));
        let Some(token) = token.filter(|token| *token != self.request.token) else {
            return Handled::NoReply;
        };
        token.clone_into(&mut self.request.token);
        if let Err((_, text)) = self.authorize(ctx) {
            return self.shutdown(ctx, &text);
        }
        if !self.bindings.is_empty() {
            ctx.send_after(SUBSCRIBE_DELAY, Later::Subscribed);
        }
        Handled::NoReply
    }

    fn later(&mut self, ctx: &mut Context<'_>, later: Later) -> Handled {
        match later {
            Later::SyncPresence => {
                let state = ctx.list();
                ctx.push("presence_state", &state);
            }
            Later::Subscribed => {
                let (status, text) = self.bindings.subscribed();
                self.system(ctx, "postgres_changes", status, &text);
            }
            Later::Replay(rows) => {
                for row in rows {
                    let meta = Payload::json(&json!({ "id": row.id, "replayed": true }));
                    let broadcast = row.broadcast.with_meta(meta.unwrap_or_default());
                    // V1 can't say bytes, and goes without.
                    let is_v1 = ctx.connect_info().serializer().vsn() == "1.0.0";
                    match (broadcast.to_text(), broadcast.to_payload()) {
                        (Some(text), _) => ctx.push(BROADCAST, text),
                        (None, Ok(payload)) if !is_v1 => ctx.push(USER_BROADCAST, payload),
                        (None, _) => {}
                    }
                }
            }
            Later::CheckToken(number) => {
                if number == self.tokens
                    && let Err((_, text)) = self.authorize(ctx)
                {
                    return self.shutdown(ctx, &text);
                }
            }
        }
        Handled::NoReply
    }

    fn command(&mut self, ctx: &mut Context<'_>, command: Command) -> Handled {
        match command {
            Command::Change(change) => {
                if let Some(payload) = self.bindings.payload(&change) {
                    let topic = ctx.topic().clone();
                    ctx.push_on(topic, "postgres_changes", &payload);
                }
            }
            Command::System { extension, status, message } => {
                self.system(ctx, &extension, &status, &message);
            }
            Command::Shutdown(message) => return self.shutdown(ctx, &message),
            Command::Crash => return Handled::Crash,
        }
        Handled::NoReply
    }

    fn system(&self, ctx: &mut Context<'_>, extension: &str, status: &str, message: &str) {
        let system = json!({
            "extension": extension, "status": status, "message": message,
            "channel": self.request.channel,
        });
        ctx.push("system", &system);
    }

    fn shutdown(&self, ctx: &mut Context<'_>, message: &str) -> Handled {
        self.system(ctx, "system", "error", message);
        Handled::Stop
    }
}

impl Channel for Realtime {
    fn server_topic(&self, topic: &ByteString, params: &Payload) -> Option<ByteString> {
        let params: Value = params.decode().ok()?;
        let channel = topic.strip_prefix(TOPIC)?;
        let request = JoinRequest::new(channel, flag(&params["config"]["private"]), "");
        Some(request.server_topic().into())
    }

    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: Value = params.decode().unwrap_or_default();
        let answer = |value: Value| Payload::json(&value).unwrap_or_default();
        self.try_join(ctx, &params).map(answer).map_err(|reason| {
            ctx.sleep(self.settings.error_delay);
            answer(json!({ "reason": reason }))
        })
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let is_broadcast = BROADCAST == event || (USER_BROADCAST == event && payload.is_binary());
        match event {
            _ if is_broadcast => self.broadcast(ctx, event, payload),
            "presence" => self.presence(ctx, &payload.decode().unwrap_or_default()),
            "access_token" => self.new_token(ctx, &payload.decode().unwrap_or_default()),
            // It is logged, and has no answer.
            _ => Handled::NoReply,
        }
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        let command = match message.downcast::<Later>() {
            Ok(later) => return self.later(ctx, *later),
            Err(message) => message.downcast::<Command>(),
        };
        command.map_or(Handled::NoReply, |command| self.command(ctx, *command))
    }
}

fn ok() -> Handled {
    Handled::Reply(Status::Ok, Payload::empty())
}

/// Supabase takes the texts `true` and `false` for the values, too.
fn flag(value: &Value) -> bool {
    value == true || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
