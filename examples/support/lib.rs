//! What the examples of loops share: a server on a thread, and a transport that never blocks.
//!
//! [`link`] is worth copying into a program of your own.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    reason = "examples are read, not documented"
)]

use std::io;
use std::sync::mpsc;
use std::thread;

use phx_testing::listener::Listener;

pub mod link;

/// The URL of the command line, or that of a server on another thread.
pub fn server_url() -> io::Result<String> {
    match std::env::args().nth(1) {
        Some(url) => Ok(url),
        None => embedded_server(),
    }
}

/// Starts a server on another thread, and returns its URL. It lives as long as the program.
pub fn embedded_server() -> io::Result<String> {
    let (sender, url) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = Listener::bind(phx_testing::demo_server().build()).await;
            // It ends when it is dropped, so it is kept.
            let (url, _listener) = match listener {
                Ok(listener) => (Ok(listener.url().to_owned()), Some(listener)),
                Err(error) => (Err(error), None),
            };
            let _ = sender.send(url);
            std::future::pending::<()>().await;
        });
    });
    url.recv().map_err(io::Error::other)?
}

/// The programs in the guide compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/GUIDE.md")]
struct Guide;
