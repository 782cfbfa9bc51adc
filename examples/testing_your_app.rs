//! Testing a program that uses Channels: no Elixir, no sockets, and no real time.
//!
//! ```sh
//! cargo run --example testing_your_app
//! cargo test --example testing_your_app
//! ```
//!
//! The program is a bot that joins a room and answers questions. It takes a `SocketBuilder`: in production
//! an adapter makes it, `phx_tokio::socket(url)`, and here a link to a server in memory does. The
//! checks cover minutes of the bot's life, and take milliseconds.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::time::{Duration, Instant};

use phx_testing::in_memory::{Link, VirtualTime};
use phx_testing::{Handlers, Server, UpgradeRejection};
use phx_tokio::{Payload, Runtime, SocketBuilder, StreamItem};
use serde::{Deserialize, Serialize};

/// What is said in the room.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Said {
    from: String,
    text: String,
}

/// The program under test: it answers every question until it is dismissed, and returns the number of
/// its answers.
async fn bot(builder: SocketBuilder) -> Result<u32, Box<dyn Error + Send + Sync>> {
    let socket = builder.connect().await?;
    let room = socket.channel("room:lobby").create()?;
    let mut heard = room.on::<Said>("said");
    room.join().await?;
    let mut answers = 0;
    while let Some(item) = heard.next().await {
        let text = match item {
            StreamItem::Message(said) if said.from == "bot" => continue,
            StreamItem::Message(said) if said.text == "go!" => break,
            StreamItem::Message(said) => format!("{}? No idea.", said.text),
            StreamItem::Gap => "I was away. Ask me again.".to_owned(),
            _ => continue,
        };
        room.push("say", &Said { from: "bot".to_owned(), text }).acknowledged().await?;
        answers += 1;
    }
    room.leave().await?;
    Ok(answers)
}

/// The server's side, as far as the bot needs it: what one says, all hear.
fn server() -> Server {
    let room = || {
        Handlers::new().handle_in("say", |ctx, payload| {
            ctx.broadcast("said", payload);
            phx_testing::Handled::ok(&())
        })
    };
    Server::builder().channel("room:*", room).build()
}

/// A bot that runs beside the check, and a person who talks to it over a separate link.
struct Scene {
    bots_link: Link,
    person: phx_tokio::Channel,
    heard: phx_tokio::Messages<Said>,
}

const SOON: Duration = Duration::from_secs(15);

impl Scene {
    async fn set(time: &VirtualTime) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let bots_link = time.link(server());
        let builder = bots_link.socket();
        time.runtime().spawn(Box::pin(async move {
            // A check that waits for an answer fails if the bot does.
            let _ = bot(builder).await;
        }));
        let socket = bots_link.new_client().socket().connect().await?;
        let person = socket.channel("room:lobby").join().await?;
        let heard = person.on("said");
        // Let the bot join, too.
        time.sleep(Duration::from_secs(1)).await;
        Ok(Scene { bots_link, person, heard })
    }

    async fn say(&self, text: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let said = Said { from: "ann".to_owned(), text: text.to_owned() };
        Ok(self.person.push("say", &said).acknowledged().await?)
    }

    /// What the bot says next.
    async fn answer(&mut self, time: &VirtualTime) -> Option<String> {
        let answer = async {
            while let Some(item) = self.heard.next().await {
                match item {
                    StreamItem::Message(said) if said.from == "bot" => return Some(said.text),
                    _ => {}
                }
            }
            None
        };
        time.wait_for("the bot's answer", SOON, answer).await
    }
}

type Checked = Result<(), Box<dyn Error + Send + Sync>>;

fn it_answers() -> Checked {
    let time = VirtualTime::new();
    time.run(async {
        let mut scene = Scene::set(&time).await?;
        scene.say("Why").await?;
        same(scene.answer(&time).await.as_deref(), Some("Why? No idea."))
    })
}

fn it_is_still_there_after_half_an_hour() -> Checked {
    let time = VirtualTime::new();
    time.run(async {
        let mut scene = Scene::set(&time).await?;
        time.sleep(Duration::from_secs(1_800)).await;
        scene.say("When").await?;
        same(scene.answer(&time).await.as_deref(), Some("When? No idea."))
    })
}

fn it_comes_back_from_a_lost_connection() -> Checked {
    let time = VirtualTime::new();
    time.run(async {
        let mut scene = Scene::set(&time).await?;
        scene.bots_link.cut();
        scene.say("Where").await?; // it isn't heard
        same(scene.answer(&time).await.as_deref(), Some("I was away. Ask me again."))?;
        scene.say("Where").await?;
        same(scene.answer(&time).await.as_deref(), Some("Where? No idea."))
    })
}

fn it_notices_a_pulled_cable() -> Checked {
    let time = VirtualTime::new();
    time.run(async {
        let mut scene = Scene::set(&time).await?;
        // Neither side notices. The heartbeat finds out, after 40 s at the latest.
        scene.bots_link.half_open();
        time.sleep(Duration::from_secs(40)).await;
        same(scene.answer(&time).await.as_deref(), Some("I was away. Ask me again."))
    })
}

fn it_waits_for_a_slow_server() -> Checked {
    let time = VirtualTime::new();
    time.run(async {
        let mut scene = Scene::set(&time).await?;
        scene.bots_link.set_latency(Duration::from_secs(4));
        let asked = time.now();
        scene.say("Who").await?;
        same(scene.answer(&time).await.as_deref(), Some("Who? No idea."))?;
        // The question to the bot, and its answer back.
        same(time.now().saturating_duration_since(asked), Duration::from_secs(8))
    })
}

fn a_refusal_is_its_error() -> Checked {
    let time = VirtualTime::new();
    let link = time.link(server());
    link.refuse_next(UpgradeRejection::new(403));
    time.run(async {
        match bot(link.socket()).await {
            Ok(answers) => Err(format!("it got in, and gave {answers} answers").into()),
            Err(error) => same(error.to_string().contains("403"), true),
        }
    })
}

fn it_leaves_when_asked() -> Checked {
    let time = VirtualTime::new();
    let link = time.link(server());
    time.run(async {
        let clock = time.runtime();
        let person = link.clone();
        time.runtime().spawn(Box::pin(async move {
            clock.sleep(Duration::from_secs(1)).await;
            let go = Said { from: "ann".to_owned(), text: "go!".to_owned() };
            let go = Payload::json(&go).unwrap_or_default();
            person.with_server(|server, now| server.broadcast(now, "room:lobby", "said", go));
        }));
        same(bot(link.socket()).await?, 0)
    })?;
    // It has left nothing behind.
    same(link.with_server(|server, _| server.sockets().count()), 0)
}

/// What `assert_eq!` does, for a program that isn't a test.
#[expect(clippy::needless_pass_by_value, reason = "it is called as `assert_eq!` is")]
fn same<T: PartialEq + std::fmt::Debug>(got: T, expected: T) -> Checked {
    if got == expected {
        return Ok(());
    }
    Err(format!("expected {expected:?}, got {got:?}").into())
}

/// Each check makes a test; the program runs them all.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        const CHECKS: &[(&str, fn() -> Checked)] = &[$((stringify!($check), $check)),*];

        #[cfg(test)]
        mod tests {
            $(#[test]
            fn $check() -> super::Checked {
                super::$check()
            })*
        }
    };
}

checks!(
    it_answers,
    it_is_still_there_after_half_an_hour,
    it_comes_back_from_a_lost_connection,
    it_notices_a_pulled_cable,
    it_waits_for_a_slow_server,
    a_refusal_is_its_error,
    it_leaves_when_asked,
);

fn main() -> Checked {
    let started = Instant::now();
    for (name, check) in CHECKS {
        check().map_err(|error| format!("{name}: {error}"))?;
        println!("ok: {}", name.replace('_', " "));
    }
    println!("All of it took {:?}.", started.elapsed());
    Ok(())
}
