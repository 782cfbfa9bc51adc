#!/usr/bin/env python3
"""Connects a great number of users: workers of `phx bench` against as many servers, with merged figures.

    cargo build --release -p phx-cli
    python3 crates/phx-bench/loadtest/crowd.py target/release/phx [USERS..]

Without numbers it has 10,000 and 100,000 users, with six workers. Every user connects, joins a channel, and stays until all are there. Each
worker and each server is a process, since a process may open 20,000 files here, and each worker has its own source addresses. It prints the
processor time and the memory of both sides, and fails if a user didn't join. All runs take as long as the largest, so that a user of each is
there for as long and sends as many heartbeats. It isn't part of CI.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time

WORKERS = 6
RATE = 2_000  # users that arrive in a second, over all workers, in the largest run
STAY = 10  # seconds, beyond the last arrival


def usage(process):
    """The processor time in seconds and the largest memory in MiB of a process that runs."""
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    with open(f"/proc/{process.pid}/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return seconds, kib / 1_024


def total(processes):
    figures = [usage(process) for process in processes]
    return sum(seconds for seconds, _ in figures), sum(mib for _, mib in figures)


def crowd(phx, users, ramp, folder):
    rate = users // ramp
    steps = [
        {"do": "data", "file": "servers.csv"},
        {"do": "connect", "url": "${server}"},
        {"do": "join", "topic": "room:load-${user}"},
        {"do": "sleep", "ms": (ramp + STAY) * 1_000},
        {"do": "disconnect"},
    ]
    scenario = os.path.join(folder, "stay.jsonl")
    with open(scenario, "w") as file:
        file.writelines(json.dumps(step) + "\n" for step in steps)
    servers, workers = [], []
    try:
        for _ in range(WORKERS):
            server = [phx, "serve", "--port", "0"]
            servers.append(subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        urls = [server.stdout.readline().strip() for server in servers]
        # Workers of one run have the same arguments, so that their users are spread over all servers.
        with open(os.path.join(folder, "servers.csv"), "w") as file:
            file.write("\n".join(["server", *urls]))
        begins = int(time.time()) + 2
        logs = [os.path.join(folder, f"{users}-{number}.hdr") for number in range(1, WORKERS + 1)]
        for number, log in enumerate(logs, 1):
            load = ["--arrival-rate", str(rate), "--max-users", str(users), "--stage", f"{ramp}s:{rate}"]
            stays = ["--stage", "0s:0", "--stage", f"{STAY}s:0"]
            sources = ["--source", f"127.0.1.{number}", "--source", f"127.0.2.{number}"]
            who = ["--worker", f"{number}/{WORKERS}", "--start-at", str(begins), "--hdr", log]
            run = [phx, "bench", urls[0], "--scenario", scenario, "--yes", "--json"]
            command = [*run, *load, *stays, *sources, *who]
            with open(log + ".err", "w") as errors:
                workers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors))
        # When all are there, and none has left.
        time.sleep(max(0, begins + ramp + STAY / 2 - time.time()))
        client, server = total(workers), total(servers)
        codes = [worker.wait(timeout=120) for worker in workers]
        with open(logs[0] + ".err") as errors:
            says = errors.readline().strip()
        if any(codes):
            sys.exit(f"workers ended with {codes}: {says}")
        merged = subprocess.run([phx, "bench", "merge", *logs, "--json"], capture_output=True, text=True)
        if merged.returncode != 0:
            sys.exit(f"merge ended with {merged.returncode}: {merged.stderr}")
        report = json.loads(merged.stdout)
        joined = {step["name"]: step["count"] for step in report["steps"]}["join"]
        if not report["complete"] or report["errors"] or joined != users:
            sys.exit(f"{joined} of {users} users joined: {report['errors']} {merged.stderr}")
        return client, server, says
    finally:
        for process in workers + servers:
            process.kill()


def main():
    phx = os.path.abspath(sys.argv[1])
    numbers = [int(number) for number in sys.argv[2:]] or [10_000, 100_000]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("| users | measured after | CPU of the clients | memory | for each user | CPU of the servers | memory | for each user |")
    print("|---|---|---|---|---|---|---|---|")
    ramp = max(1, max(numbers) // RATE)
    for users in numbers:
        with tempfile.TemporaryDirectory() as folder:
            client, server, says = crowd(phx, users, ramp, folder)
        cells = [f"{users:,}", f"{ramp + STAY / 2:.0f} s"]
        for seconds, mib in (client, server):
            cells += [f"{seconds:.1f} s", f"{mib:.0f} MiB", f"{mib * 1_024 / users:.1f} KiB"]
        print("| " + " | ".join(cells) + " |", flush=True)
        print(says, file=sys.stderr)


if __name__ == "__main__":
    main()
