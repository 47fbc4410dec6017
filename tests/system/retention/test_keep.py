#!/usr/bin/python3
"""--keep-for 0 and --keep-bytes take files off the disk once groups are through with them; what a group that is away
needs stays, and it gets all of it.

test_keep.py PROXY SPINDLE CHAIN_STAGE"""
import sys

from small_disk import MIB, SEGMENT_BYTES, SmallDiskProxy, Spindle, events, expect, groups, wait_until

CHUNK = 1_000  # events at a time: 31 MiB, two segments


def consume(spindle, group, first, count):
    got = spindle.events("a.b", "--group", group, "--count", count)
    expect([event["data"]["number"] for event in got], list(range(first, first + count)), f"events of {group}")


def publish(spindle, first, count):
    spindle("pub", "a.b", "--durable", text=events(first, count))


def wait_for_segments(proxy, what, condition):
    try:
        wait_until(what, lambda: condition(proxy.segments()))
    except SystemExit as gave_up:
        sys.exit(f"{gave_up}: {proxy.segments()}\n{proxy.log()}")


def check(program, spindle_program, options, settled_max):
    """`settled_max`: segments that may be left when nobody needs anything."""
    with SmallDiskProxy(program, None, *options) as proxy:
        spindle = Spindle(spindle_program, proxy)
        publish(spindle, 0, 1)
        consume(spindle, "busy", 0, 1)
        publish(spindle, 1, 4 * CHUNK - 1)
        made = proxy.segments()
        expect(len(made) >= 8, True, f"segments that the group needs: {made}")
        consume(spindle, "busy", 1, 4 * CHUNK - 1)
        wait_for_segments(proxy, "the files go that nobody needs", lambda names: len(names) <= settled_max)

        publish(spindle, 4 * CHUNK, 10)
        consume(spindle, "busy", 4 * CHUNK, 10)
        # It begins with the oldest that is kept, and then goes away.
        first = spindle.events("a.b", "--group", "away", "--count", 1)[0]
        publish(spindle, 4 * CHUNK + 10, 4 * CHUNK)
        consume(spindle, "busy", 4 * CHUNK + 10, 4 * CHUNK)
        held = proxy.segments()
        expect(len(held) >= 8, True, f"segments that the group needs: {held}")
        figures = groups(spindle)
        expect(figures["away"]["keeps_oldest"] is not None and figures["busy"]["keeps_oldest"] is None, True,
               f"the group that keeps the oldest: {figures}")
        expect(figures["away"]["keeps_bytes"] >= 4 * CHUNK * 32 * 1024, True, f"how much it keeps: {figures}")

        wait_until("the log names the group", lambda: "should go" in proxy.log() and "but group away keeps" in proxy.log())

        begin = first["data"]["number"] + 1
        consume(spindle, "away", begin, 8 * CHUNK + 10 - begin)
        wait_for_segments(proxy, "the files go that it needed", lambda names: len(names) <= settled_max)
        expect(set(proxy.segments()) & set(held[:4]), set(), "the oldest files")
        expect([group["lost"] for group in groups(spindle).values()], [0, 0], "lost events")

        # After a restart it is the same log, and goes on.
        proxy.stop()
        proxy.start()
        spindle = Spindle(spindle_program, proxy)
        publish(spindle, 8 * CHUNK + 10, 10)
        for group in ("busy", "away"):
            consume(spindle, group, 8 * CHUNK + 10, 10)
        proxy.stop()


def main(proxy_program, spindle_program, _):
    check(proxy_program, spindle_program, ["--keep-for", "0"], 2)
    keep_bytes = 80 * MIB
    check(proxy_program, spindle_program, ["--keep-bytes", keep_bytes], keep_bytes // SEGMENT_BYTES + 1)
    print("files went when nobody needed them, and not before")


main(*sys.argv[1:])
