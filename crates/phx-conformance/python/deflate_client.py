"""Python's `websockets` as a client that compresses, against the server kit:

    python deflate_client.py ws://127.0.0.1:4711/socket MESSAGES SEED '{"server_max_window_bits":9}'

It does the same as js/deflate_client.mjs.
"""

import json
import random
import sys

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

url, count, seed, options = sys.argv[1:]
draw = random.Random(int(seed))
words = [f"w{n * 7919:x}\u00f6" for n in range(200)]


def text():
    """Returns a text that compresses about as English does."""
    length = draw.randrange(65_536) if draw.randrange(50) == 0 else draw.randrange(400)
    parts = []
    size = 0
    while size < length:
        part = str(draw.randrange(1_000_000)) if draw.randrange(3) == 0 else draw.choice(words)
        parts.append(part)
        size += len(part) + 1
    return " ".join(parts)[:length]


def header(kind, *names):
    """Returns the front of a binary push, or of a reply to it."""
    return bytes([kind, *map(len, names)]) + "".join(names).encode()


def compact(message):
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


offer = ClientPerMessageDeflateFactory(**json.loads(options))
with connect(
    f"{url}/websocket?vsn=2.0.0", compression=None, extensions=[offer], open_timeout=20, max_size=2**24
) as client:
    client.send('["1","1","room:a","phx_join",{}]')
    client.recv(timeout=20)
    done = 0
    while done < int(count):
        expected = []
        for _ in range(min(draw.randint(1, 8), int(count) - done)):
            done += 1
            ref = str(done)
            body = text()
            if draw.randrange(4) == 0:
                client.send(header(0, "1", ref, "room:a", "echo") + body.encode())
                expected.append(header(1, "1", ref, "room:a", "ok") + body.encode())
            else:
                client.send(compact(["1", ref, "room:a", "echo", {"body": body}]))
                reply = {"response": {"body": body}, "status": "ok"}
                expected.append(compact(["1", ref, "room:a", "phx_reply", reply]))
        for answer in expected:
            assert client.recv(timeout=20) == answer, "the same message"
    agreed = client.response.headers.get("Sec-WebSocket-Extensions", "")
print(json.dumps({"agreed": agreed, "messages": done, "code": client.close_code}))
