#!/usr/bin/python3
"""Writes the golden spool of a broker: make_broker.py SPINDLE-PROXY SPINDLE DIRECTORY (tests/spool/golden/v1/broker).

Run once for a release, and never again for it, like make_golden. Two sources, a group that acknowledged, one that
rejected and asked for another attempt (so there is a dead letter), members that are gone. It is a backup of a proxy's spool, so that no reserved space is in it.
"""
import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "system"))
sys.dont_write_bytecode = True
from command_line import Proxy, Spindle, expect  # noqa: E402
from durable_member import Session  # noqa: E402
from read_broker import describe  # noqa: E402

RETRY, REJECT = 1, 2


def settle_one_of_each(proxy):
    """A member that rejects the first event, asks for the second again in a year, and leaves the third."""
    session = Session(proxy.control, "picky/1/0")
    last = session.open()
    session.send("attach", 1, "picky", ["orders.*"], True, "beginning", {}, 100, 1 << 20, [])
    deliveries = []
    while len(deliveries) < 3:
        kind, fields, packets = session.receive(10_000)
        if kind != "deliver":
            continue
        _, run, generation, entries = fields[:4]
        for handout, offset, count, *_ in entries:
            deliveries += [(run, generation, handout, offset + i) for i in range(count)]
    year_ms = 365 * 24 * 3_600_000
    verdicts = ([1, *deliveries[0], 1, REJECT, None, "not like this"], [1, *deliveries[1], 1, RETRY, year_ms, "later"])
    session.send("settle", last + 1, [[1, [verdict], []] for verdict in verdicts])
    settled = 0
    while settled < 2:
        kind, fields, _ = session.receive(10_000)
        if kind == "settled":
            settled += sum(run for _, run, *_ in fields[1])


def main(proxy_program, program, directory):
    with Proxy(proxy_program) as proxy:
        spindle = Spindle(program, proxy)
        for source, count in (("shop/1/0", 6), ("till/2/0", 3)):
            spindle("pub", "orders.placed", "--durable", "--source", source,
                    text="".join(json.dumps({"source": source, "n": n}) + "\n" for n in range(count)))
        spindle("pub", "stock.moved", "--durable", text='{"item":"cup"}\n')
        spindle.events("orders.placed", "--group", "billing", "--count", 4)
        spindle.events(">", "--group", "audit", "--count", 2)
        settle_one_of_each(proxy)
        shutil.rmtree(directory, ignore_errors=True)
        pathlib.Path(directory).mkdir(parents=True)
        spindle_spool = proxy.spool[1]
        proxy.kill()
        subprocess.run([program, "spool", "backup", spindle_spool, f"{directory}/spool"], check=True)
    text = describe(proxy_program, program, f"{directory}/spool")
    expect(text.count('"dead": 1'), 1, f"dead letters in\n{text}")
    (pathlib.Path(directory) / "expected.json").write_text(text)


main(*sys.argv[1:])
