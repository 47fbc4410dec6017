#!/usr/bin/python3
"""`spindle pub`, `sub` and `groups` end to end, as a script would use them."""
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from command_line import Proxy, Spindle, expect, wait_until  # noqa: E402


def lines_of(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def receipts_name_what_a_group_sees(spindle):
    data = [{"n": n, "text": "ä" * (n % 50), "bytes": {"$bin": "AAEC"}} for n in range(5_000)]
    done = spindle("pub", "orders.placed", "--durable", "--receipts", "--key", "n", text=lines_of(data))
    receipts = [json.loads(line) for line in done.stdout.splitlines()]
    expect(len(receipts), len(data), "receipts")
    events = spindle.events("orders.placed", "--group", "receipts", "--count", len(data))
    expect([event["data"] for event in events], data, "events in the order published")
    expect([{"id": event["id"], "offset": event["offset"]} for event in events], receipts, "ids and offsets")
    expect({event["attempt"] for event in events}, {1}, "attempts")
    again = spindle("sub", "orders.placed", "--group", "receipts", "--count", 1, "--timeout", 0.3, code=3)
    expect(again.stdout, "", "what comes after all was acknowledged")


def one_source_counts_on_over_processes(spindle):
    ids = []
    for _ in range(2):
        done = spindle("pub", "a.b", "--durable", "--receipts", "--source", "till/7/0", text="1\n2\n")
        ids += [json.loads(line)["id"] for line in done.stdout.splitlines()]
    expect(len(set(ids)), 4, f"different ids {ids}")


def receipts_do_not_wait_for_more_input(spindle):
    with spindle.start("pub", "slow.input", "--durable", "--receipts") as pub:
        for n in range(3):
            pub.type(f"{n}\n")
            pub.wait_for_lines(n + 1)
        expect(len(pub.finish()), 3, "receipts")


def live_events_reach_who_is_subscribed(spindle):
    with spindle.start("sub", "live.*", "--count", 1_000) as sub:
        sub.wait_for_error("spindle: subscribed")
        data = [{"n": n} for n in range(1_000)]
        spindle("pub", "live.one", text=lines_of(data))
        events = sub.finish()
        expect([event["data"] for event in events], data, "live events")
        expect([(event["offset"], event["attempt"]) for event in events], [(None, None)] * 1_000, "no offsets")
        expect(len({event["id"] for event in events}), 1_000, "different ids")


def a_cloud_event_is_shown(spindle):
    import msgpack
    import zmq
    with spindle.start("sub", "till.>", "--count", 1) as sub, zmq.Context() as context:
        sub.wait_for_error("spindle: subscribed")
        with context.socket(zmq.PUB) as socket:
            socket.connect(spindle.proxy.publish)
            event = {"specversion": "1.0", "id": "a1", "source": "till/1", "type": "till.sale", "subject": "berlin",
                     "data": {"id": 7, "raw": b"\0\1"}}

            def seen():  # a new PUB loses what it sends before it is connected
                socket.send_multipart([b"till.sale", msgpack.packb(event)])
                return sub.lines()

            wait_until("the event is shown", seen)
        (shown,) = sub.finish()
        expect(shown["data"], {"id": 7, "raw": {"$bin": "AAE="}}, "data")
        expect((shown["id"], shown["source"], shown["topic"], shown["attributes"]),
               ("a1", "till/1", "till.sale", {"subject": "berlin"}), "the rest")


def a_wrong_line_ends_the_input(spindle):
    for options in ([], ["--durable"]):
        done = spindle("pub", "wrong.line", *options, text='{"n":1}\n\n{"n":\n{"n":2}\n', code=2)
        expect("line 3" in done.stderr and done.stderr.count("\n") == 1, True, f"one line in {done.stderr!r}")
    events = spindle.events("wrong.line", "--group", "wrong", "--count", 1)
    expect([event["data"] for event in events], [{"n": 1}], "what came before the wrong line")


def count_gives_the_rest_back(spindle):
    spindle("pub", "shared.out", "--durable", text=lines_of(range(100)))
    first = spindle.events("shared.out", "--group", "rest", "--count", 30)
    second = spindle.events("shared.out", "--group", "rest", "--count", 70)
    expect([event["data"] for event in first + second], list(range(100)), "both together")
    expect({event["attempt"] for event in second}, {1}, "attempts of what was given back")


def from_now_skips_what_was_before(spindle):
    spindle("pub", "some.past", "--durable", text="1\n")
    with spindle.start("sub", "some.past", "--group", "late", "--from", "now", "--count", 1) as sub:
        sub.wait_for_error("spindle: subscribed")
        receipt = spindle("pub", "some.past", "--durable", "--receipts", text="2\n").stdout
        expect([event["data"] for event in sub.finish()], [2], "only the new one")
    events = spindle.events("some.past", "--group", "at", "--from", json.loads(receipt)["offset"], "--count", 1)
    expect(events[0]["data"], 2, "from an offset")


def a_reader_that_leaves_is_an_error_without_loss(spindle):
    spindle("pub", "pipe.line", "--durable", text=lines_of(range(10)))
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(spindle.command(["sub", "pipe.line", "--group", "pipe"]), stdout=write_end,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write_end)
    expect(done.returncode, 1, "exit code when nobody reads")
    events = spindle.events("pipe.line", "--group", "pipe", "--count", 10)
    expect([event["data"] for event in events], list(range(10)), "events that nobody had read")


def interrupted_sub_settles_and_leaves(spindle):
    spindle("pub", "inter.rupt", "--durable", text="1\n2\n")
    with spindle.start("sub", "inter.rupt", "--group", "interrupt") as sub:
        sub.wait_for_lines(2)
        sub.process.send_signal(signal.SIGINT)
        sub.finish()
    (group,) = json.loads(spindle("groups", "interrupt", "--json").stdout)
    expect((group["pending"], group["floor"], group["members"]), (0, group["end"], []), "the group afterwards")


def groups_are_listed(spindle):
    spindle("pub", "list.me", "--durable", text="1\n2\n3\n")
    spindle.events("list.me", "--group", "listed", "--count", 1)
    header, *rows = spindle("groups").stdout.splitlines()
    expect(header.split(), ["GROUP", "PATTERNS", "MEMBERS", "LAG", "PENDING", "OLDEST", "DEAD", "LOST", "KEEPS", "STATE"], "titles")
    (row,) = [row.split() for row in rows if row.startswith("listed ")]
    expect((row[1], row[2], row[4], row[6]), ("list.me", "0", "0", "0"), "the group's line")
    expect(int(row[3]) >= 2, True, "its lag")
    for words in (("groups", "nobody"), ("group", "show", "nobody"), ("group", "pause", "nobody"),
                  ("group", "alter", "nobody", "--expires", "1h", "--yes"), ("group", "delete", "nobody", "--yes"),
                  ("group", "seek", "nobody", "1h", "--yes"), ("dead", "list", "nobody"), ("dead", "show", "nobody", 1),
                  ("dead", "discard", "nobody", "--offset", 1, "--yes")):
        expect(spindle(*words, code=1).stderr, "spindle: unknown_group: there is no group nobody; see: spindle groups\n",
               f"the error of {words}")


def wrong_use_is_explained(spindle):
    for words in (["pub"], ["pub", "a..b"], ["pub", "_own.topic"], ["pub", "a.b", "--receipts"], ["sub", "a.>.b"],
                  ["sub", "a.b", "--from", "now"], ["sub", "a.b", "--group", "g", "--from", "noon"], ["fly"],
                  ["sub", "a.b", "--count", "0"]):
        done = subprocess.run([spindle.program, *words], capture_output=True, text=True, timeout=60)
        expect((done.returncode, done.stdout), (2, ""), f"exit code and output of {words}")
        expect(done.stderr.startswith("spindle: "), True, f"the error of {words}: {done.stderr!r}")
    for words, first, hint in (
            (["frobnicate", "--hard"], 'there is no command "spindle frobnicate"', "spindle"),
            (["group", "frobnicate"], 'there is no command "spindle group frobnicate"', "spindle group"),
            (["group", "alter", "g", "--max-attempts", "x"], "", "spindle group alter"), (["pub"], "", "spindle pub"),
            (["groups", "--bogus"], "", "spindle groups"), (["--bogus"], "", "spindle"), ([], "", "spindle")):
        done = subprocess.run([spindle.program, *words], capture_output=True, text=True, timeout=60)
        lines = done.stderr.splitlines()
        expect((done.returncode, len(lines), lines[0].startswith(f"spindle: {first}"), lines[-1]),
               (2, 2, True, f"Try: {hint} --help"), f"what is said of {words}: {done.stderr!r}")
    shown = subprocess.run([spindle.program, "--help"], capture_output=True, text=True, timeout=60)
    expect((shown.returncode, "Examples:" in shown.stdout), (0, True), "--help")


def nobody_there_is_told_in_time(spindle):
    done = subprocess.run([spindle.program, "groups", "--proxy", "tcp://127.0.0.1:1", "--connect-timeout", "0.2"],
                          capture_output=True, text=True, timeout=60)
    expect(done.returncode, 1, "exit code")
    expect("cannot reach the proxy at tcp://127.0.0.1:1 within 0.2 s: start spindle-proxy, or give --proxy"
           in done.stderr, True, done.stderr)


def a_live_only_proxy_refuses_durable_work(proxy_program, spindle_program):
    with Proxy(proxy_program, durable=False) as proxy:
        spindle = Spindle(spindle_program, proxy)
        done = spindle("pub", "a.b", "--durable", text="1\n2\n", code=1)
        error = json.loads(done.stderr.splitlines()[0])
        expect((error["error"], error["line"], error["events"]), ("no_spool", 1, 2), "the refusal")
        expect("no_spool" in spindle("sub", "a.b", "--group", "g", code=1).stderr, True, "the group's error")
        spindle("pub", "a.b", text="1\n")


def main(proxy_program, spindle_program):
    with Proxy(proxy_program) as proxy:
        spindle = Spindle(spindle_program, proxy)
        for test in (receipts_name_what_a_group_sees, one_source_counts_on_over_processes,
                     receipts_do_not_wait_for_more_input, live_events_reach_who_is_subscribed, a_cloud_event_is_shown,
                     a_wrong_line_ends_the_input, count_gives_the_rest_back, from_now_skips_what_was_before,
                     a_reader_that_leaves_is_an_error_without_loss, interrupted_sub_settles_and_leaves,
                     groups_are_listed, wrong_use_is_explained, nobody_there_is_told_in_time):
            print(test.__name__.replace("_", " "), flush=True)
            test(spindle)
        proxy.stop()
    print("a live only proxy refuses durable work")
    a_live_only_proxy_refuses_durable_work(proxy_program, spindle_program)


main(*sys.argv[1:])
