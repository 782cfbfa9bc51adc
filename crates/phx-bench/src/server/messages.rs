//! What the server for measurements answers, over either transport.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Takes the server's messages, in order.
pub(super) trait Sink {
    fn text(&mut self, text: String) -> anyhow::Result<()>;
    fn binary(&mut self, bytes: &[u8]) -> anyhow::Result<()>;
}

/// Join ref, ref, topic, event and payload. The clients here send no escapes.
type Message<'a> = (&'a RawValue, &'a RawValue, &'a str, &'a str, &'a RawValue);

#[derive(Deserialize)]
struct Flood {
    n: u64,
    size: usize,
    #[serde(default)]
    spread: bool,
    #[serde(default)]
    bin: bool,
}

/// The channels of a connection or session.
#[derive(Default)]
pub(super) struct Channels {
    /// Joined topics and their join refs, as JSON.
    joined: Vec<(String, String)>,
}

impl Channels {
    /// Answers a message.
    pub(super) fn take(&mut self, text: &[u8], out: &mut impl Sink) -> anyhow::Result<()> {
        let (join_ref, reference, topic, event, payload): Message<'_> =
            serde_json::from_slice(text)?;
        let (join_ref, reference) = (join_ref.get(), reference.get());
        let response = if event == "echo" { payload.get() } else { "{}" };
        out.text(format!(
            r#"[{join_ref},{reference},"{topic}","phx_reply",{{"status":"ok","response":{response}}}]"#
        ))?;
        match event {
            "phx_join" => self.joined.push((topic.to_owned(), join_ref.to_owned())),
            "flood" => self.flood(topic, join_ref, &serde_json::from_str(payload.get())?, out)?,
            _ => {}
        }
        Ok(())
    }

    fn flood(
        &self,
        topic: &str,
        join_ref: &str,
        flood: &Flood,
        out: &mut impl Sink,
    ) -> anyhow::Result<()> {
        let pad = "x".repeat(flood.size);
        let here = vec![(topic.to_owned(), join_ref.to_owned())];
        let to = if flood.spread { &self.joined } else { &here };
        for (i, (topic, join_ref)) in (0..flood.n).zip(to.iter().cycle()) {
            if flood.bin {
                let mut frame = vec![2, u8::try_from(topic.len()).unwrap_or_default(), 3];
                frame.extend_from_slice(format!("{topic}msg{pad}").as_bytes());
                out.binary(&frame)?;
            } else {
                out.text(format!(
                    r#"[{join_ref},null,"{topic}","msg",{{"i":{i},"pad":"{pad}"}}]"#
                ))?;
            }
        }
        Ok(())
    }
}
