#!/usr/bin/python3
"""Two groups of two members each, all in processes of their own. In the group "held" one is stopped (SIGSTOP) in the
middle of a handler, in the group "flow" one is stopped while turns are on their way. The others get what these held
when the lease is over, and all that is published in the 60 s that they are stopped. Then they go on (SIGCONT): the turn
of the handler is refused as stale, what it published is not in the log a second time, and both are members again.

test_stopped_member.py PROXY SPINDLE TAKEOVER_MEMBER"""
import contextlib
import pathlib
import signal
import sys
import time

from members import GroupWatch, Member, Proxy, Spindle, expect, expect_each_once, is_settled, jobs, stored, wait_until

LEASE_S = 5
STOPPED_S = 60
SLACK_S = 10  # of a busy machine
JOBS_FIRST = 2_000
JOBS_AT_ONCE = 20
LOG_LINES_MAX = 20


class Producer:
    def __init__(self, pub):
        self.pub, self.given = pub, 0

    def give(self, count):
        self.pub.type(jobs(self.given, count))
        self.given += count


def stop_in_the_middle(producer, watch, held, flow):
    wait_until("a handler is held", held.jobs)
    wait_until("the group flow has begun", lambda: flow.jobs())
    producer.give(JOBS_FIRST)
    enough = len(flow.jobs()) + JOBS_FIRST // 10
    wait_until("the flow goes on", lambda: len(flow.jobs()) >= enough)
    for member in (held, flow):
        member.signal(signal.SIGSTOP)
    pending = {member["source"]: member["pending"] for member in watch.figures()["held"]["members"]}
    expect(len(pending) == 2 and max(pending.values()) > 0, True, f"jobs that the stopped member holds: {pending}")


def while_stopped(producer, watch, members):
    """Jobs are published and done all the time; returns when everything was settled for the first time."""
    stopped_at, settled_at = time.monotonic(), None
    while time.monotonic() < stopped_at + STOPPED_S:
        if all(is_settled(group) for group in watch.figures().values()):
            settled_at = settled_at or time.monotonic() - stopped_at
            producer.give(JOBS_AT_ONCE)
        elif settled_at is None and time.monotonic() > stopped_at + LEASE_S + SLACK_S:
            sys.exit(f"not taken over within the lease of {LEASE_S} s: {watch.figures()}")
        for member in members:
            member.check_alive()
        time.sleep(0.05)  # between two looks
    return settled_at


def go_on(producer, gate, held, flow):
    at_work, before = held.jobs()[-1], producer.given
    gate.unlink()
    for member in (held, flow):
        member.signal(signal.SIGCONT)
    wait_until("the stale turn is refused", held.refusals)

    def is_member(member):
        producer.give(JOBS_AT_ONCE)
        return any(number >= before for number in member.jobs())

    wait_until("the member of the group held gets new jobs", lambda: is_member(held))
    wait_until("the member of the group flow gets new jobs", lambda: is_member(flow))
    expect({code for code, _ in held.refusals()}, {"stale"}, "why turns were refused")
    lines = held.errors().count("the proxy refused")
    expect(0 < lines <= LOG_LINES_MAX, True, f"a few log lines for the refused turns, not {lines}:\n{held.errors()}")
    return at_work


def main(proxy_program, spindle_program, member_program):
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(proxy_program, "--lease", str(LEASE_S)))
        spindle, watch = Spindle(spindle_program, proxy), GroupWatch(proxy.control)
        gate = pathlib.Path(proxy.folder.name) / "gate"
        gate.touch()
        members = [stack.enter_context(Member(member_program, proxy, *words)) for words in (
            ("held", "stopped", gate), ("held", "other"), ("flow", "stopped"), ("flow", "other"))]
        for member in members:
            member.wait_until_ready()
        held, flow = members[0], members[2]
        pub = stack.enter_context(spindle.start("pub", "jobs", "--durable"))
        producer = Producer(pub)
        producer.give(JOBS_FIRST)

        stop_in_the_middle(producer, watch, held, flow)
        took = while_stopped(producer, watch, members)
        at_work = go_on(producer, gate, held, flow)
        pub.finish()
        wait_until("all is settled", lambda: all(is_settled(group) for group in watch.figures().values()))
        for member in members:
            member.stop()
        proxy.stop()

        for group in ("held", "flow"):
            expect_each_once(stored(spindle_program, proxy.spool[1], f"done.{group}"), producer.given)
        done = {event["number"]: event for event in stored(spindle_program, proxy.spool[1], "done.held")}
        expect((done[at_work]["by"], done[at_work]["attempt"]), ("other", 2), f"who did job {at_work}, and its attempt")
        print(f"{producer.given} jobs, taken over {took:.1f} s after SIGSTOP with a lease of {LEASE_S} s; refused: "
              f"{len(held.refusals())} turns of the held handler, {len(flow.refusals())} of the flow")


main(*sys.argv[1:])
