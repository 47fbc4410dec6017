#!/usr/bin/python3
"""A consumer is away for 100,000 events: it gets all of them when it returns, in offset order, and neither the backlog
nor its return makes the proxy grow.

test_backlog.py PROXY SPINDLE bounded|unbounded: a sanitizer keeps freed memory, so its build is not measured."""
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import Proxy, Spindle, expect  # noqa: E402

EVENTS = 100_000
WARM_UP_EVENTS = 60_000  # fills the caches that are there to be full
PADDING = "x" * 500  # a backlog of 50 MB and more
GROWTH_MIB_MAX = 16


def resident_mib(proxy):
    status = pathlib.Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024


def publish(spindle, topic, count):
    text = "".join(f'{{"n":{n},"padding":"{PADDING}"}}\n' for n in range(count))
    done = spindle("pub", topic, "--durable", "--receipts", text=text)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(proxy_program, spindle_program, bound):
    with Proxy(proxy_program, "--log-level", "warn") as proxy:
        spindle = Spindle(spindle_program, proxy)
        publish(spindle, "warm.up", WARM_UP_EVENTS)
        expect(len(spindle.events("warm.up", "--group", "warm", "--count", WARM_UP_EVENTS)), WARM_UP_EVENTS, "warm-up")
        publish(spindle, "back.log", 1)
        expect(len(spindle.events("back.log", "--group", "away", "--count", 1)), 1, "the group's first event")

        before = resident_mib(proxy)
        receipts = publish(spindle, "back.log", EVENTS)
        waiting = resident_mib(proxy)
        events = spindle.events("back.log", "--group", "away", "--count", EVENTS)
        after = resident_mib(proxy)

        expect([event["data"]["n"] for event in events], list(range(EVENTS)), "all events, in order")
        expect([event["offset"] for event in events], [receipt["offset"] for receipt in receipts], "their offsets")
        print(f"resident MiB: {before:.1f} before, {waiting:.1f} with {EVENTS} events of {len(PADDING)} bytes waiting, "
              f"{after:.1f} when they were consumed")
        if bound == "bounded":
            grown = max(waiting, after) - before
            expect(grown <= GROWTH_MIB_MAX, True, f"at most {GROWTH_MIB_MAX} MiB more, not {grown:.1f}")
        proxy.stop()


main(*sys.argv[1:])
