//! The wire of Phoenix LiveView, as far as a load needs it. It is private to LiveView, and moves: this was written for
//! `phoenix_live_view` 1.2.10, and is the one place that knows it.
//!
//! A page has what the socket and the view need: cookies, a CSRF token, a session. Diffs are received and measured, and not
//! rendered. Cookies, tokens and sessions are in no error and no name.

use std::collections::BTreeMap;
use std::time::Duration;

use phx_tokio::{
    Channel, Endpoint, HttpClient, HttpRequest, JoinCause, JoinError, Payload, Push, Reply, Socket,
    SocketBuilder, Status,
};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::page::{Page, upload_ref};
use crate::bench::recorder::ErrorClass;

/// Cookies of a user.
const MAX_COOKIES: usize = 16;

/// Bytes of their names and values.
const MAX_COOKIE_BYTES: usize = 8 << 10;

/// Bytes of a chunk, if the server doesn't say.
const CHUNK: usize = 64_000;

/// What a user knows of a view.
#[derive(Default)]
pub(super) struct LiveView {
    cookies: BTreeMap<String, String>,
    /// The page that was fetched last, with its URL.
    page: Option<(String, Page)>,
    view: Option<Channel>,
    /// The ref of the view's first upload.
    upload_ref: Option<String>,
    /// Files that were sent. Their channels end with the view, or when the server has consumed them.
    uploads: Vec<Channel>,
}

impl LiveView {
    /// Fetches a page of the socket's server, and takes what it has.
    pub(super) async fn fetch(
        &mut self,
        http: &HttpClient,
        socket_url: &str,
        path: &str,
    ) -> Result<usize, ErrorClass> {
        let url = page_url(socket_url, path).ok_or(ErrorClass::new("the URL can't be used"))?;
        let unusable = |_| ErrorClass::new("the URL can't be used");
        let mut request = HttpRequest::get(&url).map_err(unusable)?;
        if let Some(cookies) = self.cookie_header() {
            request = request.with_header("Cookie", &cookies).map_err(unusable)?;
        }
        let answer = http.send(request).await.map_err(|_| ErrorClass::new("no answer"))?;
        for (name, value) in answer.headers.iter() {
            if name.eq_ignore_ascii_case("set-cookie") {
                self.keep_cookie(&String::from_utf8_lossy(value));
            }
        }
        if answer.status != 200 {
            return Err(ErrorClass::answered(answer.status));
        }
        let page = Page::parse(&String::from_utf8_lossy(&answer.body));
        self.page = Some((url, page.ok_or(ErrorClass::new("no live view in the page"))?));
        Ok(answer.body.len())
    }

    /// Adds the cookies and the CSRF token of the page to a socket's settings.
    pub(super) fn settle(&self, mut builder: SocketBuilder) -> SocketBuilder {
        let Some((_, page)) = &self.page else { return builder };
        if let Some(cookies) = self.cookie_header() {
            builder = builder.header("Cookie", &cookies);
        }
        builder.param("_csrf_token", &page.csrf_token).param("_mounts", "0")
    }

    /// Joins the view of the page.
    pub(super) async fn mount(
        &mut self,
        socket: &Socket,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        let (url, page) = self.page.as_ref().ok_or(ErrorClass::new("no page"))?;
        let params = join_params("url", url, page);
        let (topic, replaces) = (format!("lv:{}", page.id), self.view.is_some());
        self.join(socket, topic, params, replaces, timeout).await
    }

    /// Goes to another view of the same live session: leaves the view and joins it again at once, with the session that it had.
    pub(super) async fn navigate(
        &mut self,
        socket: &Socket,
        socket_url: &str,
        path: &str,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        let (_, page) = self.page.as_ref().ok_or(ErrorClass::new("no page"))?;
        let topic = self.view()?.topic().to_string();
        let url = page_url(socket_url, path).ok_or(ErrorClass::new("the URL can't be used"))?;
        let params = join_params("redirect", &url, page);
        self.join(socket, topic, params, true, timeout).await
    }

    async fn join(
        &mut self,
        socket: &Socket,
        topic: String,
        params: Value,
        replaces: bool,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        self.uploads.clear();
        let params = Payload::json(&params).map_err(|_| ErrorClass::new("failed"))?;
        let builder = socket.channel(topic).params(params);
        let builder = if replaces { builder.replace() } else { builder };
        let view = builder.create().map_err(|_| ErrorClass::new("refused locally"))?;
        let rendered = view.join_with_timeout(timeout).await.map_err(|error| class_of(&error))?;
        self.upload_ref = upload_ref(rendered.as_json().unwrap_or_default());
        self.view = Some(view);
        Ok(rendered)
    }

    /// Sends an event of a button, a key or a hook.
    pub(super) async fn event(
        &self,
        kind: &str,
        event: &str,
        value: &Payload,
        cid: Option<u64>,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        let value: Value = value.decode().unwrap_or_default();
        let mut event = json!({ "type": kind, "event": event, "value": value });
        if let Some(cid) = cid {
            event["cid"] = json!(cid);
        }
        self.push("event", &event, timeout).await
    }

    /// Sends an event of a form: its fields are an object.
    pub(super) async fn form(
        &self,
        event: &str,
        fields: &Payload,
        target: Option<&str>,
        cid: Option<u64>,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        let value = json!(encoded(&fields.decode().unwrap_or_default()));
        let mut event = json!({ "type": "form", "event": event, "value": value, "meta": {} });
        if let Some(target) = target {
            event["meta"] = json!({ "_target": target_path(target) });
        }
        if let Some(cid) = cid {
            event["cid"] = json!(cid);
        }
        self.push("event", &event, timeout).await
    }

    /// Goes to other params of the same view.
    pub(super) async fn patch(
        &mut self,
        socket_url: &str,
        path: &str,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        let url = page_url(socket_url, path).ok_or(ErrorClass::new("the URL can't be used"))?;
        self.push("live_patch", &json!({ "url": url }), timeout).await
    }

    /// Sends a file of so many bytes to the view's first upload, each chunk after the server took the one before.
    pub(super) async fn upload(
        &mut self,
        socket: &Socket,
        size: usize,
        timeout: Duration,
    ) -> Result<usize, ErrorClass> {
        let reference = self.upload_ref.clone().ok_or(ErrorClass::new("no upload in the view"))?;
        let entry = self.uploads.len().to_string();
        let file = json!({
            "ref": entry, "name": "upload.bin", "relative_path": "", "size": size,
            "type": "application/octet-stream", "last_modified": 0,
        });
        let allowed = json!({ "ref": reference, "entries": [file], "cid": null });
        let allowed = self.push("allow_upload", &allowed, timeout).await?;
        let allowed: Value = allowed.decode().unwrap_or_default();
        let token = allowed.pointer(&format!("/entries/{entry}")).filter(|token| token.is_string());
        let token = token.ok_or(ErrorClass::new("upload refused"))?;
        let chunk_size = allowed.pointer("/config/chunk_size").and_then(Value::as_u64);
        let chunk_size = chunk_size.and_then(|size| usize::try_from(size).ok()).unwrap_or(CHUNK);
        let params = Payload::json(&json!({ "token": token }));
        let channel = socket.channel(format!("lvu:{entry}")).params(params.unwrap_or_default());
        let channel = channel.create().map_err(|_| ErrorClass::new("refused locally"))?;
        channel.join_with_timeout(timeout).await.map_err(|error| class_of(&error))?;
        let mut sent = 0;
        while sent < size {
            let length = chunk_size.clamp(1, CHUNK).min(size.saturating_sub(sent));
            let chunk = Payload::binary(vec![b'x'; length]);
            let push: Push<()> = channel.push_with_timeout(timeout, "chunk", chunk);
            answered(push.reply().await)?;
            sent = sent.saturating_add(length);
            let progress = sent.saturating_mul(100).checked_div(size).unwrap_or(100);
            let progress = json!({
                "event": null, "ref": reference, "entry_ref": entry, "progress": progress,
            });
            self.push("progress", &progress, timeout).await?;
        }
        // The view crashes if the channel is left before the file is consumed.
        self.uploads.push(channel);
        Ok(sent)
    }

    async fn push(
        &self,
        event: &'static str,
        payload: &Value,
        timeout: Duration,
    ) -> Result<Payload, ErrorClass> {
        let push: Push<()> = self.view()?.push_with_timeout(timeout, event, payload);
        answered(push.reply().await)
    }

    fn view(&self) -> Result<&Channel, ErrorClass> {
        self.view.as_ref().ok_or(ErrorClass::new("not mounted"))
    }

    /// Forgets the views, whose connection ends; cookies stay.
    pub(super) fn disconnect(&mut self) {
        self.view = None;
        self.uploads.clear();
    }

    fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let header = cookies.collect::<Vec<_>>().join("; ");
        (!header.is_empty()).then_some(header)
    }

    /// Keeps the name and the value of a cookie; all requests of a user go to one server.
    fn keep_cookie(&mut self, header: &str) {
        let pair = header.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.trim().split_once('=') else { return };
        let held: usize = self.cookies.iter().map(|(name, value)| name.len() + value.len()).sum();
        let is_new = !self.cookies.contains_key(name);
        let is_full = is_new && self.cookies.len() >= MAX_COOKIES;
        if !is_full && held.saturating_add(pair.len()) <= MAX_COOKIE_BYTES {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn join_params(kind: &str, url: &str, page: &Page) -> Value {
    json!({
        kind: url,
        "params": { "_csrf_token": page.csrf_token, "_mounts": 0 },
        "session": page.session,
        "static": page.static_token,
    })
}

/// The URL of a path on a socket's server.
fn page_url(socket_url: &str, path: &str) -> Option<String> {
    let request = Endpoint::parse(socket_url).ok()?.request("");
    let scheme = if request.is_tls() { "https" } else { "http" };
    let host = request.url().host_str()?.to_owned();
    let host = request.url().port().map_or(host.clone(), |port| format!("{host}:{port}"));
    path.starts_with('/').then(|| format!("{scheme}://{host}{path}"))
}

/// Fields of a form as they are in a URL.
fn encoded(fields: &BTreeMap<String, Value>) -> String {
    let mut text = Serializer::new(String::new());
    for (name, value) in fields {
        match value {
            Value::String(value) => text.append_pair(name, value),
            value => text.append_pair(name, &value.to_string()),
        };
    }
    text.finish()
}

/// `user[name]` as the path `["user", "name"]`.
fn target_path(target: &str) -> Vec<&str> {
    target.split(['[', ']']).filter(|part| !part.is_empty()).collect()
}

fn answered(reply: Result<Reply, phx_tokio::PushError>) -> Result<Payload, ErrorClass> {
    match reply {
        Ok(Reply { status: Status::Ok, response, .. }) => Ok(response),
        Ok(reply) => Err(ErrorClass::replied(&reply.status)),
        Err(failed) => Err(ErrorClass::of_push(&failed)),
    }
}

/// The class of a join that failed. Reasons are a server's text, of which two are LiveView's.
fn class_of(failed: &JoinError) -> ErrorClass {
    let JoinCause::Rejected { response, .. } = &failed.cause else {
        return ErrorClass::of_join(failed);
    };
    let response: Value = response.decode().unwrap_or_default();
    let is_redirect = ["redirect", "live_redirect"].iter().any(|name| response.get(name).is_some());
    ErrorClass::new(match response.get("reason").and_then(Value::as_str) {
        Some("stale") => "stale session",
        Some("unauthorized") => "unauthorized",
        _ if is_redirect => "redirected",
        _ => "rejected",
    })
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    #[test]
    fn pages_are_on_the_sockets_server() {
        for (socket, path, page) in [
            ("ws://127.0.0.1:4000/live", "/a?b=c", Some("http://127.0.0.1:4000/a?b=c")),
            ("wss://example.com/live", "/", Some("https://example.com/")),
            ("ws://[::1]:80/live", "/", Some("http://[::1]/")),
            ("ws://127.0.0.1:4000/live", "http://elsewhere/", None),
            ("ws://127.0.0.1:4000/live", "@elsewhere/", None),
        ] {
            assert_eq!(page_url(socket, path).as_deref(), page, "{socket} {path}");
        }
    }

    #[test]
    fn forms_are_encoded_as_browsers_do() {
        let fields = json!({ "user[name]": "a b&c", "user[age]": 7 });
        let fields: BTreeMap<String, Value> = serde_json::from_value(fields).unwrap();
        assert_eq!(encoded(&fields), "user%5Bage%5D=7&user%5Bname%5D=a+b%26c");
        assert_eq!(target_path("user[name]"), ["user", "name"]);
        assert_eq!(target_path("name"), ["name"]);
    }

    #[test]
    fn cookies_are_few_and_small() {
        let mut user = LiveView::default();
        user.keep_cookie("_key=abc; Path=/; HttpOnly");
        user.keep_cookie("_key=def");
        user.keep_cookie("nonsense");
        assert_eq!(user.cookie_header().as_deref(), Some("_key=def"));
        user.keep_cookie(&format!("large={}", "x".repeat(MAX_COOKIE_BYTES)));
        for n in 0..100 {
            user.keep_cookie(&format!("c{n}=1"));
        }
        assert_eq!(user.cookies.len(), MAX_COOKIES);
        let used = measure(|| {
            let mut user = LiveView::default();
            for n in 0..1_000 {
                user.keep_cookie(&format!("c{}={}", n % 20, "x".repeat(1_000)));
            }
        });
        assert!(used.bytes_max < 3 * MAX_COOKIE_BYTES as u64, "{used:?}");
    }
}
