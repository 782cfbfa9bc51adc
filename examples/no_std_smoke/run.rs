//! Runs the crate without a standard library on this machine: `cargo run --example no_std_smoke`.
//!
//! The device is a fake whose server says ok to everything, and gives the payload back. Ends by itself.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use no_std_smoke::{Device, session};
use phx_proto::{
    CloseCause, CloseCode, Frame, Message, Payload, Request, Serializer, Status, V2Server,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut device = Fake::default();
    let url = "ws://gateway.local/socket";
    let payload = Payload::json(&21.5)?;
    let reply = session(&mut device, url, "sensor:1", "temperature", payload)?;
    println!("the reply is {}", reply.decode::<f64>()?);
    Ok(())
}

#[derive(Default)]
struct Fake {
    answers: VecDeque<Frame>,
    uptime: Duration,
}

impl Device for Fake {
    fn uptime(&self) -> Duration {
        self.uptime
    }

    fn open(&mut self, request: &Request) -> Result<(), CloseCause> {
        println!("opens {}", request.url());
        Ok(())
    }

    fn send(&mut self, frame: Frame) {
        let Ok(message) = V2Server.decode(frame) else { return };
        println!("sends {} to {}", message.event, message.topic);
        let reply = Message::reply(message.topic, message.reference, Status::Ok, message.payload)
            .with_join_ref(message.join_ref);
        self.answers.extend(V2Server.encode(&reply).ok());
    }

    fn receive(&mut self, patience: Option<Duration>) -> Option<Frame> {
        let answer = self.answers.pop_front();
        self.uptime += match answer {
            Some(_) => Duration::from_millis(1),
            None => patience.unwrap_or_default(),
        };
        answer
    }

    fn close(&mut self, code: CloseCode) {
        println!("closes with {code}");
    }
}
