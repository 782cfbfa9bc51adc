//! The server's side of the traffic.

use std::any::Any;
use std::time::Duration;

use phx_client::Payload;
use phx_testing::{Channel, Context, Handled, Reason, Server};
use serde::Deserialize;
use serde_json::json;

use super::{Down, Ledger, Params, Up};

/// How long the server waits for a sign of a client, so that connections whose clients can't say
/// goodbye end in time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server whose channels keep these books.
///
/// | event | what it does |
/// |---|---|
/// | `up` | is booked, and replied to with its number |
/// | `blob` | is taken, and replied to |
/// | `big` | has the server push a `down` of so many bytes |
/// | `pause` | has the server push nothing more; replies with the [`Report`](super::Report) |
pub(crate) fn server(ledger: &Ledger) -> Server {
    let ledger = ledger.clone();
    Server::builder()
        .channel("books:*", move || Books { ledger: ledger.clone(), life: 0, tick: None })
        .idle_timeout(Some(IDLE_TIMEOUT))
        .build()
}

struct Books {
    ledger: Ledger,
    life: u64,
    tick: Option<Duration>,
}

/// Time for the next `down`.
struct Tick;

/// What a channel crashes of.
pub(crate) struct Crash;

#[derive(Deserialize)]
struct Big {
    bytes: usize,
}

impl Books {
    fn push_down(&self, ctx: &mut Context<'_>, pad: &str) {
        if let Some(n) = self.ledger.next_down(ctx.topic(), self.life) {
            let down = Down { life: self.life, n, pad: pad.to_owned() };
            ctx.push("down", Payload::json(&down).unwrap_or_default());
        }
    }
}

impl Channel for Books {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: Params = params.decode().unwrap_or_default();
        self.life = self.ledger.begin(ctx.topic(), ctx.socket());
        self.tick = (params.tick_ms > 0).then(|| Duration::from_millis(params.tick_ms));
        if let Some(tick) = self.tick {
            ctx.send_after(tick, Tick);
        }
        Ok(Payload::json(&json!({ "life": self.life })).unwrap_or_default())
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match event {
            "up" => {
                let Ok(up) = payload.decode::<Up>() else { return Handled::Crash };
                self.ledger.handle_up(ctx.topic(), self.life, up.n);
                Handled::ok(&json!({ "n": up.n }))
            }
            "blob" => Handled::ok(&json!({})),
            "big" => {
                let Ok(Big { bytes }) = payload.decode() else { return Handled::Crash };
                self.push_down(ctx, &"x".repeat(bytes));
                Handled::NoReply
            }
            "pause" => {
                self.ledger.pause(true);
                match self.ledger.report(ctx.topic(), self.life) {
                    Some(report) => Handled::ok(&report),
                    None => Handled::Crash,
                }
            }
            _ => Handled::Crash,
        }
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        if message.is::<Crash>() {
            return Handled::Crash;
        }
        if let (true, Some(tick)) = (message.is::<Tick>(), self.tick) {
            self.push_down(ctx, "");
            ctx.send_after(tick, Tick);
        }
        Handled::NoReply
    }

    fn terminate(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        self.ledger.end(ctx.topic(), self.life, reason);
    }
}
