#!/usr/bin/python3
"""`spindle pub` that waits for a full disk ends at the first SIGTERM, says that its events were not stored, and they
were not.

test_pub_halted.py PROXY SPINDLE"""
import os
import pathlib
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import Proxy, Spindle, expect  # noqa: E402


def reserve_that_halts_publishes():
    """More than is free, so that nothing is published, and less than 8/7 of it, below which nobody is let in."""
    status = os.statvfs(tempfile.gettempdir())
    return str(status.f_bavail * status.f_frsize * 16 // 15)


def main(proxy_program, spindle_program):
    with Proxy(proxy_program, "--disk-reserve", reserve_that_halts_publishes(), "--log-level", "error") as proxy:
        spindle = Spindle(spindle_program, proxy)
        with spindle.start("pub", "orders.placed", "--durable") as pub:
            pub.type('{"n":1}\n')
            pub.wait_for_error("stores nothing for now")
            pub.process.send_signal(signal.SIGTERM)
            expect(pub.process.wait(timeout=30), 1, "exit code")
            expect("the last event was not stored" in pub.errors(), True, f"what it says:\n{pub.errors()}")
        proxy.stop()


main(*sys.argv[1:])
