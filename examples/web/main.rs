//! A chat page in Rust, in one room with a page of the official client and with terminals.
//!
//! ```sh
//! cargo xtask web-chat     # prints the URLs of both pages, and what to run in a terminal
//! ```
//!
//! `chat.rs` is the client, `page.rs` shows what it reports, and `page.html` is the page. For other targets than the
//! browser the program is empty, so that a workspace with it builds as a whole.

#[cfg(target_family = "wasm")]
mod chat;
#[cfg(target_family = "wasm")]
mod page;

fn main() {
    #[cfg(target_family = "wasm")]
    chat::start();
}
