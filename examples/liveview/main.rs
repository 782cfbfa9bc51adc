//! A bot in a Phoenix LiveView: it fetches the page, joins its view, and clicks.
//!
//! ```sh
//! cargo run --example liveview
//! cargo run --example liveview -- http://localhost:4000/counter inc
//! ```
//!
//! Without arguments it visits an imitation in the same process. LiveView's wire is private, and moves between versions: this was
//! tried with `phoenix_live_view` 1.2.10. Exit code 0 if all went as expected.
#![allow(clippy::print_stdout, reason = "an example shows its work")]

mod imitation;

use std::error::Error;
use std::time::Duration;

use phx_testing::listener::Listener;
use phx_tokio::HttpRequest;
use serde_json::{Value, json};

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            let app = Listener::bind(imitation::app().build()).await?;
            let url = format!("http://{}/views/counter", app.address());
            tokio::time::timeout(Duration::from_secs(20), visit(&url, "inc")).await??;
            app.stop().await;
            Ok(())
        }
        [url, event] => visit(url, event).await,
        _ => Err("expected the URL of a page and an event, or nothing".into()),
    }
}

/// Visits a page, and clicks three times.
async fn visit(url: &str, event: &str) -> Result<(), AnyError> {
    let (origin, _) = split_origin(url)?;
    let socket = phx_tokio::socket(&*format!("{}/live", origin.replacen("http", "ws", 1)));

    // The page has what the view needs: the session's cookie, a CSRF token, and signed tokens.
    let answer = socket.http_client()?.send(HttpRequest::get(url)?).await?;
    let page = String::from_utf8(answer.body.to_vec())?;
    let cookie = answer.headers.get("set-cookie").unwrap_or_default();
    let cookie = String::from_utf8_lossy(cookie);
    let cookie = cookie.split(';').next().unwrap_or_default();
    let after = |start: &str| between(&page, start, "\"").ok_or(format!("the page has no {start}"));
    let csrf_token = after("name=\"csrf-token\" content=\"")?;
    let (session, id) = (after("data-phx-session=\"")?, after("id=\"phx-")?);
    let static_token = between(&page, "data-phx-static=\"", "\"").unwrap_or_default();

    // The socket has the cookie and the CSRF token; without them the view's session is stale.
    let socket = socket.header("Cookie", cookie).param("_csrf_token", csrf_token).connect().await?;
    let params = json!({ "url": url, "params": {}, "session": session, "static": static_token });
    let view = socket.channel(format!("lv:phx-{id}")).params(&params).join().await?;
    let rendered: Value = match view.join_response() {
        Some(Ok(rendered)) => rendered.decode()?,
        _ => return Err("the view rendered nothing".into()),
    };
    println!("mounted: LiveView {}", rendered["liveview_version"]);

    for _ in 0..3 {
        let click = json!({ "type": "click", "event": event, "value": {} });
        let reply: Value = view.push("event", &click).await?;
        println!("clicked {event}: {}", reply["diff"]);
    }
    socket.disconnect().await;
    Ok(())
}

/// Splits a URL into scheme and host, and the rest.
fn split_origin(url: &str) -> Result<(&str, &str), AnyError> {
    let start = url.find("://").ok_or("expected a URL with http or https")? + 3;
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    Ok(url.split_at(end))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}
