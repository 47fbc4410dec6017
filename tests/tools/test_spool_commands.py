#!/usr/bin/python3
"""`spindle spool` on the directory of a real proxy: while it runs, on copies, on damaged ones."""
import ctypes
import ctypes.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from command_line import Proxy, Spindle, expect  # noqa: E402


def proxy_on(program, directory, *options):
    return Proxy(program, "--spool", directory, *options, durable=False)


def run(program, *words, code=0):
    done = subprocess.run([program, "spool", *map(str, words)], capture_output=True, text=True, timeout=60)
    expect(done.returncode, code, f"exit code of spool {' '.join(map(str, words))}\n{done.stderr}")
    return done


def dump(program, *words, code=0):
    return [json.loads(line) for line in run(program, "dump", *words, code=code).stdout.splitlines()
            if not line.startswith("#")]


def segments(directory):
    return sorted(pathlib.Path(directory).glob("*.log"))


def flip(path, needle):
    data = bytearray(path.read_bytes())
    data[data.index(needle)] ^= 1
    path.write_bytes(data)


def a_running_proxy_is_looked_at(program, spindle, spool):
    receipts = spindle("pub", "orders.placed", "--durable", "--receipts",
                       text="".join(f'{{"n":{n}}}\n' for n in range(1000))).stdout.splitlines()
    spindle("pub", "other.topic", "--durable", text='"other"\n')
    spindle.events("orders.placed", "--group", "billing", "--count", 10)
    info = json.loads(run(program, "info", spool, "--json").stdout)
    expect((info["first_offset"], info["next_offset"], info["format_version"], info["copy"], info["damages"]),
           (0, 1001, 1, False, 0), "info")
    expect("nothing is damaged" in run(program, "verify", spool).stdout, True, "verify")
    text = run(program, "info", spool).stdout
    expect(info["spool"] in text and "0 to 1001, 1001 events" in text, True, f"info as text {text}")
    events = dump(program, spool, "--topic", "orders.>")
    expect([event["data"]["n"] for event in events], list(range(1000)), "the events")
    expect([{"id": event["id"], "offset": event["offset"]} for event in events],
           [json.loads(line) for line in receipts], "ids and offsets as in the receipts")
    expect(dump(program, spool, "--from", 998, "--topic", ">")[0]["offset"], 998, "from an offset")
    records = [line for line in run(program, "dump", spool).stdout.splitlines() if line.startswith("# ")]
    expect(any(line.startswith("# group") and "billing" in line for line in records), True, f"records {records[:5]}")
    as_json = [event for event in dump(program, spool, "--json") if "record" in event]
    expect({"group", "settle"} <= {record["record"] for record in as_json}, True, "records as JSON")


def a_backup_of_a_running_proxy_is_started(program, proxy_program, spindle, spool, directory):
    copy = f"{directory}/copy"
    said = run(program, "backup", spool, copy).stdout
    expect("offsets 0 to 1001" in said, True, said)
    expect("exists already" in run(program, "backup", spool, copy, code=1).stderr, True, "a second backup")
    expect(run(program, "verify", copy).stdout.startswith("1 segment, "), True, "verify of the copy")
    expect("in 1 segment, " in said, True, said)
    expect(json.loads(run(program, "info", copy, "--json").stdout)["copy"], True, "it says that it is a copy")
    spindle("pub", "orders.placed", "--durable", text='{"n":"after"}\n')
    with proxy_on(proxy_program, copy) as restored:
        again = Spindle(program, restored)
        events = again.events("orders.placed", "--group", "billing", "--count", 990)
        expect(events[0]["data"], {"n": 10}, "the group goes on where it was")
        receipt = json.loads(again("pub", "orders.placed", "--durable", "--receipts", text='{"n":"new"}\n').stdout)
        expect(receipt["offset"] >= 1001, True, "offsets go on")
    info = json.loads(run(program, "info", copy, "--json").stdout)
    expect(info["incarnation"] > 1_000_000_000_000, True, "the new incarnation is a time")
    expect(json.loads(run(program, "info", spool, "--json").stdout)["incarnation"], 1, "the original's")
    run(program, "verify", spool)


def damage_is_named_and_passed_over(program, proxy_program, spool, directory):
    broken = f"{directory}/broken"
    shutil.copytree(spool, broken)
    newest = segments(broken)[-1]
    flip(newest, b"other.topic")
    done = run(program, "verify", broken, code=1)
    expect(newest.name in done.stdout and "position" in done.stdout and "offset" in done.stdout, True, done.stdout)
    events = dump(program, broken, "--topic", "orders.>", code=1)
    expect(events[-1]["data"], {"n": "after"}, "what is behind the damage is printed")
    expect(newest.name in run(program, "dump", broken, code=1).stderr, True, "dump tells of it")
    expect("damaged" in run(program, "backup", broken, f"{directory}/never", code=1).stderr, True, "no backup of it")
    expect(os.path.exists(f"{directory}/never"), False, "nothing is left at TO")

    command = [proxy_program, "--spool", broken, "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expect((refused.returncode, "--accept-loss" in refused.stderr and newest.name in refused.stderr), (1, True),
           refused.stderr)
    with proxy_on(proxy_program, broken, "--accept-loss") as accepted:
        again = Spindle(program, accepted)
        again("pub", "orders.placed", "--durable", text='{"n":"goes on"}\n')
    run(program, "verify", broken)
    expect([path.name for path in pathlib.Path(broken).glob("*.damaged")], [newest.name + ".damaged"], "kept aside")


def wrong_use_is_explained(program, directory):
    empty = f"{directory}/empty"
    os.mkdir(empty)
    for command in ("info", "verify", "dump"):
        for place in (empty, f"{directory}/missing"):
            done = run(program, command, place, code=1)
            expect(place in done.stderr and done.stderr.count("\n") == 1 and not done.stdout, True, done.stderr)
    for words in ([], ["info"], ["fly"], ["dump", empty, "--topic", "a..b"], ["backup", empty]):
        run(program, *words, code=2)
    shown = run(program, "--help").stdout
    expect("Examples:" in shown and "Exit codes:" in shown, True, shown)


def header_checksum(header):
    xxh3 = ctypes.CDLL(ctypes.util.find_library("xxhash")).XXH3_64bits_withSeed
    xxh3.argtypes, xxh3.restype = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64], ctypes.c_uint64
    return xxh3(bytes(header), len(header), 0).to_bytes(8, "little")


def a_newer_format_is_refused(program, proxy_program, spool, directory):
    newer = f"{directory}/newer"
    shutil.copytree(spool, newer)
    path = segments(newer)[-1]
    data = bytearray(path.read_bytes())
    data[8] = 2
    data[120:128] = header_checksum(data[:120])
    path.write_bytes(data)
    for command in ("info", "verify", "dump"):
        expect("newer Spindle" in run(program, command, newer, code=1).stderr, True, f"{command} of a newer format")
    refused = subprocess.run([proxy_program, "--spool", newer, "--port", "0", "--accept-loss"], capture_output=True,
                             text=True, timeout=60)
    expect((refused.returncode, "newer Spindle" in refused.stderr), (1, True), refused.stderr)
    expect(path.read_bytes(), bytes(data), "nothing is changed")


def a_reader_that_leaves_is_an_error_without_words(program, spool):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run([program, "spool", "dump", spool], stdout=write_end, stderr=subprocess.PIPE, text=True,
                          timeout=60)
    os.close(write_end)
    expect((done.returncode, done.stderr), (1, ""), "when nobody reads, as head does once it has its line")
    full = subprocess.run([program, "spool", "dump", spool], stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE,
                          text=True, timeout=60)
    expect((full.returncode, "cannot write" in full.stderr), (1, True), f"when nothing can be written: {full.stderr}")


def main(proxy_program, program):
    with tempfile.TemporaryDirectory() as directory:
        spool = f"{directory}/spool"
        with proxy_on(proxy_program, spool) as proxy:
            spindle = Spindle(program, proxy)
            a_running_proxy_is_looked_at(program, spindle, spool)
            a_backup_of_a_running_proxy_is_started(program, proxy_program, spindle, spool, directory)
            a_reader_that_leaves_is_an_error_without_words(program, spool)
            proxy.stop()
        damage_is_named_and_passed_over(program, proxy_program, spool, directory)
        a_newer_format_is_refused(program, proxy_program, spool, directory)
        wrong_use_is_explained(program, directory)


main(*sys.argv[1:])
