//! The application that `phx serve` serves.

use std::any::Any;
use std::time::Duration;

use phx_testing::{Channel, Context, Handled, Server, UpgradeRejection, demo_server};
use phx_tokio::Payload;
use serde::Deserialize;
use serde_json::json;

/// A server that wants this token of everybody, if any.
pub(super) fn server(token: Option<String>) -> Server {
    demo_server()
        .channel("clock:*", Clock::default)
        .max_channels(65_536)
        .max_frame_size(64 << 20)
        .auth_token(true)
        .connect(move |info| match &token {
            Some(token) if ![info.auth_token(), info.param("token")].contains(&Some(token)) => {
                Err(UpgradeRejection::new(403).with_body("Forbidden"))
            }
            _ => Ok(None),
        })
        .build()
}

#[derive(Deserialize)]
#[serde(default)]
struct ClockParams {
    interval_ms: u64,
}

impl Default for ClockParams {
    fn default() -> Self {
        ClockParams { interval_ms: 1_000 }
    }
}

/// A channel that sends by itself, at even times.
#[derive(Default)]
struct Clock {
    interval: Duration,
    ticks: u64,
}

/// The clock's message to itself.
struct Tick;

impl Channel for Clock {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: ClockParams = params.decode().unwrap_or_default();
        self.interval = Duration::from_millis(params.interval_ms.max(1));
        ctx.send_after(self.interval, Tick);
        Ok(Payload::empty())
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, _tick: Box<dyn Any + Send>) -> Handled {
        self.ticks = self.ticks.saturating_add(1);
        ctx.push("tick", Payload::json(&json!({ "n": self.ticks })).unwrap_or_default());
        ctx.send_after(self.interval, Tick);
        Handled::NoReply
    }
}
