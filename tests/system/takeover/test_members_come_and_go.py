#!/usr/bin/python3
"""Members of a group are started, asked to end, killed, stopped and continued at random while jobs flow, and now and
then the proxy is killed. Every job is done once by what the log says.

test_members_come_and_go.py PROXY SPINDLE TAKEOVER_MEMBER [SEED]"""
import random
import signal
import sys
import time

from members import DEADLINE_S, GroupWatch, Member, Proxy, Spindle, expect, expect_each_once, is_settled, jobs
from members import stored, wait_until

JOBS = 20_000
CHANGES = 80
MEMBERS_MAX = 6
CHUNK = 200
AHEAD = 2_000  # jobs that are given and not done


class Crowd:
    def __init__(self, program, proxy):
        self.program, self.proxy = program, proxy
        self.there, self.stopped, self.gone = [], [], []

    def start(self, _):
        if len(self.there) + len(self.stopped) < MEMBERS_MAX:
            count = len(self.there) + len(self.stopped) + len(self.gone)
            self.there.append(Member(self.program, self.proxy, "crowd", f"m{count}"))

    def end(self, dice):
        self.leave(dice, lambda member: member.signal(signal.SIGTERM))  # its exit code is looked at in the end

    def kill(self, dice):
        self.leave(dice, lambda member: member.kill())

    def leave(self, dice, how):
        if len(self.there) > 1:
            member = self.there.pop(dice.randrange(len(self.there)))
            how(member)
            self.gone.append(member)

    def stop(self, dice):
        if len(self.there) > 1:
            member = self.there.pop(dice.randrange(len(self.there)))
            member.signal(signal.SIGSTOP)
            self.stopped.append(member)

    def go_on(self, dice):
        if self.stopped:
            member = self.stopped.pop(dice.randrange(len(self.stopped)))
            member.signal(signal.SIGCONT)
            self.there.append(member)

    def kill_proxy(self, _):
        self.proxy.kill()
        self.proxy.start()

    def finish(self):
        for member in self.there:
            member.check_alive()
            member.signal(signal.SIGTERM)
        wrong = []
        for member in self.there + self.gone:
            code = member.process.wait(timeout=DEADLINE_S)
            # One that was asked before it listened to signals died of it.
            early = code == -signal.SIGTERM and " connects to " not in member.errors()
            if code not in (0, -signal.SIGKILL) and not early:
                wrong.append((member.name, code, member.errors()))
        expect(wrong, [], "members with another exit code than 0")

    def __enter__(self):
        self.start(None)
        return self

    def __exit__(self, *error):
        for member in self.there + self.stopped + self.gone:
            member.__exit__(*error)


def run(pub, crowd, watch, dice):
    changes = sorted(dice.sample(range(1, JOBS * 19 // 20), CHANGES))
    given, seen, seen_at = 0, -1, time.monotonic()
    counts = {}
    while True:
        group = watch.figures().get("crowd")
        done = (group["end"] - given) if group else 0  # less than are done while jobs are on their way to the log
        if given < JOBS and done >= given - AHEAD:
            pub.type(jobs(given, CHUNK))
            given += CHUNK
        elif given == JOBS and done >= JOBS and not changes and is_settled(group):
            return counts
        if changes and done >= changes[0]:
            changes.pop(0)
            change = dice.choices([crowd.start, crowd.end, crowd.kill, crowd.stop, crowd.go_on, crowd.kill_proxy],
                                  [8, 3, 3, 3, 4, 1])[0]
            change(dice)
            counts[change.__name__] = counts.get(change.__name__, 0) + 1
        if done != seen:
            seen, seen_at = done, time.monotonic()
        if time.monotonic() > seen_at + DEADLINE_S:
            sys.exit(f"nothing has moved for {DEADLINE_S} s at {done} of {JOBS} jobs: {group}")
        if given == JOBS and not changes and crowd.stopped:
            crowd.go_on(dice)
        time.sleep(0.005)  # between two looks


def main(proxy_program, spindle_program, member_program, seed=None):
    seed = int(seed) if seed else random.randrange(2**32)
    print(f"seed {seed}", flush=True)
    with Proxy(proxy_program, "--lease", "1", "--log-level", "warn") as proxy:
        spindle, watch = Spindle(spindle_program, proxy), GroupWatch(proxy.control)
        with spindle.start("pub", "jobs", "--durable") as pub, Crowd(member_program, proxy) as crowd:
            counts = run(pub, crowd, watch, random.Random(seed))
            pub.finish()
            crowd.finish()
            refused = sum(len(member.refusals()) for member in crowd.there + crowd.gone)
        wait_until("nobody is a member", lambda: not watch.figures()["crowd"]["members"])  # when the leases are over
        figures = watch.figures()["crowd"]
        expect((figures["dead"], figures["lost"]), (0, 0), "dead and lost in the end")
        proxy.stop()
        expect_each_once(stored(spindle_program, proxy.spool[1], "done.crowd"), JOBS)
        print(f"{JOBS} jobs done once; {counts}; {refused} turns were refused")


main(*sys.argv[1:])
