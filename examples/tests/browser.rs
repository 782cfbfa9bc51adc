//! What a person would look at in a browser, looked at by a headless Chromium.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use escargot::CargoBuild;
use phx_browser::{Browser, Process};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "common/build.rs"]
mod build;

use build::{WORKSPACE, built, without_variables_of_cargo};

#[tokio::test]
async fn a_browser_with_the_official_client_and_a_terminal_talk_to_each_other() {
    let mut site = Process::start(&example("browser_chat"), &[]);
    let page = site.line_with("in a browser: ").await;
    let url = site.line_with(" --server ").await;

    let mut ann = Process::start(&example("chat"), &["--name", "ann", "--server", &url]);
    ann.line_with("* here: ann").await;
    let bob = Browser::start().await;
    bob.open(&page).await;
    bob.sees("#status", "connected as bob").await;
    bob.sees("#people", "here: ann, bob").await;
    ann.line_with("* bob joined").await;

    ann.types("good morning").await;
    bob.sees("#messages", "ann: good morning").await;
    say(&bob, "from the browser").await;
    ann.line_with("bob: from the browser").await;
    bob.sees("#messages", "bob: from the browser").await;

    bob.close().await;
    ann.line_with("* bob left").await;
    ann.types("/quit").await;
    ann.ends().await;
    site.ends().await;
}

/// A page in Rust, a page with the official client and a terminal in one room, through the loss of all connections.
#[tokio::test]
async fn pages_in_rust_and_in_javascript_and_a_terminal_talk_and_reconnect() {
    // Built before, since the site is expected to start at once.
    let page = CargoBuild::new().package("web-chat").bin("web-chat").manifest_path(WORKSPACE);
    let page = page.target("wasm32-unknown-unknown").args(["--profile", "checks", "--locked"]);
    without_variables_of_cargo(page).run().unwrap();
    let site = built(CargoBuild::new().bin("phx-browser"));
    let mut site = Process::start(&site, &["web-chat", "checks"]);
    let in_rust = site.line_with(" KiB): ").await;
    let official = site.line_with("official client: ").await;
    let url = site.line_with(" --server ").await;

    let mut ann = Process::start(&example("chat"), &["--name", "ann", "--server", &url]);
    ann.line_with("* here: ann").await;
    let (eve, bob) = (Browser::start().await, Browser::start().await);
    eve.open(&in_rust).await;
    eve.sees("#status", "connected as eve").await;
    ann.line_with("* eve joined").await;
    bob.open(&official).await;
    for page in [&eve, &bob] {
        page.sees("#people", "here: ann, bob, eve").await;
    }
    ann.line_with("* bob joined").await;

    ann.types("good morning").await;
    for page in [&eve, &bob] {
        page.sees("#messages", "ann: good morning").await;
    }
    say(&eve, "from <b>Rust</b>").await;
    ann.line_with("eve: from <b>Rust</b>").await;
    bob.sees("#messages", "eve: from <b>Rust</b>").await;
    eve.sees("#messages", "eve: from <b>Rust</b>").await;

    site.types("").await;
    ann.line_with("* connection lost, reconnecting").await;
    for page in [&eve, &bob] {
        page.sees("#status", "connection lost, reconnecting").await;
    }
    // It waits for the rejoin, and isn't lost.
    say(&eve, "while offline").await;
    site.types("").await;
    ann.line_with("* reconnected").await;
    eve.sees("#status", "reconnected as eve").await;
    eve.sees("#messages", "back in the room; messages may be missing here").await;
    bob.sees("#status", "connected as bob").await;
    for page in [&eve, &bob] {
        page.sees("#people", "here: ann, bob, eve").await;
    }
    say(&bob, "from JavaScript").await;
    ann.line_with("bob: from JavaScript").await;
    eve.sees("#messages", "eve: while offline").await;
    eve.sees("#messages", "bob: from JavaScript").await;

    eve.close().await;
    ann.line_with("* eve left").await;
    bob.close().await;
    ann.types("/quit").await;
    ann.ends().await;
    site.ends().await;
}

/// Types a text into a page, and submits it.
async fn say(page: &Browser, text: &str) {
    let script = "document.getElementById('text').value = arguments[0]
        document.getElementById('say').requestSubmit()";
    page.run_with(script, &[Value::from(text)]).await;
}

/// Chromium compresses what it sends if the server agrees to its offer, and follows what the server compresses.
#[tokio::test]
async fn a_browser_and_a_server_that_compresses_follow_each_other() {
    // Its page has the official client.
    let mut site = Process::start(&example("browser_chat"), &[]);
    let page = site.line_with("in a browser: ").await;
    let (phx, browser) = (phx(), Browser::start().await);
    browser.open(&page).await;
    for kind in ["bandit", "cowboy"] {
        let serve = ["serve", "--port", "0", "--compress", "--http-server", kind];
        let mut server = Process::start(&phx, &serve);
        let url = server.line_with("").await;
        let script = "
            return (async () => {
            const { Socket } = await import('/phoenix.mjs')
            const socket = new Socket('{url}')
            const ends = []
            socket.onClose(({ code }) => ends.push(code))
            socket.connect()
            const room = socket.channel('room:compressed')
            const answered = push => new Promise((resolve, reject) => push
              .receive('ok', resolve)
              .receive('error', reject)
              .receive('timeout', () => reject(new Error('no answer in time'))))
            await answered(room.join())
            let wrong = 0
            for (let number = 0; number < 300; number++) {
              const words = Array.from({ length: 1 + number % 200 }, (_, at) => (number * at * 7919 % 99991).toString(36))
              const sent = { number, text: `row ${words.join(' ')} \u{f6}` }
              const reply = await answered(room.push('echo', sent))
              wrong += JSON.stringify(reply) !== JSON.stringify(sent)
            }
            const extensions = socket.conn.extensions
            socket.disconnect()
            return { extensions: extensions.split(';')[0], wrong, ends }
            })()";
        let found = browser.run(&script.replace("{url}", &url)).await;
        let expected = json!({ "extensions": "permessage-deflate", "wrong": 0, "ends": [] });
        assert_eq!(found, expected, "{kind}");
        server.types("quit").await;
        server.ends().await;
    }
    browser.close().await;
    site.ends().await;
}

#[tokio::test]
async fn the_report_of_a_benchmark_shows_its_plots_and_asks_nobody_for_anything() {
    let phx = phx();
    let mut server = Process::start(&phx, &["serve", "--port", "0"]);
    let url = server.line_with("").await;
    let directory = TempDir::new().unwrap();
    let report = directory.path().join("report.html");
    let output = report.to_str().unwrap();
    let mut bench = Process::start(&phx, &["bench", &url, "-s", "2", "-d", "1s", "-o", output]);
    bench.line_with("reconnects   0").await;
    bench.ends().await;
    server.types("quit").await;
    server.ends().await;

    let browser = Browser::start().await;
    browser.open(&format!("file://{output}")).await;
    // Each plot is there twice, once for each width of a screen.
    let script = "return [...document.querySelectorAll('svg')]
      .filter(svg => svg.checkVisibility())
      .map(svg => ({
        tall: svg.getBoundingClientRect().height > 100,
        drawn: [...svg.querySelectorAll('path.line, rect.bar')]
          .some(mark => mark.getBoundingClientRect().height > 10),
        inside: [...svg.querySelectorAll('path, rect')].every(mark => {
          const [inner, outer] = [mark, svg].map(e => e.getBoundingClientRect());
          return inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1
            && inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
        }),
        fits: svg.getBoundingClientRect().right <= innerWidth,
      }))";
    let fine = json!({ "tall": true, "drawn": true, "inside": true, "fits": true });
    for width in [1280, 420] {
        let screen =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", screen).await;
        assert_eq!(browser.run("return innerWidth").await, width);
        assert_eq!(browser.run(script).await, Value::from(vec![fine.clone(); 4]), "{width} px");
    }
    let fetched = browser.run("return performance.getEntriesByType('resource').length").await;
    assert_eq!(fetched, 0);
    browser.close().await;
}

fn example(name: &str) -> std::path::PathBuf {
    built(CargoBuild::new().example(name))
}

fn phx() -> std::path::PathBuf {
    built(CargoBuild::new().bin("phx"))
}
