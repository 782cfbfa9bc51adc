//! A chat for the terminal: lines in, lines out.
//!
//! ```sh
//! cargo run --example chat -- --name ann
//! cargo run --example chat -- --name bob --server ws://127.0.0.1:PORT/socket
//! ```
//!
//! Without `--server` it starts one, and prints the URL for others. Elsewhere it talks to
//! any channel that broadcasts `shout`, as those of Phoenix's `mix phx.gen.channel` do.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::io::{self, BufRead as _};
use std::pin::pin;
use std::thread;

use phx_testing::listener::Listener;
use phx_tokio::{Channel, ChannelCloseCause, Presence};
use tokio::sync::mpsc;

mod arguments;
mod room;
mod screen;

use arguments::Arguments;
use room::{Room, Seen};
use screen::{notice, shown};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::parse()? else {
        println!("{}", arguments::USAGE);
        return Ok(());
    };
    let (url, server) = match arguments.server {
        Some(url) => (url, None),
        None => {
            let server = Listener::bind(phx_testing::demo_server().build()).await?;
            notice(&format!("others can join with --server {}", server.url()));
            (server.url().to_owned(), Some(server))
        }
    };

    let socket = phx_tokio::socket(&url).connect().await?;
    let room = Room::join(&socket, &arguments.room, &arguments.name).await?;
    let (channel, people) = (room.channel.clone(), room.people.clone());
    notice(&format!("you are {} in {}", shown(&arguments.name), shown(channel.topic())));

    let mut showing = pin!(room.show(socket.status()));
    let leaving = async {
        let interrupted = tokio::select! {
            () = type_lines(&channel, &people, &arguments.name) => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        };
        // The others see it. The server's answer makes no difference any more.
        let _ = channel.leave().await;
        interrupted
    };
    tokio::select! {
        () = &mut showing => {}
        interrupted = leaving => {
            interrupted?;
            // What came before the channel was closed is shown too.
            showing.await;
        }
    }
    socket.disconnect().await;
    if let Some(server) = server {
        server.stop().await;
    }
    match channel.close_cause() {
        Some(ChannelCloseCause::Left) => notice("bye"),
        _ => return Err("the server closed the room".into()),
    }
    Ok(())
}

/// Does what the lines typed say, until `/quit` or the end of the input.
async fn type_lines(channel: &Channel, people: &Presence<Seen>, name: &str) {
    let mut lines = typed_lines();
    while let Some(line) = lines.recv().await {
        match line.trim() {
            "" => {}
            "/quit" => return,
            "/who" => notice(&room::who(people)),
            command if command.starts_with('/') => notice("there is only /who and /quit"),
            text => {
                // While the connection is away it waits for the rejoin, and isn't lost.
                if let Err(refused) = room::say(channel, name, text) {
                    notice(&format!("not sent: {refused}"));
                }
            }
        }
    }
}

/// The lines of standard input. They are read on another thread, since reading can't be
/// cancelled: the runtime would wait for it at the end of the program.
fn typed_lines() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(16);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}
