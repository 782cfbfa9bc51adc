"""Python's `websockets` as a server that compresses, for the client's codec:

    python deflate_server.py '{"server_max_window_bits":9}'

The first line is its port. It answers each message of a connection with the same message; every third one goes out as
fragments.
"""

import json
import os
import sys
import threading

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.sync.server import serve


def echo(connection):
    for count, message in enumerate(connection, 1):
        if count % 3 == 0 and len(message) > 2:
            middle = len(message) // 2
            connection.send(iter([message[:middle], message[middle:]]))
        else:
            connection.send(message)


def wait():
    """Ends with the standard input."""
    sys.stdin.read()
    os._exit(0)


agreement = ServerPerMessageDeflateFactory(**json.loads(sys.argv[1]))
with serve(echo, "127.0.0.1", 0, compression=None, extensions=[agreement], max_size=2**24) as server:
    print(json.dumps({"port": server.socket.getsockname()[1]}), flush=True)
    threading.Thread(target=wait, daemon=True).start()
    server.serve_forever()
