"""The official Python client in a room of its own:

python story.py http://127.0.0.1:4711 KEY
"""

import sys

from realtime import AsyncRealtimeClient, RealtimePostgresChangesListenEvent
from lines import Reports, ask, saw, play


async def story():
    url, key = sys.argv[1:]
    client = AsyncRealtimeClient(f"{url}/realtime/v1", key)
    await client.connect()
    await client.set_auth("first token")
    channel = client.channel(
        "story",
        {"config": {"broadcast": {"self": True, "ack": True}, "presence": {"key": "py", "enabled": True}}},
    )
    statuses, broadcasts, changes, systems, syncs = (Reports() for _ in range(5))
    channel.on_broadcast(
        "*",
        lambda it: broadcasts.add(
            {"event": it["event"], "payload": it["payload"], "meta": it.get("meta")}
        ),
    )
    channel.on_presence_sync(
        lambda: syncs.add(
            {key: [meta.get("n") for meta in metas] for key, metas in channel.presence_state().items()}
        )
    )
    channel.on_postgres_changes(
        RealtimePostgresChangesListenEvent.Insert,
        lambda it: changes.add({"type": it["data"]["type"], "new": it["data"]["record"]}),
        table="msgs",
        schema="public",
        filter="id=gt.5",
    )
    channel.on_system(lambda it: systems.add({"status": it.status, "message": it.message}))
    await channel.subscribe(lambda status, _: statuses.add(status.value))

    saw("status", await statuses.next("the join"))
    saw("system", await systems.next("the subscription"))

    async def send(event, payload):
        await channel.send_broadcast(event, payload)
        saw("sent", {"own": await broadcasts.next("its broadcast")})

    await send("json", {"x": 1, "text": "hé ✓"})
    for what in ["broadcast json", "broadcast text"]:
        await ask(what)
        saw(what, await broadcasts.next(what))

    for n in [1, 2]:
        await channel.track({"n": n})
        saw("presences", await syncs.next("the presence", lambda state: state.get("py") == [n]))
    await channel.untrack()
    saw("presences", await syncs.next("the untrack", lambda state: "py" not in state))

    # The first doesn't pass the filter.
    await ask("insert 5")
    await ask("insert 6")
    saw("change", await changes.next("the change"))

    await client.set_auth("second token")
    await send("after the token", {})

    await ask("cut")
    saw("status", await statuses.next("the loss"))
    saw("status", await statuses.next("the rejoin"))
    await send("after the rejoin", {})
    saw("system", await systems.next("the subscription"))
    await ask("insert 7")
    saw("change", await changes.next("the change"))

    await channel.unsubscribe()
    saw("status", await statuses.next("the end"))
    await client.close()


play(story())
