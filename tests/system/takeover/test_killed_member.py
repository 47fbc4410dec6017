#!/usr/bin/python3
"""Two members of a group in two processes. While one of them is at work on one job, the other does all that the first
does not hold. Then the first gets SIGKILL, and the other gets what it held when the lease is over: only the job that
was being worked on counts an attempt.

test_killed_member.py PROXY SPINDLE TAKEOVER_MEMBER"""
import pathlib
import sys
import time

from members import GroupWatch, Member, Proxy, Spindle, expect, expect_each_once, is_settled, jobs, stored, wait_until

LEASE_S = 3
JOBS = 5_000
CREDIT = 200  # of takeover_member.cpp
SLACK_S = 5  # of a busy machine


def main(proxy_program, spindle_program, member_program):
    with Proxy(proxy_program, "--lease", str(LEASE_S)) as proxy:
        spindle, watch = Spindle(spindle_program, proxy), GroupWatch(proxy.control)
        gate = pathlib.Path(proxy.folder.name) / "gate"
        gate.touch()
        with Member(member_program, proxy, "work", "first", gate) as first, \
                Member(member_program, proxy, "work", "second") as second:
            first.wait_until_ready()
            second.wait_until_ready()
            spindle("pub", "jobs", "--durable", text=jobs(0, JOBS))

            # A member that is slow holds back nobody else's.
            wait_until("the second member has done the rest", lambda: watch.log_end() == JOBS + JOBS - CREDIT)
            expect(watch.figures()["work"]["pending"], CREDIT, "jobs that are held")
            expect(len(first.jobs()), 1, "job that the first member is at work on")
            held = set(range(JOBS)) - set(second.jobs())
            expect(len(held), CREDIT, "jobs that the first member holds")
            expect(min(held), first.jobs()[0], "the oldest of them is the one at work")

            first.kill()
            killed_at = time.monotonic()
            wait_until("the group is settled", lambda: is_settled(watch.figures()["work"]))
            took = time.monotonic() - killed_at
            expect(took < LEASE_S + SLACK_S, True, f"takeover within the lease of {LEASE_S} s, not {took:.1f} s")
            working_on = first.jobs()
            second.stop()
        proxy.stop()
        done = stored(spindle_program, proxy.spool[1], "done.work")
        expect_each_once(done, JOBS)
        expect({event["by"] for event in done}, {"second"}, "who did them")
        expect([event["number"] for event in done if event["attempt"] != 1], working_on, "jobs that took two attempts")
        expect([event["attempt"] for event in done if event["number"] in working_on], [2], "its attempts")
        print(f"taken over {took:.1f} s after SIGKILL, with a lease of {LEASE_S} s")


main(*sys.argv[1:])
