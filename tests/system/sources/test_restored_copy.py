#!/usr/bin/python3
"""A producer publishes, the spool is copied, the producer publishes more and is acknowledged; the proxy is killed and
another one started on the copy. The producer is told exactly which commits are lost and goes on; a group has every
event of the copy and every new one, and what it settled in the lost time settles nothing in the new one.

test_restored_copy.py PROXY SPINDLE"""
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import DEADLINE_S, Proxy, Spindle, expect, wait_until  # noqa: E402

TOPIC = "orders.placed"


def publish(pub, numbers):
    """Each in a commit of its own."""
    for n in numbers:
        pub.type(f'{{"n":{n}}}\n')
        pub.wait_for_lines(n)


def numbers_in(lines):
    return [int(n) for line in lines for n in re.findall(r'"n":(\d+)', line)]


def main(proxy_program, spindle_program):
    with Proxy(proxy_program, "--log-level", "warn") as proxy:
        spindle = Spindle(spindle_program, proxy)
        copy = pathlib.Path(proxy.folder.name) / "copy"
        with spindle.start("pub", TOPIC, "--durable", "--receipts") as pub, \
                spindle.start("sub", TOPIC, "--group", "billing") as sub:
            publish(pub, range(1, 21))
            sub.wait_for_lines(20)
            done = subprocess.run([spindle_program, "spool", "backup", proxy.spool[1], copy],
                                  capture_output=True, text=True)
            expect(done.returncode, 0, f"exit code of backup\n{done.stderr}")
            publish(pub, range(21, 31))
            sub.wait_for_lines(30)

            proxy.kill()
            proxy.spool[1] = str(copy)
            proxy.start()
            pub.wait_for_error("commits 21 to 30 were acknowledged and are not in the proxy's spool")
            publish(pub, range(31, 36))
            wait_until("the group has the newest event", lambda: 35 in numbers_in(sub.lines()))
            receipts = pub.finish(code=1)
            expect(len(receipts), 35, "receipts")
            expect(len({receipt["id"] for receipt in receipts}), 35, "different event ids")
            expect([receipt["offset"] for receipt in receipts[30:]], list(range(20, 25)), "offsets after the copy")
            expect(numbers_in(sub.lines())[30:], list(range(31, 36)), "events after the copy")
            expect(sorted(set(numbers_in(sub.lines()))), list(range(1, 36)), "events that the group saw")
            sub.process.send_signal(signal.SIGINT)
            sub.process.wait(timeout=DEADLINE_S)  # 1 when an acknowledgement of the lost time was still on its way
        with spindle.start("sub", TOPIC, "--group", "check") as check:
            check.wait_for_lines(25)
            check.process.send_signal(signal.SIGINT)
            stored = [event["data"]["n"] for event in check.finish()]
        expect(stored, list(range(1, 21)) + list(range(31, 36)), "events in the restored spool")
        proxy.stop()


main(*sys.argv[1:])
