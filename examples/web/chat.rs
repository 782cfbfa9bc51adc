//! The client: it joins the room, and keeps the page up to date.

use std::error::Error;

use phx_web::{ConnectionState, Join, Messages, Presence, Socket, StreamItem, spawn_local};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::page::Page;

/// A message in the room.
#[derive(Deserialize, Serialize)]
struct Said {
    from: String,
    text: String,
}

/// A person's metadata, of which nothing is needed here.
#[derive(Deserialize)]
struct Seen {}

/// Starts the chat. It goes on while the page is open.
pub(crate) fn start() {
    let Some(page) = Page::of_this_program() else { return };
    if let Err(error) = join(&page) {
        page.show_status(&error.to_string());
    }
}

fn join(page: &Page) -> Result<(), Box<dyn Error>> {
    let name = page.name();
    let socket = phx_web::socket(page.server()).spawn()?;
    let room = socket.channel("room:lobby").params(&json!({ "name": name })).create()?;
    // Streams receive only what arrives after they are created, so they come before the join.
    let (heard, people) = (room.on("shout"), room.presence());
    spawn_local(show_connection(page.clone(), socket, name.clone()));
    spawn_local(show_messages(page.clone(), heard));
    spawn_local(show_people(page.clone(), people));
    spawn_local(show_refusal(page.clone(), room.join()));

    let status = page.clone();
    page.on_submit(move |text| {
        // While the connection is away, the push waits for the rejoin.
        let pushed = room.push("shout", &Said { from: name.clone(), text }).detach();
        if let Err(error) = pushed {
            status.show_status(&format!("not sent: {error}"));
        }
    });
    Ok(())
}

async fn show_connection(page: Page, socket: Socket, name: String) {
    let (mut states, mut was_lost) = (socket.status(), false);
    while let Some(state) = states.next().await {
        match state {
            ConnectionState::Open if was_lost => {
                page.show_status(&format!("reconnected as {name}"));
            }
            ConnectionState::Open => page.show_status(&format!("connected as {name}")),
            _ => {
                was_lost = socket.counters().opened > 0;
                let text = if was_lost { "connection lost, reconnecting" } else { "connecting" };
                page.show_status(text);
            }
        }
    }
}

async fn show_messages(page: Page, mut heard: Messages<Said>) {
    while let Some(item) = heard.next().await {
        match item {
            StreamItem::Message(Said { from, text }) => page.add_line(&format!("{from}: {text}")),
            StreamItem::Gap => page.add_line("back in the room; messages may be missing here"),
            StreamItem::Lagged(count) => page.add_line(&format!("{count} messages lost")),
            _ => page.add_line("somebody sent something that isn't a message"),
        }
    }
}

async fn show_people(page: Page, people: Presence<Seen>) {
    let mut changes = people.changes();
    while changes.next().await.is_some() {
        let mut names = people.list_by(|name, _| name.to_owned());
        names.sort_unstable();
        page.show_people(&format!("here: {}", names.join(", ")));
    }
}

async fn show_refusal(page: Page, joining: Join) {
    if let Err(error) = joining.await {
        page.show_status(&error.to_string());
    }
}
