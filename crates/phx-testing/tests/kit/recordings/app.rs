//! The application of the recordings, as described in transcripts/README.md.

use std::any::Any;
use std::time::Duration;

use phx_proto::{Payload, Status, TransportKind};
use phx_testing::{
    Channel, ConnectInfo, Context, Handled, Server, ServerBuilder, SocketRef, UpgradeRejection,
};
use serde_json::{Map, Value, json};

pub(crate) fn server(path: &str, idle_timeout: Duration) -> Server {
    builder(path).idle_timeout(Some(idle_timeout)).build()
}

pub(crate) fn builder(path: &str) -> ServerBuilder {
    Server::builder()
        .path(path)
        .auth_token(true)
        .connect(connect)
        .channel("room:*", || Room)
        .channel("presence:*", PresenceRoom::default)
        .channel("exact", || Room)
}

fn connect(info: &ConnectInfo) -> Result<Option<String>, UpgradeRejection> {
    let token = info.auth_token().or(info.param("token")).unwrap_or_default();
    match token {
        "bad" | "bad_reason" => Err(UpgradeRejection::new(403)),
        "boom" => Err(UpgradeRejection::new(500)
            .with_header("content-type", "application/json; charset=utf-8")
            .with_body(r#"{"errors":{"detail":"500.json"}}"#)),
        _ => Ok(info.param("user_id").map(|id| format!("user_socket:{id}"))),
    }
}

struct Room;

enum RoomInfo {
    AfterJoin(u64),
    Async(SocketRef, Payload),
}

impl Channel for Room {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: Value = params.decode().unwrap_or_default();
        if params["reject"] == true {
            return Err(json(&json!({ "reason": "unauthorized" })));
        }
        if params["crash"] == true {
            ctx.crash();
        }
        ctx.sleep(milliseconds(&params["slow"]));
        if let Some(n) = params["push_after_join"].as_u64() {
            ctx.send(RoomInfo::AfterJoin(n));
        }
        if params["empty"] == true {
            return Ok(Payload::empty());
        }
        Ok(json(&json!({ "you": &**ctx.topic(), "params": params })))
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let args: Value = payload.decode().unwrap_or_default();
        match event {
            "echo" | "echo_bin" => return Handled::Reply(Status::Ok, payload),
            "fail" | "fail_bin" => return Handled::Reply(Status::Error, payload),
            "ok_bare" => return Handled::ok(&json!({})),
            "error_bare" => return Handled::error(&json!({})),
            "custom_status" => return Handled::Reply(Status::Other("weird".into()), payload),
            "shout" | "shout_bin" => ctx.broadcast(event, payload),
            "shout_from" => ctx.broadcast_from("shout", payload),
            "shout_reply" => {
                ctx.broadcast("shout", payload.clone());
                return Handled::Reply(Status::Ok, payload);
            }
            "push_me" => ctx.push("pushed", payload),
            "push_bin" => ctx.push("pushed_bin", payload),
            "bin_please" => {
                let bytes: Vec<u8> =
                    (0..args["n"].as_u64().unwrap_or(0)).map(|i| i as u8).collect();
                return Handled::Reply(Status::Ok, Payload::binary(bytes));
            }
            "silent" => {}
            "slow" => {
                ctx.sleep(milliseconds(&args["ms"]));
                return Handled::Reply(Status::Ok, payload);
            }
            "async" => {
                let later = RoomInfo::Async(ctx.socket_ref(), payload);
                ctx.send_after(milliseconds(&args["ms"]), later);
            }
            "double" => {
                let to = ctx.socket_ref();
                ctx.reply(&to, Status::Ok, payload.clone());
                return Handled::Reply(Status::Ok, payload);
            }
            "stop" | "stop_shutdown" => return Handled::Stop,
            "stop_reply" => return Handled::StopReply(Status::Ok, payload),
            "drop_transport" => ctx.kill_transport(),
            "disconnect_socket" => {
                if let Some(id) = ctx.id().map(str::to_owned) {
                    ctx.disconnect(id);
                }
            }
            "drain" => ctx.drain(),
            "flood_reply" => {
                flood(ctx, &args);
                return Handled::ok(&json!({ "n": args["n"] }));
            }
            "flood" => flood(ctx, &args),
            "whoami" => return Handled::ok(&whoami(ctx)),
            _ => return Handled::Crash,
        }
        Handled::NoReply
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        match message.downcast().map(|info| *info) {
            Ok(RoomInfo::AfterJoin(n)) => {
                for i in 0..n {
                    ctx.push("after_join", json(&json!({ "i": i })));
                }
            }
            Ok(RoomInfo::Async(to, payload)) => ctx.reply(&to, Status::Ok, payload),
            Err(_) => return Handled::Crash,
        }
        Handled::NoReply
    }
}

fn flood(ctx: &mut Context<'_>, args: &Value) {
    let pad = "x".repeat(args["size"].as_u64().unwrap_or(0) as usize);
    for i in 0..args["n"].as_u64().unwrap_or(0) {
        ctx.push("flood", json(&json!({ "i": i, "pad": pad })));
    }
}

fn whoami(ctx: &Context<'_>) -> Value {
    let info = ctx.connect_info();
    json!({
        "auth_token": info.auth_token(),
        "id": ctx.id(),
        "join_ref": ctx.join_ref().map(ToString::to_string),
        "ref": ctx.reference().map(ToString::to_string),
        "params": info.params(),
        "serializer": match info.serializer().vsn() {
            "1.0.0" => "Phoenix.Socket.V1.JSONSerializer",
            _ => "Phoenix.Socket.V2.JSONSerializer",
        },
        "transport": match info.transport() {
            TransportKind::LongPoll => "longpoll",
            _ => "websocket",
        },
        "x_headers": Map::from_iter(
            info.x_headers().iter().map(|(name, value)| (name.clone(), Value::from(&**value))),
        ),
    })
}

#[derive(Default)]
struct PresenceRoom {
    name: String,
}

struct AfterJoin {
    device: Value,
}

impl Channel for PresenceRoom {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: Value = params.decode().unwrap_or_default();
        self.name = params["name"].as_str().unwrap_or("anonymous").to_owned();
        ctx.send(AfterJoin { device: device(&params) });
        Ok(Payload::empty())
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let args: Value = payload.decode().unwrap_or_default();
        let name = args["name"].as_str().unwrap_or(&self.name);
        let online_at = ctx.now().since_epoch().as_secs();
        let tracked = match event {
            "update" => {
                let mut meta = json!({ "online_at": online_at });
                for (key, value) in args.as_object().into_iter().flatten() {
                    meta[key] = value.clone();
                }
                ctx.update(name, meta).map(|_| json!({}))
            }
            "track" => {
                let meta = json!({ "device": device(&args), "online_at": online_at });
                ctx.track(name, meta).map(|phx_ref| json!({ "phx_ref": phx_ref }))
            }
            "untrack" => ctx.untrack(name).map(|()| json!({})),
            "list" => Ok(ctx.list()),
            _ => return Handled::Crash,
        };
        match tracked {
            Ok(response) => Handled::ok(&response),
            Err(_) => Handled::Crash,
        }
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        let Ok(after_join) = message.downcast::<AfterJoin>() else {
            return Handled::Crash;
        };
        let online_at = ctx.now().since_epoch().as_secs();
        let meta = json!({ "device": after_join.device, "online_at": online_at });
        match ctx.track(&self.name, meta) {
            Ok(_) => {
                let state = ctx.list();
                ctx.push("presence_state", json(&state));
                Handled::NoReply
            }
            Err(_) => Handled::Crash,
        }
    }
}

fn device(args: &Value) -> Value {
    args.get("device").cloned().unwrap_or_else(|| "unknown".into())
}

fn milliseconds(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or(0))
}

fn json(value: &Value) -> Payload {
    Payload::json(value).unwrap()
}
