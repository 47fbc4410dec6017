#!/usr/bin/python3
"""Golden spools of a broker are served as by the version that wrote them: read_broker.py SPINDLE-PROXY SPINDLE."""
import json
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "system"))
from command_line import Proxy, Spindle, expect  # noqa: E402

FIGURES = ("name", "patterns", "members", "lag", "retrying", "dead", "lost")


def describe(proxy_program, program, spool):
    """What a proxy that is started on a copy of the spool says of it, as JSON text."""
    with tempfile.TemporaryDirectory(prefix="spindle-golden-") as folder:
        copy = f"{folder}/spool"
        shutil.copytree(spool, copy)
        with Proxy(proxy_program, "--spool", copy, durable=False) as proxy:
            spindle = Spindle(program, proxy)
            groups = [{name: group[name] for name in FIGURES}
                      for group in json.loads(spindle("groups", "--json").stdout)]
            # Each source goes on behind its last number, and what is left for a group comes.
            goes_on = json.loads(spindle("pub", "orders.placed", "--durable", "--receipts", "--source", "shop/1/0",
                                         text='{"n":"after"}\n').stdout)
            left = [(event["offset"], event["data"])
                    for event in spindle.events("orders.placed", "--group", "billing", "--count", 6)]
            (dead,) = spindle.events("_spindle.dead.picky", "--group", "graves", "--count", 1)
    said = {"groups": groups, "next_offset": goes_on["offset"], "left": left,
            "dead": [dead["data"], dead["attributes"]["deadreason"], dead["attributes"]["deadoffset"]]}
    return json.dumps(said, indent=1, sort_keys=True) + "\n"


def main(proxy_program, program):
    found = sorted(HERE.glob("v*/broker*/expected.json"))
    expect(len(found) >= 1, True, "golden spools of a broker")
    for expected in found:
        expect(describe(proxy_program, program, expected.parent / "spool"), expected.read_text(), str(expected.parent))


if __name__ == "__main__":
    main(*sys.argv[1:])
