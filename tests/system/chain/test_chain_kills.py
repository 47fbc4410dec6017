#!/usr/bin/python3
"""A chain of three services, orders -> billing -> shipping, over 100,000 requests of a producer that is not killed,
while all three services and the proxy are killed with SIGKILL at random, 100 times. Every order, payment and
shipment is in the log exactly once; none of the services knows what it did before.

test_chain_kills.py PROXY SPINDLE CHAIN_SERVICE. SPINDLE_CHAIN_EVENTS, SPINDLE_CHAIN_KILLS and SPINDLE_CHAIN_SEED in the
environment make it longer or repeat it."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import DEADLINE_S, Proxy, Running, Spindle, expect  # noqa: E402
from group_watch import GroupWatch  # noqa: E402

EVENTS = int(os.environ.get("SPINDLE_CHAIN_EVENTS", 100_000))
KILLS = int(os.environ.get("SPINDLE_CHAIN_KILLS", 100))
SERVICES = ["orders", "billing", "shipping"]
TOPICS = ["requests", "orders", "payments", "shipments"]
LOG_EVENTS = len(TOPICS) * EVENTS
CHUNK = 1_000
# So much less than what was given may be in the log before more is given: events flow whenever somebody is killed.
AHEAD = len(TOPICS) * 10_000


class Chain:
    """The services; what they say on standard error is collected over all their lives."""

    def __init__(self, program, proxy):
        self.program, self.proxy, self.processes = program, proxy, {}
        self.errors = {name: tempfile.TemporaryFile() for name in SERVICES}

    def start(self, name):
        command = [self.program, name, "--proxy", self.proxy.control]
        self.processes[name] = subprocess.Popen(command, stderr=self.errors[name])

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def said(self, name):
        return Running.text(self.errors[name])

    def check_alive(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                sys.exit(f"{name} ended with {process.returncode}:\n{self.said(name)}")

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for name, process in self.processes.items():
            expect(process.wait(timeout=DEADLINE_S), 0, f"exit code of {name}:\n{self.said(name)}")

    def __enter__(self):
        for name in SERVICES:
            self.start(name)
        return self

    def __exit__(self, *error):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        for file in self.errors.values():
            file.close()


def plan(dice):
    """[(log end, victims)]: mostly one is killed, at times some at once; KILLS of them and a few more."""
    kills, moments = 0, []
    while kills < KILLS:
        victims = dice.sample([*SERVICES, "proxy"], dice.choices([1, 2, 3, 4], [8, 2, 1, 1])[0])
        kills += len(victims)
        moments.append(victims)
    places = sorted(dice.sample(range(1, LOG_EVENTS * 19 // 20), len(moments)))
    return list(zip(places, moments))


def kill(victims, chain, proxy, dice):
    for victim in victims:
        proxy.kill() if victim == "proxy" else chain.kill(victim)
    for victim in dice.sample(victims, len(victims)):
        proxy.start() if victim == "proxy" else chain.start(victim)


def settled(groups):
    """Whether every group has dealt with all of the log."""
    return len(groups) == len(SERVICES) and all(
        group["lag"] + group["pending"] + group["retrying"] == 0 for group in groups.values())


def run(pub, chain, proxy, dice):
    watch, given, moments = GroupWatch(proxy.control), 0, plan(dice)
    print(f"{sum(len(victims) for _, victims in moments)} kills at {len(moments)} moments", flush=True)
    seen, seen_at = -1, time.monotonic()
    while True:
        groups = watch.figures()
        end = max((group["end"] for group in groups.values()), default=0)
        if given < EVENTS and end >= len(TOPICS) * given - AHEAD:
            count = min(CHUNK, EVENTS - given)
            pub.type("".join(f'{{"number":{number}}}\n' for number in range(given, given + count)))
            given += count
        elif given == EVENTS and end >= EVENTS and not moments and settled(groups):
            return groups
        if moments and end >= moments[0][0]:
            kill(moments.pop(0)[1], chain, proxy, dice)
        chain.check_alive()
        if end != seen:
            seen, seen_at = end, time.monotonic()
        if time.monotonic() > seen_at + DEADLINE_S:
            sys.exit(f"nothing has moved for {DEADLINE_S} s at {end} of {LOG_EVENTS} events: {groups}")
        time.sleep(0.005)  # between two looks


def check_log(spindle_program, spool):
    """Each number once on every topic, and nothing before what it follows from."""
    verified = subprocess.run([spindle_program, "spool", "verify", spool], stdout=subprocess.DEVNULL)
    expect(verified.returncode, 0, "exit code of verify")
    offsets = {topic: [None] * EVENTS for topic in TOPICS}
    stored = {topic: 0 for topic in TOPICS}
    others = []
    dump = subprocess.Popen([spindle_program, "spool", "dump", spool], stdout=subprocess.PIPE, text=True)
    for line in dump.stdout:
        if line.startswith("#"):
            continue
        event = json.loads(line)
        topic = event["topic"]
        if topic not in offsets:
            others.append(event)
            continue
        number = event["data"]["number"]
        if offsets[topic][number] is not None:
            sys.exit(f"{topic} has {number} twice, at {offsets[topic][number]} and {event['offset']}")
        offsets[topic][number] = event["offset"]
        stored[topic] += 1
    expect(dump.wait(), 0, "exit code of the dump")
    expect(others, [], "events on other topics, as dead letters are")
    expect(stored, {topic: EVENTS for topic in TOPICS}, "events stored")
    for number, places in enumerate(zip(*(offsets[topic] for topic in TOPICS))):
        expect(places, tuple(sorted(places)), f"offsets of what {number} became, in the order of the chain")


def main(proxy_program, spindle_program, service_program):
    seed = int(os.environ.get("SPINDLE_CHAIN_SEED", random.randrange(2**32)))
    print(f"seed {seed}, {EVENTS} events", flush=True)
    began = time.monotonic()
    # A short lease: what a killed service held comes back soon.
    with Proxy(proxy_program, "--lease", "1", "--log-level", "warn") as proxy:
        spindle = Spindle(spindle_program, proxy)
        with spindle.start("pub", "requests", "--durable") as pub, Chain(service_program, proxy) as chain:
            groups = run(pub, chain, proxy, random.Random(seed))
            pub.finish()
            chain.stop()
            figures = {name: (group["dead"], group["lost"], group["end"]) for name, group in groups.items()}
            expect(figures, {name: (0, 0, LOG_EVENTS) for name in SERVICES}, "dead, lost and events of each group")
            if "SPINDLE_CHAIN_LOGS" in os.environ:
                print("".join(f"--- {name}\n{chain.said(name)}" for name in SERVICES))
        proxy.stop()
        print(f"all settled after {time.monotonic() - began:.1f} s", flush=True)
        check_log(spindle_program, proxy.spool[1])
        print(f"counted after {time.monotonic() - began:.1f} s", flush=True)


main(*sys.argv[1:])
