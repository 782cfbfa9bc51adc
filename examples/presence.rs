//! Presence: typed metas, and several devices of one person.
//!
//! ```sh
//! cargo run --example presence
//! ```
//!
//! The server is embedded (`phx-testing`), and its channel is below. It ends by itself, with exit
//! code 0 if everything came as it says.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use phx_testing::listener::Listener;
use phx_testing::{Channel as ServerChannel, Context, Handled, Server};
use phx_tokio::{
    Channel, Payload, Presence, PresenceChange, PresenceChanges, PresenceEntry, PresenceItem,
    Socket,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A meta of a user's presence: what all see of each device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    device: String,
    status: String,
}

type Changes = PresenceChanges<Device, Map<String, Value>>;
type Change = PresenceChange<Device, Map<String, Value>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().channel("team:*", Team::default).build();
    let server = Listener::bind(server).await?;

    println!("Ann joins on her laptop. Her list:");
    let ann = connect(&server).await?;
    // Presence is asked for before the join: the server says who is there right after it.
    let anns = ann.channel("team:red").params(&params("ann", "laptop")).create()?;
    let people = anns.presence::<Device>();
    let mut changes = people.changes();
    soon(anns.join()).await??;
    soon(synced(&mut changes)).await??;
    show(&people);

    println!("Bob joins on his phone, then on his desktop: one person, two metas.");
    let phone = connect(&server).await?;
    let on_phone = join(&phone, "bob", "phone").await?;
    soon(synced(&mut changes)).await??;
    let desktop = connect(&server).await?;
    let on_desktop = join(&desktop, "bob", "desktop").await?;
    soon(synced(&mut changes)).await??;
    show(&people);
    expect(people.len() == 2, "two people")?;
    expect(devices(&people, "bob") == ["phone", "desktop"], "bob's devices, the oldest first")?;

    println!("He is busy on his phone: the meta is replaced, a join and a leave under one key.");
    let busy = json!({ "status": "busy" });
    soon(on_phone.push("status", &busy).acknowledged()).await??;
    let seen = soon(synced(&mut changes)).await??;
    expect(matches!(seen.as_slice(), [Change::Joined { .. }, Change::Left { .. }]), "an update")?;
    show(&people);

    println!("He puts it away. He is still there, on his desktop.");
    soon(on_phone.leave()).await??;
    let seen = soon(synced(&mut changes)).await??;
    expect(
        matches!(seen.as_slice(), [Change::Left { after, .. }] if after.metas().len() == 1),
        "one device less",
    )?;
    show(&people);

    println!("His other program ends: its last handles are dropped, which leaves, and he is gone.");
    drop(on_desktop);
    drop(desktop);
    let seen = soon(synced(&mut changes)).await??;
    expect(
        matches!(seen.as_slice(), [Change::Left { key, after, .. }]
            if key == "bob" && after.metas().len() == 0),
        "bob left",
    )?;
    show(&people);
    expect(people.entry("bob").is_none(), "only ann is here")?;

    anns.leave().await?;
    for socket in [ann, phone] {
        socket.disconnect().await;
    }
    server.stop().await;
    println!("Done.");
    Ok(())
}

/// `list_by` makes one thing of each person.
fn show(people: &Presence<Device>) {
    for line in people.list_by(describe) {
        println!("   {line}");
    }
}

fn describe(name: &str, entry: &PresenceEntry<Device, Map<String, Value>>) -> String {
    let devices = entry.metas().map(|meta| {
        let Device { device, status } = meta.data();
        format!("{device} ({status})")
    });
    format!("{name}: {}", devices.collect::<Vec<_>>().join(", "))
}

fn devices(people: &Presence<Device>, name: &str) -> Vec<String> {
    let entry = people.entry(name);
    entry.iter().flat_map(|entry| entry.metas()).map(|meta| meta.data().device.clone()).collect()
}

/// The changes until the list is in step with the server again.
async fn synced(changes: &mut Changes) -> Result<Vec<Change>, String> {
    let mut seen = Vec::new();
    loop {
        match changes.next().await {
            Some(PresenceItem::Change(PresenceChange::Synced)) => return Ok(seen),
            Some(PresenceItem::Change(change)) => seen.push(change),
            other => return Err(format!("no change: {other:?}")),
        }
    }
}

async fn connect(server: &Listener) -> Result<Socket, Box<dyn Error>> {
    Ok(soon(phx_tokio::socket(server.url()).connect()).await??)
}

async fn join(socket: &Socket, user: &str, device: &str) -> Result<Channel, Box<dyn Error>> {
    Ok(soon(socket.channel("team:red").params(&params(user, device)).join()).await??)
}

fn params(user: &str, device: &str) -> Value {
    json!({ "user": user, "device": device })
}

/// Waits, but not for ever.
async fn soon<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let result = tokio::time::timeout(Duration::from_secs(15), future).await;
    result.map_err(|_| "a step took more than 15 s".to_owned())
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("this should hold, and doesn't: {what}")) }
}

/// The server's side: a channel that tracks each of its devices under its user's name.
#[derive(Default)]
struct Team {
    user: String,
    device: String,
}

/// What a device says when it joins.
#[derive(Deserialize)]
struct JoinParams {
    user: String,
    device: String,
}

struct AfterJoin;

impl Team {
    fn meta(&self, status: &str) -> Value {
        json!({ "device": self.device, "status": status })
    }
}

impl ServerChannel for Team {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: JoinParams = params.decode().map_err(|_| Payload::empty())?;
        (self.user, self.device) = (params.user, params.device);
        // As in Phoenix: presence comes after the reply to the join.
        ctx.send(AfterJoin);
        Ok(Payload::empty())
    }

    fn handle_info(
        &mut self,
        ctx: &mut Context<'_>,
        _after_join: Box<dyn std::any::Any + Send>,
    ) -> Handled {
        if ctx.track(&self.user, self.meta("online")).is_err() {
            return Handled::Crash;
        }
        ctx.push("presence_state", Payload::json(&ctx.list()).unwrap_or_default());
        Handled::NoReply
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        #[derive(Deserialize)]
        struct NewStatus {
            status: String,
        }
        match (event, payload.decode::<NewStatus>()) {
            ("status", Ok(new)) if ctx.update(&self.user, self.meta(&new.status)).is_ok() => {
                Handled::ok(&json!({}))
            }
            _ => Handled::Crash,
        }
    }
}
