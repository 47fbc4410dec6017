#!/usr/bin/python3
"""A disk runs full while a chain of three services is away: the producer is halted with spool_full. When the services
come they work the whole spool off over the reserve, each turn publishing one event for one that it settles; segments
go, the producer goes on by itself, and every event reaches the end of the chain once and in order.

test_full_disk_chain.py PROXY SPINDLE CHAIN_STAGE"""
import subprocess
import sys
import threading

from small_disk import EVENT_BYTES, MIB, SEGMENT_BYTES, SmallDiskProxy, Spindle, events, expect, groups, receipts
from small_disk import run_in_own_mounts, wait_until

DISK_MIB = 352
RESERVE = 144 * MIB
EVENTS = 9_000  # 280 MiB and more: far beyond what the disk has above the reserve


class Stages:
    def __init__(self, program, proxy):
        command = [program, "--proxy", proxy.control, "--log-level", "warn"]
        self.processes = [subprocess.Popen([*command, str(n)]) for n in (1, 2, 3)]

    def stop(self):
        for process in self.processes:
            process.terminate()
        expect([process.wait(timeout=60) for process in self.processes], [0, 0, 0], "exit codes of the stages")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def feed(pub):
    for first in range(1, EVENTS, 100):
        pub.type(events(first, min(100, EVENTS - first)))


def main(proxy_program, spindle_program, stage_program):
    run_in_own_mounts()
    with SmallDiskProxy(proxy_program, DISK_MIB, "--disk-reserve", RESERVE) as proxy:
        spindle = Spindle(spindle_program, proxy)
        with spindle.start("sub", "chain.4", "--group", "end", "--count", EVENTS) as end:
            with Stages(stage_program, proxy) as stages:
                spindle("pub", "chain.1", "--durable", text=events(0, 1))
                end.wait_for_lines(1)
                stages.stop()

            with spindle.start("pub", "chain.1", "--durable", "--receipts") as pub:
                feeder = threading.Thread(target=feed, args=(pub,), daemon=True)
                feeder.start()
                proxy.wait_for_log("publishing is halted")
                wait_until("no more is published", lambda: halted(proxy, pub))
                before = len(pub.lines())
                expect(0 < before < EVENTS - 1, True, f"part of the events before the disk was full, not {before}")
                expect(proxy.free_bytes() >= RESERVE - SEGMENT_BYTES, True, f"the reserve, not {proxy.free_bytes()}")
                kept = proxy.segments()
                pins = [name for name, group in groups(spindle).items() if group["keeps_oldest"]]
                expect(len(pins) == 1 and pins[0].startswith("stage-"), True, f"a stage that keeps the oldest: {pins}")
                expect(f"group {pins[0]} keeps" in proxy.log(), True, f"its name in the log:\n{proxy.log()}")

                with Stages(stage_program, proxy) as stages:
                    pub.wait_for_lines(EVENTS - 1)
                    feeder.join(60)
                    offsets = receipts(pub.lines())
                    expect(len(offsets), EVENTS - 1, "receipts")
                    pub.finish()
                    arrived = end.finish()
                    stages.stop()
        expect([event["data"]["number"] for event in arrived], list(range(EVENTS)), "all events, once and in order")
        proxy.wait_for_log("publishing goes on")
        log = proxy.log()
        expect(kept[0] in proxy.segments(), False, "the oldest segment")
        expect([group["lost"] for group in groups(spindle).values()], [0, 0, 0, 0], "lost events")
        expect("No space left" in log or "disk_full" in log, False, f"no full disk in the log:\n{log}")
        print(f"{before} of {EVENTS} events of {EVENT_BYTES} bytes fitted; the chain drained the rest")
        proxy.stop()


def halted(proxy, pub, quiet_looks=100):
    """Whether nothing was acknowledged for so many looks (a second)."""
    count = len(pub.lines())
    last, looks = getattr(halted, "state", (-1, 0))
    halted.state = (count, looks + 1 if count == last else 0)
    return halted.state[1] >= quiet_looks


main(*sys.argv[1:])
