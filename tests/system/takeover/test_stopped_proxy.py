#!/usr/bin/python3
"""The proxy itself is stopped for longer than the lease while jobs flow, and goes on: its pause is nobody else's fault.
No member is taken for lost, no turn is refused and no attempt is counted.

test_stopped_proxy.py PROXY SPINDLE TAKEOVER_MEMBER"""
import signal
import sys
import time

from members import GroupWatch, Member, Proxy, Spindle, expect, expect_each_once, is_settled, jobs, stored, wait_until

JOBS = 20_000
LEASE_S = 1
STOPPED_S = 3 * LEASE_S
STOPS = 3


def main(proxy_program, spindle_program, member_program):
    with Proxy(proxy_program, "--lease", str(LEASE_S), "--log-level", "warn") as proxy:
        spindle, watch = Spindle(spindle_program, proxy), GroupWatch(proxy.control)
        with Member(member_program, proxy, "work", "first") as first, \
                Member(member_program, proxy, "work", "second") as second, \
                spindle.start("pub", "jobs", "--durable") as pub:
            first.wait_until_ready()
            second.wait_until_ready()
            for stop in range(STOPS):
                before = len(first.jobs()) + len(second.jobs())
                pub.type(jobs(stop * JOBS // STOPS, (stop + 1) * JOBS // STOPS - stop * JOBS // STOPS))
                wait_until("jobs flow", lambda: len(first.jobs()) + len(second.jobs()) > before)
                proxy.process.send_signal(signal.SIGSTOP)
                goes_on_at = time.monotonic() + STOPPED_S
                wait_until("it was stopped for longer than the lease", lambda: time.monotonic() >= goes_on_at)
                proxy.process.send_signal(signal.SIGCONT)
            pub.finish()
            wait_until("all is settled", lambda: is_settled(watch.figures()["work"]))
            first.stop()
            second.stop()
            expect((first.refusals(), second.refusals()), ([], []), "refused turns")
            expect(sorted(first.jobs() + second.jobs()), list(range(JOBS)), "jobs that a handler was called with")
            print(first.errors())
        proxy.stop()
        done = stored(spindle_program, proxy.spool[1], "done.work")
        expect_each_once(done, JOBS)
        expect({event["attempt"] for event in done}, {1}, "attempts")


main(*sys.argv[1:])
