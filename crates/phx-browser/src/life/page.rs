//! A page with a client that obeys.

use std::net::SocketAddr;

use phx_browser::Browser;
use phx_testing::suite::{Host, Site as _};
use serde_json::{Value, json};
use tokio::task::JoinError;

/// A delay after which no test waits, in milliseconds.
pub(super) const FOREVER: u64 = 3_600_000;

/// A browser with a page in front.
pub(super) struct Page {
    pub(super) browser: Browser,
}

impl Page {
    /// Opens a page whose client has joined `room:a` and `end:a` of a server. It waits for hours before it reconnects,
    /// unless `options` say otherwise.
    pub(super) async fn open(pages: SocketAddr, server: &Host, options: Value) -> Self {
        let page = Page::load(&format!("http://localhost:{}/life.html", pages.port()), true).await;
        let mut all = json!({ "url": server.url(), "delay": FOREVER });
        if let (Some(all), Value::Object(options)) = (all.as_object_mut(), options) {
            all.extend(options);
        }
        page.command("open", all).await;
        page.until("end:a Joined", 1).await;
        page.until("room:a Joined", 1).await;
        page
    }

    /// Loads a page. `checks_certificates` is false for one behind a certificate that the browser doesn't know.
    pub(super) async fn load(url: &str, checks_certificates: bool) -> Self {
        let lenient = ["--ignore-certificate-errors"];
        let switches: &[&str] = if checks_certificates { &[] } else { &lenient };
        let browser = Browser::start_with(switches).await;
        browser.open(url).await;
        let page = Page { browser };
        page.until("ready", 1).await;
        page
    }

    /// Gives the client a command, and returns the answer.
    pub(super) async fn command(&self, what: &str, value: Value) -> Value {
        let command = Value::from(json!([what, value]).to_string());
        let answer = self.browser.run_with("return command(arguments[0])", &[command]).await;
        serde_json::from_str(answer.as_str().expect("an answer")).expect("JSON")
    }

    pub(super) async fn counters(&self) -> Value {
        self.command("counters", Value::Null).await
    }

    /// Waits until the page has noted something with `text` in it `count` times.
    pub(super) async fn until(&self, text: &str, count: u32) {
        let script = "const [text, count, done] = arguments
            globalThis.until(text, count).then(() => done())";
        self.browser.run_async(script, &[json!(text), json!(count)]).await;
    }

    /// Returns what the page has noted.
    pub(super) async fn seen(&self) -> Vec<String> {
        let seen = self.browser.run("return seen").await;
        serde_json::from_value(seen).expect("a list of texts")
    }

    /// Opens another page in front of it.
    pub(super) async fn hide(&self) {
        self.browser.open_in_front().await;
        self.until("event visibilitychange", 1).await;
        assert_eq!(self.browser.run("return document.visibilityState").await, "hidden");
    }

    /// Cuts the page off from the network, or ends that.
    pub(super) async fn go_offline(&self, is_offline: bool) {
        self.browser.devtools("Network.enable", json!({})).await;
        let conditions = json!({
            "offline": is_offline,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": -1,
        });
        self.browser.devtools("Network.emulateNetworkConditions", conditions).await;
        let is_online = self.browser.run("return navigator.onLine").await;
        assert_eq!(is_online, !is_offline);
    }

    /// Returns the bytes of WebAssembly's memory, and those of JavaScript's heap after a collection.
    pub(super) async fn memory(&self) -> (u64, u64) {
        self.browser.devtools("HeapProfiler.collectGarbage", json!({})).await;
        let wasm = self.browser.run("return program.memory.buffer.byteLength").await;
        let heap = self.browser.devtools("Runtime.getHeapUsage", json!({})).await;
        (wasm.as_u64().expect("a size"), heap["usedSize"].as_f64().expect("a size") as u64)
    }

    pub(super) async fn close(self) {
        self.browser.close().await;
    }
}

/// Returns the message of a panic.
pub(super) fn text_of(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            text.unwrap_or_else(|| "a panic".to_owned())
        }
        Err(error) => error.to_string(),
    }
}
