//! A server whose answers are written in the test.

use std::sync::Arc;

use async_tungstenite::tokio::accept_async;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Answer to a message.
pub(crate) enum Answer {
    Text(String),
    Binary(&'static [u8]),
    /// A close frame with this code and reason; nothing is read after it.
    Close(u16, String),
    /// The end of the stream, without a close frame.
    Drop,
}

/// Starts a server that sends its answers to a message in one write, and returns its URL.
pub(crate) async fn raw(
    answer: impl Fn(&Received) -> Vec<Answer> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let Ok(mut stream) = accept_async(stream).await else { return };
                while let Some(Ok(message)) = stream.next().await {
                    let Ok(text) = message.to_text() else { continue };
                    let Ok(message) = serde_json::from_str(text) else { continue };
                    for answer in answer(&Received(message)) {
                        let frame = match answer {
                            Answer::Text(text) => Message::text(text),
                            Answer::Binary(bytes) => Message::binary(bytes),
                            Answer::Close(code, reason) => Message::Close(Some(CloseFrame {
                                code: code.into(),
                                reason: reason.into(),
                            })),
                            Answer::Drop => {
                                let _ = stream.flush().await;
                                return;
                            }
                        };
                        if stream.feed(frame).await.is_err() {
                            return;
                        }
                    }
                    if stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

/// A received V2 message.
pub(crate) struct Received(Value);

impl Received {
    pub(crate) fn topic(&self) -> &str {
        self.0[2].as_str().unwrap()
    }

    pub(crate) fn event(&self) -> &str {
        self.0[3].as_str().unwrap()
    }

    pub(crate) fn payload(&self) -> &Value {
        &self.0[4]
    }

    /// Returns a reply to it.
    pub(crate) fn reply(&self, status: &str, response: &Value) -> Answer {
        let payload = json!({ "status": status, "response": response });
        let reply = json!([self.0[0], self.0[1], self.0[2], "phx_reply", payload]);
        Answer::Text(reply.to_string())
    }

    /// Returns an event for its channel.
    pub(crate) fn event_of(&self, event: &str, payload: &Value) -> Answer {
        Answer::Text(json!([self.0[0], null, self.0[2], event, payload]).to_string())
    }
}
