#!/usr/bin/python3
"""A member that is stopped in the middle of a handler, and a second process that is started as the same instance: it
takes over at once, without waiting for the lease. The first is fenced when it goes on: it ends with exit code 1 and
says why, and what it publishes is not in the log.

test_same_instance.py PROXY SPINDLE TAKEOVER_MEMBER"""
import pathlib
import signal
import sys
import time

from members import DEADLINE_S, GroupWatch, Member, Proxy, Spindle, expect, expect_each_once, is_settled, jobs, stored
from members import wait_until

JOBS = 1_000
LEASE_S = 60  # nobody waits for it


def main(proxy_program, spindle_program, member_program):
    with Proxy(proxy_program, "--lease", str(LEASE_S), "--log-level", "warn") as proxy:
        spindle, watch = Spindle(spindle_program, proxy), GroupWatch(proxy.control)
        gate = pathlib.Path(proxy.folder.name) / "gate"
        gate.touch()
        with Member(member_program, proxy, "work", "same", gate, "--instance", "one") as first:
            first.wait_until_ready()
            spindle("pub", "jobs", "--durable", text=jobs(0, JOBS))
            wait_until("the first is at work", first.jobs)
            first.signal(signal.SIGSTOP)
            gate.unlink()
            began = time.monotonic()
            with Member(member_program, proxy, "work", "same", gate, "--instance", "one") as second:
                wait_until("all is settled", lambda: is_settled(watch.figures()["work"]))
                took = time.monotonic() - began
                first.signal(signal.SIGCONT)
                expect(first.process.wait(timeout=DEADLINE_S), 1, f"exit code of the first:\n{first.errors()}")
                print(first.errors())
                expect("fenced" in first.errors(), True, f"why it ended:\n{first.errors()}")
                second.stop()
            at_work = first.jobs()[0]
        proxy.stop()
        done = stored(spindle_program, proxy.spool[1], "done.work")
        expect_each_once(done, JOBS)
        expect([(event["number"], event["attempt"]) for event in done if event["attempt"] != 1],
               [(at_work, 2)], "jobs that took another attempt")
        print(f"taken over {took:.1f} s after the second was started, with a lease of {LEASE_S} s")


main(*sys.argv[1:])
