"""The official Python client in a room with others; the test says what it sends:

python room.py http://127.0.0.1:4711 KEY
"""

import sys

from realtime import AsyncRealtimeClient
from lines import commands, saw, play


async def room():
    url, key = sys.argv[1:]
    client = AsyncRealtimeClient(f"{url}/realtime/v1", key)
    await client.connect()
    channel = client.channel(
        "room", {"config": {"broadcast": {"ack": True}, "presence": {"key": "py", "enabled": True}}}
    )
    channel.on_broadcast("*", lambda it: saw("broadcast", [it["event"], it["payload"]]))
    channel.on_presence_sync(lambda: saw("present", sorted(channel.presence_state())))
    await channel.subscribe(lambda status, _: saw("status", status.value))
    async for command in commands():
        if meta := command.get("track"):
            await channel.track(meta)
        else:
            await channel.send_broadcast(command["send"], command["payload"])
    await client.close()


play(room())
