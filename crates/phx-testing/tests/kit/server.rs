//! What the recordings don't hold of the server's behaviour: one file for each.

mod callbacks;
mod garbage;
mod idle;
mod json;
mod limits;
mod order;
mod presence;
mod releases;
mod replies;
mod serializers;
mod sleep;

use phx_testing::ServerBuilder;

use crate::wire::Wire;

/// What a server answers to the last of these texts, the others being sent before it.
fn answers(server: ServerBuilder, vsn: &str, texts: &[&str]) -> Vec<String> {
    let mut wire = Wire::new(server.build());
    let socket = wire.connect(&format!("vsn={vsn}"));
    let (last, before) = texts.split_last().unwrap();
    before.iter().for_each(|text| wire.sent(socket, text));
    wire.send(socket, last);
    wire.answers()
}
