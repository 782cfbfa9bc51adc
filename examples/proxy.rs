//! Through an HTTP proxy.
//!
//! ```sh
//! cargo run --example proxy                                              # all of it embedded
//! cargo run --example proxy ws://localhost:4000/socket proxy.local 3128  # yours
//! ```
//!
//! Ends by itself. `Socks5Proxy` is used in the same way, and `UnixDialer` for a Unix socket.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::io;

use phx_tokio::StreamConnector;
use phx_tokio::TcpDialer;
use phx_tokio::dial::HttpProxy;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, host, port) = match arguments.as_slice() {
        [] => (support::embedded_server()?, "127.0.0.1".to_owned(), embedded_proxy().await?),
        [url, host, port] => (url.clone(), host.clone(), port.parse()?),
        _ => return Err("usage: proxy [URL PROXY_HOST PROXY_PORT]".into()),
    };

    let proxy = HttpProxy::new(TcpDialer::new(), host, port).with_basic_auth("ann", "secret");
    let socket = phx_tokio::socket(url)
        .connector(StreamConnector::new(proxy))
        .connect_with_timeout(std::time::Duration::from_secs(10))
        .await?;
    let room = socket.channel("room:lobby").join().await?;
    let reply: String = room.push("echo", "there and back").await?;
    println!("the reply is {reply}");
    room.leave().await?;
    socket.disconnect().await;
    Ok(())
}

/// A proxy that opens every tunnel it is asked for.
async fn embedded_proxy() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(tunnel(client));
        }
    });
    Ok(port)
}

async fn tunnel(client: TcpStream) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_until(b'\n', &mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let server = head.split(' ').nth(1).unwrap_or_default();
    println!("the proxy is asked for {server}");
    let mut server = TcpStream::connect(server).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
