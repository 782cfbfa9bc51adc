//! `cargo xtask web`: phx-web in a real browser, with a table of the results. `cargo xtask web-chat`: an example of it.
//!
//! Built for WebAssembly, it is the program that runs in the browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg_attr(
    not(target_family = "wasm"),
    expect(clippy::print_stdout, reason = "a command-line program speaks through standard output")
)]

#[cfg(not(target_family = "wasm"))]
mod cases;
#[cfg(not(target_family = "wasm"))]
mod chat;
#[cfg(not(target_family = "wasm"))]
mod http;
#[cfg(not(target_family = "wasm"))]
mod life;
#[cfg(target_family = "wasm")]
mod page;
#[cfg(not(target_family = "wasm"))]
mod program;
#[cfg(not(target_family = "wasm"))]
mod size;
#[cfg(not(target_family = "wasm"))]
mod speed;
#[cfg(not(target_family = "wasm"))]
mod web;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<std::process::ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["web"] => web::run(""),
        ["web", part] if !part.starts_with('-') => web::run(part),
        ["web-chat"] => chat::run("release"),
        // For tests: it builds sooner.
        ["web-chat", profile] if !profile.starts_with('-') => chat::run(profile),
        ["web-size"] => size::run(),
        ["web-speed"] => speed::run(),
        _ => {
            println!("usage: cargo xtask web [PART OF A NAME] | web-chat [PROFILE] | web-size");
            println!("       cargo xtask web-speed");
            Ok(std::process::ExitCode::from(2))
        }
    }
}

#[cfg(target_family = "wasm")]
fn main() {
    page::run();
}
