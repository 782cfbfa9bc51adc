//! A chat between a browser and terminals: the page uses Phoenix's own JavaScript client, the terminals
//! this one.
//!
//! ```sh
//! cargo run --example browser_chat     # prints the page's URL, and what to run in a terminal
//! ```
//!
//! The page is `page.html`. It ends by Ctrl-C, or with its input.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::path::PathBuf;
use std::{fs, io, thread};

use phx_testing::listener::Listener;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const PAGE: &str = include_str!("page.html");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Listener::bind(phx_testing::demo_server().build()).await?;
    let pages = TcpListener::bind("127.0.0.1:0").await?;
    println!("in a browser: http://{}/?name=bob", pages.local_addr()?);
    println!("in a terminal: cargo run --example chat -- --name ann --server {}", server.url());

    let site = Site { page: PAGE.replace("{{socket}}", server.url()), script: phoenix_js()? };
    tokio::select! {
        served = site.serve(pages) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = end_of_input() => {}
    }
    server.stop().await;
    Ok(())
}

/// The official client, from where `cargo xtask tools` puts npm's `phoenix`.
fn phoenix_js() -> io::Result<String> {
    let packages = "../crates/phx-conformance/js/node_modules";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(packages);
    fs::read_to_string(path.join("phoenix/priv/static/phoenix.mjs")).map_err(|error| {
        let text = format!("npm's `phoenix` is needed, which `cargo xtask tools` brings: {error}");
        io::Error::new(error.kind(), text)
    })
}

/// What there is for browsers.
struct Site {
    page: String,
    script: String,
}

impl Site {
    async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            // What goes wrong with one browser is no concern of the others.
            if let Err(error) = self.answer(stream).await {
                println!("a browser went away: {error}");
            }
        }
    }

    /// Answers one request, and closes the connection.
    async fn answer(&self, stream: TcpStream) -> io::Result<()> {
        // No request is as large as that.
        let mut request = BufReader::new(stream).take(16 << 10);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if request.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let (status, kind, body) = match path {
            "/" => ("200 OK", "text/html; charset=utf-8", &*self.page),
            "/phoenix.mjs" => ("200 OK", "text/javascript; charset=utf-8", &*self.script),
            _ => ("404 Not Found", "text/plain", "not found"),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = request.into_inner().into_inner();
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await
    }
}

/// Waits on another thread, since reading can't be cancelled.
async fn end_of_input() {
    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}
