"""How a judge speaks with the test: one JSON line for each thing that it saw, or that the test shall do; an end to
every wait."""

import asyncio
import json
import sys

PATIENCE = 20


def line(**values):
    print(json.dumps(values), flush=True)


def saw(what, value):
    """Says what the client reported."""
    line(saw=what, value=value)


async def ask(what):
    """Has the test do something on the server's side, and waits until it has."""
    line(do=what)
    await asyncio.wait_for(asyncio.to_thread(sys.stdin.readline), PATIENCE)


async def commands():
    """What the test says, line by line."""
    while text := await asyncio.to_thread(sys.stdin.readline):
        yield json.loads(text)


class Reports:
    """What callbacks report, in order."""

    def __init__(self):
        self.items = asyncio.Queue()

    def add(self, item):
        self.items.put_nowait(item)

    async def next(self, what, wanted=lambda item: True):
        """The next one that `wanted` accepts; those before it are skipped."""

        async def search():
            while not wanted(item := await self.items.get()):
                pass
            return item

        try:
            return await asyncio.wait_for(search(), PATIENCE)
        except asyncio.TimeoutError:
            raise RuntimeError(f"{what}: nothing for {PATIENCE} s") from None


def play(story):
    """Runs a story to its end, or says where it failed."""
    try:
        asyncio.run(story)
    except Exception as error:
        saw("failure", repr(error))
        sys.exit(1)
