#!/usr/bin/env bash
# Chromium: what becomes of the open WebSocket of a page that goes into the back-forward cache. For the server it stays
# open, without a close frame or any other sign, as long as the page is cached; a chat shows a person who has left. When
# the page is shown again, the page gets `error` and `close` 1006, and only then the server a close with 1001. A page that
# calls `close()` in its `pagehide` event is cached all the same, and the server knows at once.
#
# Seen on 2026-12-02 with Chromium 156.0.8078.114 (Debian 12), Node 20.20.2 and ws 8.23.0; three seconds in the cache:
#
#   left open: cached=true, for the server while cached: open, afterwards: 1001, in the page: close 1006
#   closed in pagehide: cached=true, for the server while cached: 1000, afterwards: 1000, in the page: close 1000
#
# Needs node, npm and chromium. Exits with 0 if that still holds, with 1 if it has changed.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save --prefix . ws@8.23.0

cat >watch.cjs <<'JS'
const { once, EventEmitter } = require("node:events");
const { spawn } = require("node:child_process");
const { createServer } = require("node:http");
const { WebSocketServer } = require("ws");

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

(async () => {
  const http = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>page</title>");
  });
  const sockets = new WebSocketServer({ server: http });
  let code = "open";
  sockets.on("connection", (socket) => {
    code = "open";
    socket.on("close", (with_code) => { code = with_code; });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = `127.0.0.1:${http.address().port}`;

  const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--remote-debugging-pipe", `--user-data-dir=${process.cwd()}/profile`];
  const chromium = spawn("chromium", options, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const events = new EventEmitter();
  const answers = new Map();
  let buffer = "";
  chromium.stdio[4].on("data", (data) => {
    const messages = (buffer + data).split("\0");
    buffer = messages.pop();
    for (const message of messages.map(JSON.parse)) {
      message.id ? answers.get(message.id)(message.result) : events.emit(message.method, message.params);
    }
  });
  let last = 0;
  const call = (method, params = {}, sessionId) => new Promise((resolve) => {
    answers.set(++last, resolve);
    chromium.stdio[3].write(JSON.stringify({ id: last, method, params, sessionId }) + "\0");
  });

  for (const [name, leave] of [["left open", ""], ["closed in pagehide", "addEventListener('pagehide', () => s.close(1000))"]]) {
    const { targetId } = await call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
    const page = (method, params) => call(method, params, sessionId);
    const run = async (expression) => {
      const { result } = await page("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      return result.value;
    };
    await page("Page.enable");
    const go = async (url) => {
      const loaded = once(events, "Page.loadEventFired");
      await page("Page.navigate", { url });
      await loaded;
    };
    await go(`http://${address}/one`);
    await run(`window.ended = "none"; window.cached = false
      addEventListener("pageshow", (event) => { cached = event.persisted })
      window.s = new WebSocket("ws://${address}/")
      s.addEventListener("close", (event) => { ended = event.code })
      ${leave}
      new Promise((resolve) => { s.onopen = () => resolve(0) })`);
    await go(`http://${address}/two`);
    await pause(3000);
    const meanwhile = code;
    const { entries, currentIndex } = await page("Page.getNavigationHistory");
    const shown = once(events, "Page.frameNavigated");
    await page("Page.navigateToHistoryEntry", { entryId: entries[currentIndex - 1].id });
    await shown;
    await pause(1000);
    console.log(`${name}: cached=${await run("cached")}, for the server while cached: ${meanwhile}, ` +
      `afterwards: ${code}, in the page: close ${await run("ended")}`);
  }
  chromium.kill();
  await once(chromium, "exit");
  process.exit(0);
})();
JS

seen="$(timeout 120 node watch.cjs)"
expected='left open: cached=true, for the server while cached: open, afterwards: 1001, in the page: close 1006
closed in pagehide: cached=true, for the server while cached: 1000, afterwards: 1000, in the page: close 1000'
echo "$seen"
if [[ "$seen" != "$expected" ]]; then
    echo "changed: expected" >&2
    echo "$expected" >&2
    exit 1
fi
