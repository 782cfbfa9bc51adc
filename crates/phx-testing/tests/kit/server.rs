//! Behaviour of the server that isn't in the recordings: one file each.

mod callbacks;
mod garbage;
mod http_api;
mod idle;
mod json;
mod limits;
mod longpoll;
mod order;
mod presence;
mod releases;
mod replies;
mod serializers;
mod server_topic;
mod sleep;

use phx_testing::ServerBuilder;

use crate::wire::Wire;

/// Sends these texts, and returns the server's answers to the last one.
fn answers(server: ServerBuilder, vsn: &str, texts: &[&str]) -> Vec<String> {
    let mut wire = Wire::new(server.build());
    let socket = wire.connect(&format!("vsn={vsn}"));
    let (last, before) = texts.split_last().unwrap();
    before.iter().for_each(|text| wire.sent(socket, text));
    wire.send(socket, last);
    wire.answers()
}
