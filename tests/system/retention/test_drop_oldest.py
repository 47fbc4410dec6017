#!/usr/bin/python3
"""--when-full drop-oldest: publishing goes on over a group that is away, and what the group does not get is exactly
what `spindle groups --json` and the log say it lost.

test_drop_oldest.py PROXY SPINDLE CHAIN_STAGE"""
import sys

from small_disk import MIB, SmallDiskProxy, Spindle, events, expect, groups, lost_in_log, receipts, run_in_own_mounts

DISK_MIB = 224
RESERVE = 64 * MIB
EVENTS = 6_000  # 190 MiB, and the disk has 160 above the reserve


def main(proxy_program, spindle_program, _):
    run_in_own_mounts()
    with SmallDiskProxy(proxy_program, DISK_MIB, "--disk-reserve", RESERVE, "--when-full", "drop-oldest") as proxy:
        spindle = Spindle(spindle_program, proxy)
        offsets = []
        offsets += receipts(spindle("pub", "a.b", "--durable", "--receipts", text=events(0, 10)).stdout.splitlines())
        for group in ("away", "also-away"):
            got = spindle.events("a.b", "--group", group, "--count", 10)
            expect([event["data"]["number"] for event in got], list(range(10)), "the first events")
        for first in range(10, EVENTS, 1_000):
            done = spindle("pub", "a.b", "--durable", "--receipts", text=events(first, min(1_000, EVENTS - first)))
            offsets += receipts(done.stdout.splitlines())
        expect(len(offsets), EVENTS, "receipts: every event was taken")

        # A restart in between changes nothing of it.
        proxy.stop()
        proxy.start()
        spindle = Spindle(spindle_program, proxy)
        for name in ("away", "also-away"):
            figures = groups(spindle)[name]
            ranges = [(lost["from"], lost["to"]) for lost in figures["losses"]]
            lost = {offset for begin, end in ranges for offset in range(begin, end)}
            expect(len(lost), figures["lost"], "the count of lost events, and the ranges")
            expect(0 < len(lost) < EVENTS, True, f"some lost events, not {len(lost)}")
            got = spindle.events("a.b", "--group", name, "--count", EVENTS - 10 - len(lost))
            missed = set(offsets[10:]) - {event["offset"] for event in got}
            expect(missed, lost, "what the group did not get, and what it is said to have lost")
            expect([event["data"]["number"] for event in got], list(range(EVENTS - len(got), EVENTS)), "the others")

            said = lost_in_log(proxy, name)
            in_log = {offset for _, first, last in said for offset in range(first, last + 1)}
            expect(in_log, lost, "offsets in the log")
            expect(sum(count for count, _, _ in said), len(lost), "events in the log, each once")
        print(f"{len(lost)} of {EVENTS} events dropped, in {len(said)} steps")
        proxy.stop()


main(*sys.argv[1:])
