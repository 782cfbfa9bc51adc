//! A headless Chromium, driven over `WebDriver` by Debian's `chromedriver`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream as BlockingStream;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::{PATIENCE, Process};

/// Browser with a profile of its own run. Dropping it ends it. Its methods panic where something fails.
#[derive(Debug)]
pub struct Browser {
    _driver: Process,
    _profile: TempDir,
    port: u16,
    session: String,
}

impl Browser {
    /// Starts a browser with one page.
    pub async fn start() -> Self {
        Browser::start_with(&[]).await
    }

    /// Starts a browser with one page and further switches.
    pub async fn start_with(switches: &[&str]) -> Self {
        let mut driver = Process::start(Path::new("chromedriver"), &["--port=0"]);
        let started = driver.line_with("started successfully on port ").await;
        let port = started.trim_end_matches('.').parse().expect("a port");
        let profile = TempDir::new().unwrap();
        let mut browser =
            Browser { _driver: driver, _profile: profile, port, session: String::new() };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        // Its sandbox wants more rights than root has in a container, and more shared memory.
        let args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", &profile];
        let args: Vec<&str> = args.iter().chain(switches).copied().collect();
        // The driver's own switch, by which hidden pages keep fast timers.
        let without = ["disable-background-timer-throttling"];
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        let long = patience * 3;
        let wanted = json!({
            "goog:chromeOptions": { "args": args, "excludeSwitches": without },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": long, "pageLoad": patience },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let session = browser.call("POST", "", &wanted).await;
        browser.session = format!("/{}", session["sessionId"].as_str().expect("a session"));
        browser
    }

    /// Opens a page, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url })).await;
    }

    /// Runs JavaScript in the page, and returns what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.run_with(script, &[]).await
    }

    /// Runs JavaScript in the page with these `arguments`, and returns what it returns.
    pub async fn run_with(&self, script: &str, arguments: &[Value]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.call("POST", "/execute/sync", &body).await
    }

    /// Runs JavaScript in the page with these `arguments` and a function, and returns what that function is called with.
    pub async fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.call("POST", "/execute/async", &body).await
    }

    /// Goes back by one page, and waits until it is there.
    pub async fn back(&self) {
        self.call("POST", "/back", &json!({})).await;
    }

    /// Opens an empty page in front of the present one, which stays the one for calls. Switching to it would show it again.
    pub async fn open_in_front(&self) {
        let new = self.devtools("Target.createTarget", json!({ "url": "about:blank" })).await;
        self.devtools("Target.activateTarget", json!({ "targetId": new["targetId"] })).await;
    }

    /// Returns what was written to the console since the last call.
    pub async fn console(&self) -> Value {
        self.call("POST", "/se/log", &json!({ "type": "browser" })).await
    }

    /// Waits until an element contains `text`.
    pub async fn sees(&self, selector: &str, text: &str) {
        // The page reports when it has changed.
        let script = "
            const [selector, text, done] = arguments
            const isThere = () => document.querySelector(selector)?.textContent.includes(text)
            if (isThere()) return done()
            const observer = new MutationObserver(() => {
              if (isThere()) { observer.disconnect(); done() }
            })
            observer.observe(document, { subtree: true, childList: true, characterData: true })";
        self.run_async(script, &[Value::from(selector), Value::from(text)]).await;
    }

    /// Closes the browser.
    pub async fn close(mut self) {
        self.call("DELETE", "", &Value::Null).await;
        self.session.clear();
    }

    /// Executes a command of the Chrome `DevTools` protocol for the page.
    pub async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.call("POST", "/goog/cdp/execute", &body).await
    }

    /// Sends a request to the driver, and returns the value of its answer.
    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = self.request(method, path, body);
        let asking = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            // The driver keeps the connection, whatever it is asked for.
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
            }
            let length = head.to_lowercase();
            let length =
                length.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            (head, body)
        };
        // The driver's own limits are for the page.
        let (head, body) = timeout(PATIENCE * 4, asking).await.expect("the driver answers");
        let mut body: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(head.starts_with("HTTP/1.1 200"), "{}", body["value"]["message"]);
        body["value"].take()
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        format!(
            "{method} /session{}{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        )
    }
}

/// Has the driver end the browser, which would outlive the driver, after a test that failed.
impl Drop for Browser {
    fn drop(&mut self) {
        if self.session.is_empty() {
            return;
        }
        let request = self.request("DELETE", "", &Value::Null);
        // A failure mustn't hide the one before it.
        let _ = BlockingStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read(&mut [0; 512])
        });
    }
}
