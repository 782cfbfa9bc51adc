#!/usr/bin/env bash
# npm's `phoenix`, Phoenix's official JavaScript client: what it does after a close frame with the code 1000
# changed in a patch release. Up to 1.8.15 it stays closed for good, without an error and without another
# attempt; 1.8.16 reconnects. Phoenix servers do send 1000 to clients that should come back: Phoenix 1.7 when an
# application broadcasts "disconnect", Bandit when it drains a socket without a channel, Cowboy to an idle one.
#
# Seen on 2026-12-01 with Node 20.20.2 and ws 8.23.0; the server closes each connection with 1000 as soon as it is
# open, and counts for a second:
#
#   1.7.23 connections=1
#   1.8.15 connections=1
#   1.8.16 connections=more than one
#
# Needs node and npm. Exits with 0 if that still holds, with 1 if it has changed.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save --prefix . \
    ws@8.23.0 phoenix-1.7.23@npm:phoenix@1.7.23 phoenix-1.8.15@npm:phoenix@1.8.15 phoenix-1.8.16@npm:phoenix@1.8.16

cat >count.cjs <<'JS'
const { once } = require("node:events");
const { WebSocketServer, WebSocket } = require("ws");

(async () => {
  for (const version of ["1.7.23", "1.8.15", "1.8.16"]) {
    const { Socket } = require(`phoenix-${version}`);
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    let connections = 0;
    server.on("connection", (connection) => {
      connections += 1;
      connection.close(1000);
    });
    const url = `ws://127.0.0.1:${server.address().port}/socket`;
    const socket = new Socket(url, { transport: WebSocket });
    socket.connect();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    console.log(`${version} connections=${connections === 1 ? "1" : "more than one"}`);
    socket.disconnect();
    server.close();
  }
  process.exit(0);
})();
JS

seen="$(node count.cjs)"
expected='1.7.23 connections=1
1.8.15 connections=1
1.8.16 connections=more than one'
echo "$seen"
if [[ "$seen" != "$expected" ]]; then
    echo "changed: expected" >&2
    echo "$expected" >&2
    exit 1
fi
