//! A WebSocket connection without the client.

use anyhow::{Context as _, bail};
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::{WebSocketStream, client_async_with_config};
use futures::{AsyncRead, AsyncWrite, SinkExt as _, StreamExt as _};
use serde_json::value::RawValue;

use crate::runtime::{Runtime, server_port};

/// Join ref, ref, topic, event and payload, borrowed: names with escapes can't be parsed into it.
pub(super) type Parsed<'a> = (Option<&'a str>, Option<&'a str>, &'a str, &'a str, &'a RawValue);

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Socket<S = TokioAdapter<tokio::net::TcpStream>>(WebSocketStream<S>);

impl Socket {
    /// Connects with tokio, and with the library's default read buffer of 128 KiB.
    pub(super) async fn connect() -> anyhow::Result<Self> {
        let stream = tokio::net::TcpStream::connect(address()?).await?;
        stream.set_nodelay(true)?;
        Socket::over(TokioAdapter::new(stream), WebSocketConfig::default()).await
    }
}

impl Socket<Box<dyn Stream>> {
    /// Connects with this runtime, and with a read buffer of 4 KiB.
    pub(super) async fn connect_on(runtime: Runtime) -> anyhow::Result<Self> {
        let stream: Box<dyn Stream> = match runtime {
            Runtime::Tokio => {
                let stream = tokio::net::TcpStream::connect(address()?).await?;
                stream.set_nodelay(true)?;
                Box::new(TokioAdapter::new(stream))
            }
            Runtime::AsyncStd => {
                let stream = async_std::net::TcpStream::connect(address()?).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Runtime::Smol => {
                let stream = smol::net::TcpStream::connect(address()?).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        Socket::over(stream, WebSocketConfig::default().read_buffer_size(4096)).await
    }
}

fn address() -> anyhow::Result<(&'static str, u16)> {
    Ok(("127.0.0.1", server_port()?))
}

impl<S: Stream> Socket<S> {
    async fn over(stream: S, config: WebSocketConfig) -> anyhow::Result<Self> {
        let url = "ws://127.0.0.1/socket/websocket?vsn=2.0.0";
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
        Ok(Socket(socket))
    }

    /// Returns the next text or binary message.
    pub(super) async fn next(&mut self) -> anyhow::Result<Message> {
        loop {
            let message = self.0.next().await.context("the connection ended")??;
            if message.is_text() || message.is_binary() {
                return Ok(message);
            }
        }
    }

    /// Queues a text frame.
    pub(super) async fn feed(&mut self, text: String) -> anyhow::Result<()> {
        Ok(self.0.feed(Message::text(text)).await?)
    }

    pub(super) async fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.0.flush().await?)
    }

    /// Sends a text frame, and waits for its reply.
    pub(super) async fn call(&mut self, text: String) -> anyhow::Result<()> {
        self.feed(text).await?;
        self.flush().await?;
        check_reply(&self.next().await?)
    }
}

pub(super) fn join(topic: &str, reference: u64) -> String {
    format!(r#"["{reference}","{reference}","{topic}","phx_join",{{}}]"#)
}

pub(super) fn check_reply(message: &Message) -> anyhow::Result<()> {
    let text = message.to_text()?;
    let (_, _, _, event, _): Parsed<'_> = serde_json::from_str(text)?;
    if event != "phx_reply" {
        bail!("`{event}` where a reply belongs");
    }
    Ok(())
}
