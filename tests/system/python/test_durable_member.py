#!/usr/bin/python3
"""durable_member.py gets every event once although the proxy is killed again and again, and so does its publisher.

The proxy is killed with commits on their way in and acknowledgements on their way back; whatever was in between, each
event is in the log once, in order, and nothing is left to deliver in the end.
"""
import json
import random
import sys

import msgpack

from durable_member import Session
from durable_publisher import Publisher
from proxy_process import Proxy, Script, wait_until

KILLS = 5
COMMITS_A_ROUND = 40
EVENTS_A_COMMIT = 5
EVENTS = (KILLS + 1) * COMMITS_A_ROUND * EVENTS_A_COMMIT


def group_figures(proxy, name):
    """Asks as PROTOCOL.md section 11 says."""
    session = Session(proxy.control, "")
    session.open()
    session.send("admin", "groups", name)
    kind, fields, _ = session.receive(5000)
    assert kind == "admin_reply", kind
    groups = msgpack.unpackb(fields[1])
    return groups[0] if groups else None


def publish(publisher, commits, values):
    for _ in range(commits):
        publisher.send("orders.placed", [{"n": next(values)} for _ in range(EVENTS_A_COMMIT)])


def check(events, publisher):
    assert len(events) == EVENTS, len(events)
    by_offset = sorted(events, key=lambda event: event["offset"])
    assert [event["data"]["n"] for event in by_offset] == list(range(EVENTS)), "events are missing, twice or unordered"
    assert all(event["topic"] == "orders.placed" for event in events)
    known = [publisher.offsets[number] for number in sorted(publisher.offsets)]
    assert len(known) == EVENTS // EVENTS_A_COMMIT
    first = {event["offset"]: event["data"]["n"] for event in events}
    for number, offset in publisher.offsets.items():
        assert first[offset] == (number - 1) * EVENTS_A_COMMIT, "an outcome named another commit's offset"


def main(program, seed):
    print(f"seed {seed}")
    chance = random.Random(seed)
    values = iter(range(EVENTS))
    with Proxy(program) as proxy:
        publisher = Publisher(proxy.control, "test/publisher/1")
        with Script("durable_member.py", proxy.control, "billing", "orders.*", EVENTS) as member:
            for round_number in range(KILLS):
                in_flight = chance.randrange(1, COMMITS_A_ROUND)
                publish(publisher, COMMITS_A_ROUND - in_flight, values)
                before = round_number * COMMITS_A_ROUND * EVENTS_A_COMMIT
                enough = before + chance.randrange((COMMITS_A_ROUND - in_flight) * EVENTS_A_COMMIT)
                wait_until(f"the member has {enough} events", lambda: len(member.lines()) >= enough)
                publish(publisher, in_flight, values)
                proxy.kill()
                proxy.start()
                publisher.wait()
            publish(publisher, COMMITS_A_ROUND, values)
            publisher.wait()
            events = [json.loads(line) for line in member.finish()]
        check(events, publisher)
        wait_until("nothing is left to deliver", lambda: group_figures(proxy, "billing")["pending"] == 0)
        figures = group_figures(proxy, "billing")
        assert figures["lag"] == 0 and figures["members"] == [] and figures["end"] == EVENTS, figures
        assert group_figures(proxy, "nobody") is None
        proxy.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
