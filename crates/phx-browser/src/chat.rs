//! `cargo xtask web-chat`: a chat room for pages in Rust (`examples/web`), pages with the official client, and terminals.

use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, io, thread};

use anyhow::Context as _;
use futures::FutureExt as _;
use phx_testing::Connectivity;
use phx_testing::listener::Listener;
use tokio::sync::mpsc;

use crate::http::{self, Answer, HTML, JAVASCRIPT, Request};
use crate::program::WebProgram;

const RUST_PAGE: &str = include_str!("../../../examples/web/page.html");
const OFFICIAL_PAGE: &str = include_str!("../../../examples/browser_chat/page.html");

/// Official client, relative to this package.
const PHOENIX: &str = "../phx-conformance/js/node_modules/phoenix/priv/static/phoenix.mjs";

/// Builds the page with this profile, and serves the room until Ctrl-C or the end of the input.
pub(crate) fn run(profile: &str) -> anyhow::Result<ExitCode> {
    let program = WebProgram::build("web-chat", "web-chat", profile)?;
    let phoenix = official_client()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(serve(program, phoenix))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the official client.
pub(crate) fn official_client() -> anyhow::Result<Vec<u8>> {
    let phoenix = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(PHOENIX));
    phoenix.context("npm's `phoenix` is needed, which `cargo xtask tools` brings")
}

async fn serve(program: WebProgram, phoenix: Vec<u8>) -> anyhow::Result<()> {
    let server = Listener::bind(phx_testing::demo_server().build()).await.context("no port")?;
    let size = program.wasm.len();
    let files = Files {
        rust_page: RUST_PAGE.replace("{{socket}}", server.url()),
        official_page: OFFICIAL_PAGE.replace("{{socket}}", server.url()),
        program,
        phoenix,
    };
    let handler = move |Request { path, .. }| {
        let file = files.find(&path);
        let answer =
            file.map_or(Answer::NotFound, |(kind, file)| Answer::File(kind, file.to_vec()));
        async { answer }.boxed()
    };
    let pages = http::serve(Arc::new(handler)).await.context("no port")?;
    println!("a page in Rust ({} KiB): http://{pages}/?name=eve", size.div_ceil(1024));
    println!("a page with the official client: http://{pages}/official.html?name=bob");
    println!("in a terminal: cargo run --example chat -- --name ann --server {}", server.url());
    println!("Enter cuts all connections, and Enter again lets the clients reconnect.");

    let mut lines = typed_lines();
    let mut is_online = true;
    while let Some(()) = lines.recv().await {
        is_online = !is_online;
        if is_online {
            server.set_connectivity(Connectivity::Online);
            println!("the server is online");
        } else {
            server.set_connectivity(Connectivity::Offline);
            server.all().cut();
            println!("the server is offline");
        }
    }
    server.stop().await;
    Ok(())
}

/// Files for browsers.
struct Files {
    rust_page: String,
    official_page: String,
    program: WebProgram,
    phoenix: Vec<u8>,
}

impl Files {
    /// Returns a file with its media type.
    fn find(&self, path: &str) -> Option<(&'static str, &[u8])> {
        match path {
            "/" => Some((HTML, self.rust_page.as_bytes())),
            "/web_chat.js" => Some((JAVASCRIPT, self.program.script.as_bytes())),
            "/web_chat_bg.wasm" => Some(("application/wasm", &self.program.wasm)),
            "/official.html" => Some((HTML, self.official_page.as_bytes())),
            "/phoenix.mjs" => Some((JAVASCRIPT, &self.phoenix)),
            _ => None,
        }
    }
}

/// Returns a message for each line of the input, which another thread reads: reading can't be cancelled.
fn typed_lines() -> mpsc::Receiver<()> {
    let (lines, typed) = mpsc::channel(16);
    thread::spawn(move || {
        for _line in io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(()).is_err() {
                return;
            }
        }
    });
    typed
}
