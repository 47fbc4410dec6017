#!/usr/bin/python3
"""eio_on_fsync_no_ack_no_retry, with a real proxy: fdatasync fails once under it (a preloaded library sees to that).
Nothing is acknowledged, the sync is not tried again, the clients are told, the proxy exits with 1 and the reason; the
next one has all that was acknowledged, and takes the rest from clients that waited for it.

test_eio_on_fsync.py PROXY SPINDLE FAILING_SYNC_LIBRARY"""
import json
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import DEADLINE_S, Proxy, Spindle, expect  # noqa: E402


def main(proxy_program, spindle_program, library):
    proxy = Proxy(proxy_program, "--log-level", "warn")
    folder = pathlib.Path(proxy.folder.name)
    fail, count = folder / "fail", folder / "count"
    proxy.environment = os.environ | {
        "LD_PRELOAD": library, "SPINDLE_FAIL_SYNC": str(fail), "SPINDLE_COUNT_SYNCS": str(count)}
    with tempfile.TemporaryFile("w+") as proxy.errors, proxy:
        spindle = Spindle(spindle_program, proxy)
        text = "".join(f'{{"n":{n}}}\n' for n in range(100))
        receipts = spindle("pub", "orders.placed", "--durable", "--receipts", text=text).stdout.splitlines()
        expect(len(receipts), 100, "receipts before the disk fails")
        expect(len(spindle.events("orders.placed", "--group", "billing", "--count", 10)), 10, "events")

        with spindle.start("pub", "orders.placed", "--durable", "--receipts") as pub:
            pub.type('{"n":100}\n')
            pub.wait_for_lines(1)
            syncs = count.stat().st_size
            fail.touch()
            pub.type('{"n":101}\n')
            expect(proxy.process.wait(timeout=DEADLINE_S), 1, "exit code of the proxy")
            expect(count.stat().st_size, syncs + 1, "calls of fdatasync: the one that fails, and none after it")
            proxy.errors.seek(0)
            log = proxy.errors.read()
            expect("0001.log: Input/output error" in log and "ended: io_error" in log, True, f"the reason in the log {log}")
            pub.wait_for_error("io_error")
            expect(len(pub.lines()), 1, "receipts, none for what is not durable")

            fail.unlink()
            proxy.process.stdout.close()
            proxy.start()
            expect([receipt["offset"] for receipt in pub.finish()], [100, 101], "offset of what was sent again")
        events = spindle.events("orders.placed", "--group", "audit", "--count", 102)
        expect([event["data"]["n"] for event in events], list(range(102)), "all events, once and in order")
        expect([event["id"] for event in events[:100]], [json.loads(line)["id"] for line in receipts], "ids")
        proxy.stop()


main(*sys.argv[1:])
