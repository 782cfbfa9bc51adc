//! An imitation of a Phoenix LiveView app, on the server of `phx-testing`.
//!
//! It answers as `phoenix_live_view` 1.2.10 did, as far as a client without a browser sees: a page with a cookie and tokens, a view
//! with events, a form, a component and an upload. It renders nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use phx_testing::{
    Channel, ConnectInfo, Context, Handled, HttpAnswer, HttpRequest, Payload, Server, ServerBuilder,
};
use serde_json::{Value, json};

/// Largest upload that the view takes, in bytes.
const LARGEST: u64 = 1_000_000;

/// The app. Its socket is `/live`, and its pages are `/views/counter`, `/views/other`, and `/views/moved`, which
/// redirects.
pub(crate) fn app() -> ServerBuilder {
    let visits = AtomicU64::new(0);
    Server::builder()
        .path("/live")
        .http_api("/views", move |_, request| (page(request, &visits), Vec::new()))
        .channel("lv:*", View::default)
        .channel("lvu:*", || Upload)
}

/// A page with the tokens of a visit: the cookie and the CSRF token belong to one browser.
fn page(request: &HttpRequest, visits: &AtomicU64) -> HttpAnswer {
    match request.path() {
        "/views/counter" | "/views/other" => {}
        "/views/moved" => {
            return HttpAnswer::new(302, "").with_header("location", "/views/counter");
        }
        _ => return HttpAnswer::new(404, ""),
    }
    let visit = visits.fetch_add(1, Ordering::Relaxed);
    let view = request.path().trim_start_matches("/views/");
    let body = format!(
        r#"<!DOCTYPE html><html><head><meta name="csrf-token" content="csrf-{visit}"></head>
<body><div id="phx-{visit}" data-phx-main data-phx-session="session-{visit}-{view}" data-phx-static="static-{visit}"><p>0</p></div>
</body></html>"#
    );
    let cookie = format!("_app_key=cookie-{visit}; path=/; HttpOnly; SameSite=Lax");
    HttpAnswer::new(200, body)
        .with_header("content-type", "text/html; charset=utf-8")
        .with_header("set-cookie", &cookie)
}

#[derive(Default)]
struct View {
    count: u64,
}

impl View {
    fn rendered(&self) -> Value {
        json!({
            "0": self.count.to_string(),
            "1": "",
            "2": "phx-GHcXWmHhZ4-_aBcD",
            "s": ["<p>", "</p><p>", "</p><input type=\"file\" data-phx-upload-ref=\"", "\">"],
        })
    }

    fn event(&mut self, ctx: &mut Context<'_>, event: &Value) -> Handled {
        let is_form = event["type"] == "form";
        // A form's value is text, that of other events is not.
        if event["value"].is_string() != is_form {
            return Handled::Crash;
        }
        match (event["event"].as_str(), event["cid"].as_u64()) {
            (Some("inc"), None) => {
                self.count += 1;
                Handled::ok(&json!({ "diff": { "0": self.count.to_string() } }))
            }
            (Some("inc"), Some(cid)) => {
                self.count += 1;
                Handled::ok(
                    &json!({ "diff": { "c": { cid.to_string(): { "0": self.count.to_string() } } } }),
                )
            }
            (Some("save"), None) if is_form => {
                Handled::ok(&json!({ "diff": { "1": event["value"] } }))
            }
            (Some("nothing"), None) => Handled::ok(&json!({})),
            (Some("go"), None) => {
                // A patch from an event comes before its reply.
                ctx.push("live_patch", &json!({ "kind": "push", "to": "/views/counter?page=2" }));
                Handled::ok(&json!({ "diff": { "1": "page 2" } }))
            }
            (Some("leave"), None) => {
                let to = json!({ "kind": "push", "to": "/views/other" });
                match Payload::json(&json!({ "live_redirect": to })) {
                    Ok(reply) => Handled::StopReply(phx_testing::Status::Ok, reply),
                    Err(_) => Handled::Crash,
                }
            }
            _ => Handled::Crash,
        }
    }
}

/// Returns the number of the visit whose cookie and CSRF token a connection has.
fn visit(info: &ConnectInfo) -> Option<&str> {
    let of_cookie = info.cookie("_app_key")?.strip_prefix("cookie-")?;
    let of_token = info.param("_csrf_token")?.strip_prefix("csrf-")?;
    (of_cookie == of_token).then_some(of_cookie)
}

impl Channel for View {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let refuse = |why: Value| Err(Payload::json(&why).unwrap_or_default());
        let params: Value = params.decode().unwrap_or_default();
        let (url, redirect) = (params["url"].as_str(), params["redirect"].as_str());
        let (Some(to), Some(_)) = (url.or(redirect), params["params"].as_object()) else {
            return refuse(json!({ "reason": "join crashed" }));
        };
        let session = params["session"].as_str().and_then(|token| token.strip_prefix("session-"));
        let Some((of_session, view)) = session.and_then(|session| session.split_once('-')) else {
            return refuse(json!({ "reason": "stale" }));
        };
        let is_static = params["static"] == format!("static-{of_session}");
        if visit(ctx.connect_info()) != Some(of_session) || !is_static {
            return refuse(json!({ "reason": "stale" }));
        }
        if to.ends_with("/views/moved") {
            return refuse(
                json!({ "live_redirect": { "kind": "push", "to": "/views/counter" }, "events": [] }),
            );
        }
        if url.is_some_and(|url| !url.contains(&format!("/views/{view}"))) {
            return refuse(json!({ "reason": "unauthorized" }));
        }
        let mut reply = json!({ "rendered": self.rendered(), "liveview_version": "1.2.10" });
        if redirect.is_some() {
            reply["container"] = json!(["div", {}]);
        }
        Ok(Payload::json(&reply).unwrap_or_default())
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let payload: Value = payload.decode().unwrap_or_default();
        match event {
            "event" => self.event(ctx, &payload),
            "live_patch" if payload["url"].is_string() => {
                Handled::ok(&json!({ "diff": { "1": "patched" } }))
            }
            "allow_upload" => {
                let (reference, file) = (&payload["ref"], &payload["entries"][0]);
                let (Some(entry), Some(size)) = (file["ref"].as_str(), file["size"].as_u64())
                else {
                    return Handled::Crash;
                };
                if size > LARGEST {
                    return Handled::ok(
                        &json!({ "error": [[entry, "too_large"]], "ref": reference }),
                    );
                }
                Handled::ok(&json!({
                    "ref": reference,
                    "config": { "chunk_size": 64_000, "max_file_size": LARGEST },
                    "entries": { entry: "upload-token" },
                    "diff": {},
                    "errors": {},
                }))
            }
            "progress" if payload["entry_ref"].is_string() => Handled::ok(&json!({ "diff": {} })),
            _ => Handled::Crash,
        }
    }
}

struct Upload;

impl Channel for Upload {
    fn join(&mut self, _: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let params: Value = params.decode().unwrap_or_default();
        match params["token"] == "upload-token" {
            true => Ok(Payload::empty()),
            false => Err(Payload::json(&json!({ "reason": "invalid_token" })).unwrap_or_default()),
        }
    }

    fn handle_in(&mut self, _: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match event == "chunk" && payload.is_binary() && payload.len() <= 64_000 {
            true => Handled::ok(&json!({})),
            false => Handled::Crash,
        }
    }
}
