#!/usr/bin/env python3
"""Compares `phx bench` with artillery: the same server, users, pushes and rate, joins and refs written by hand for artillery.

    cargo build --release -p phx-cli
    python3 crates/phx-bench/loadtest/artillery.py target/release/phx [ROUNDS]

It installs pinned packages from npm into a temporary folder, and isn't part of CI. Processor time is that of getrusage for the
whole process tree of a client; memory is the largest of its processes. The two take turns, and medians of all rounds are printed.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

ARTILLERY = "artillery@2.0.34"
NODE = "node@22.20.0"
USERS = 100  # with 10 pushes a second each
PUSHES = 100
HELD = (1_000, 5_000)

PUSH = '["1","{{ ref }}","{{ topic }}","echo",{"body":"some words of a message"}]'
REFS = """
module.exports = {
  join: (context, events, done) => {
    context.vars.ref = 1;
    context.vars.topic = `room:load-${context.vars.$uuid}`;
    return done();
  },
  ref: (context, events, done) => {
    context.vars.ref += 1;
    return done();
  },
};
"""


def artillery(url, users, seconds, steps):
    """A test in which users arrive evenly, join a channel and do these steps."""
    join = [{"function": "join"}, answered('["1","1","{{ topic }}","phx_join",{}]')]
    phase = {"duration": seconds, "arrivalCount": users}
    config = {"target": url + "/websocket?vsn=2.0.0", "phases": [phase], "processor": "./refs.cjs"}
    return {"config": config, "scenarios": [{"engine": "ws", "flow": join + steps}]}


def answered(payload):
    """A step of artillery that waits for the answer: one with a `capture` does."""
    return {"send": {"payload": payload, "capture": {"json": "$[4].status", "as": "status"}}}


def scenario(steps):
    """The same for `phx bench`."""
    first = [{"do": "connect"}, {"do": "join", "topic": "room:load-${user}"}]
    return "".join(json.dumps(step) + "\n" for step in first + steps)


def measured(command, folder):
    """Runs a client to its end; its processor time in seconds, its largest memory in KiB, and its output."""
    child = os.path.join(folder, "usage")
    # A process between, so that the usage of children is that of this client alone.
    code = (
        "import json,resource,subprocess,sys\n"
        "done = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\n"
        "usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "json.dump([usage.ru_utime + usage.ru_stime, usage.ru_maxrss, done.returncode], open(sys.argv[1], 'w'))\n"
        "sys.stdout.buffer.write(done.stdout)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, child, *command], cwd=folder, capture_output=True, text=True
    )
    seconds, kib, status = json.load(open(child))
    if status != 0:
        sys.exit(f"{command[0]} ended with {status}:\n{run.stdout[-2000:]}")
    return seconds, kib, run.stdout


def main():
    phx = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "package.json"), "w").write('{"private": true}')
        open(os.path.join(folder, "refs.cjs"), "w").write(REFS)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
        # Its scripts fetch a browser.
        subprocess.run([*install, "--ignore-scripts", ARTILLERY], cwd=folder, check=True)
        subprocess.run([*install, "--prefix", "runtime", NODE], cwd=folder, check=True)
        server = subprocess.Popen(
            [phx, "serve", "--port", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            compare(phx, server.stdout.readline().strip(), folder, rounds)
        finally:
            server.kill()


def compare(phx, url, folder, rounds):
    def write(name, text):
        open(os.path.join(folder, name), "w").write(text)

    node = [f"{folder}/runtime/node_modules/node/bin/node", f"{folder}/node_modules/artillery/bin/run"]

    def with_artillery(name, test):
        write(name, json.dumps(test))
        report = name + ".report"
        seconds, kib, _ = measured([*node, "run", "-q", "-o", report, name], folder)
        counters = json.load(open(os.path.join(folder, report)))["aggregate"]["counters"]
        if counters["vusers.completed"] != counters["vusers.created"]:
            sys.exit(f"users of artillery failed: {counters}")
        return seconds, kib, counters["websocket.messages_sent"]

    def with_phx(name, steps, options):
        write(name, scenario(steps))
        command = [phx, "bench", url, "--scenario", name, "--json", *options]
        seconds, kib, output = measured(command, folder)
        report = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        if report["errors"]:
            sys.exit(f"failures of phx bench: {report['errors']}")
        counts = {step["name"]: step["count"] for step in report["steps"]}
        return seconds, kib, counts["join"] + counts.get("push echo", 0)

    payload = {"body": "some words of a message"}
    push = {"do": "push", "topic": "room:load-${user}", "event": "echo", "payload": payload}
    loop = [{"do": "loop", "times": PUSHES, "every_ms": 100}, push, {"do": "end"}, {"do": "disconnect"}]
    theirs = [{"loop": [{"function": "ref"}, answered(PUSH), {"think": 0.1}], "count": PUSHES}]
    stay = 6
    figures = {"artillery": [], "phx": []}
    for number in range(rounds):
        seconds, _, count = with_artillery("rate.json", artillery(url, USERS, 1, theirs))
        idle, _, _ = with_artillery("one.json", artillery(url, 1, 1, []))
        held = []
        for users in HELD:
            held.append(with_artillery("held.json", artillery(url, users, 5, [{"think": stay}]))[1])
        figures["artillery"].append((seconds, idle, count, held))
        seconds, _, count = with_phx("rate.jsonl", loop, ["--users", str(USERS), "--passes", "1"])
        idle, _, _ = with_phx("one.jsonl", [], ["--users", "1", "--passes", "1"])
        hold = [{"do": "sleep", "ms": stay * 1_000}, {"do": "disconnect"}]
        held = []
        for users in HELD:
            rate = str(users // 5)
            arrivals = ["--arrival-rate", rate, "--max-users", str(users)]
            stages = ["--stage", f"5s:{rate}", "--stage", "0s:0", "--stage", f"{stay + 1}s:0"]
            _, kib, joined = with_phx("held.jsonl", hold, [*arrivals, *stages])
            if joined != users:
                sys.exit(f"{joined} of {users} users of phx bench joined")
            held.append(kib)
        figures["phx"].append((seconds, idle, count, held))
        print(f"round {number + 1} of {rounds}: {figures['artillery'][-1]} {figures['phx'][-1]}", file=sys.stderr)

    print(f"{USERS} users, {PUSHES} pushes each, 10 a second; medians of {rounds} rounds\n")
    print("| | CPU for each round trip | without the start | memory for each connected user |")
    print("|---|---|---|---|")
    for name, rows in figures.items():
        whole = statistics.median(seconds / count * 1e6 for seconds, _, count, _ in rows)
        net = statistics.median((seconds - idle) / count * 1e6 for seconds, idle, count, _ in rows)
        few, many = HELD
        memory = statistics.median((held[1] - held[0]) / (many - few) for *_, held in rows)
        print(f"| {name} | {whole:.1f} µs | {net:.1f} µs | {memory:.1f} KiB |")


if __name__ == "__main__":
    main()
