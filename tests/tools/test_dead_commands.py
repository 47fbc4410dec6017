#!/usr/bin/python3
"""`spindle dead` against a real proxy: ten thousand letters are a line, are replayed through a kill, are discarded."""
import json
import os
import pathlib
import pty
import subprocess
import sys
import uuid

system = pathlib.Path(__file__).resolve().parent.parent / "system"
sys.path[:0] = [str(system), str(system / "python")]
import msgpack  # noqa: E402
from command_line import Proxy, Spindle, expect, wait_until  # noqa: E402
from durable_member import Session  # noqa: E402

LETTERS = 10_000


class Undertaker:
    """A member of the group billing that rejects what it gets, with `reason(data)` for a reason."""

    def __init__(self, proxy, reason):
        self.session, self.reason, self.rejected = Session(proxy.control, f"undertaker/{uuid.uuid4().hex}/1"), reason, 0
        self.commit = self.session.open()
        self.session.send("attach", 1, "billing", ["orders.*", "invoices.*"], True, "beginning", {}, 1000, 1 << 22, [])

    def on_deliver(self, fields, packets):
        _, run, generation, entries = fields[:4]
        settlements = []
        for (handout, offset, *_), packet in zip(entries, packets[1::2]):
            unpacker = msgpack.Unpacker()
            unpacker.feed(packet)
            next(unpacker)
            for index, (_, data) in enumerate(unpacker):
                reason = self.reason(msgpack.unpackb(data))
                settlements.append([1, run, generation, handout, offset + index, 1, 2, None, reason])
        self.rejected += len(settlements)
        self.commit += 1
        self.session.send("settle", self.commit, [[1, settlements, []]])

    def run(self, count):
        answered = 0
        while self.rejected < count or answered < self.commit:
            kind, fields, packets = self.session.receive(5000)
            if kind == "deliver":
                self.on_deliver(fields, packets)
            elif kind == "settled":
                answered = max(number + run - 1 for number, run, *_ in fields[1])
        self.session.send("goodbye", "done")


def lines_of(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def listed(spindle, *words):
    return json.loads(spindle("dead", "list", *words, "--json").stdout)


def letters_kept(spindle):
    return json.loads(spindle("groups", "billing", "--json").stdout)[0]["letters"]


def make_letters(spindle, proxy):
    spindle("pub", "orders.placed", "--durable", "--key", "n", text=lines_of({"n": n} for n in range(LETTERS)))
    spindle("pub", "invoices.sent", "--durable", text=lines_of({"invoice": n} for n in range(3)))
    Undertaker(proxy, lambda data: f"order {data['n']} is odd" if "n" in data else "no address").run(LETTERS + 3)
    wait_until("all are dead letters", lambda: letters_kept(spindle) == LETTERS + 3)


def letters_of_one_bug_are_one_line(spindle):
    lines = spindle("dead", "list").stdout.splitlines()
    expect(len(lines), 3, f"a line of titles and one for each cause {lines[:5]}")
    expect(lines[1].split()[:3], ["billing", "orders.placed", str(LETTERS)], "the larger cause first")
    expect(lines[1].endswith("order # is odd"), True, lines[1])
    causes = listed(spindle)
    expect([(cause["group"], cause["topic"], cause["reason"], cause["letters"]) for cause in causes],
           [("billing", "orders.placed", "order # is odd", LETTERS), ("billing", "invoices.sent", "no address", 3)],
           "causes")
    expect(causes[0]["first"] <= causes[0]["last"] and causes[0]["oldest"] < causes[0]["newest"], True, "the range")
    expect(len(listed(spindle, "--exact")), LETTERS + 1, "exact reasons")
    expect([cause["reason"] for cause in listed(spindle, "billing", "--topic", "invoices.>")], ["no address"], "topic")
    expect([cause["letters"] for cause in listed(spindle, "--reason", "er 77 i")], [1], "reason")
    each = [json.loads(line) for line in spindle("dead", "list", "--each", "--json").stdout.splitlines()]
    expect(len({letter["offset"] for letter in each}), LETTERS + 3, "each letter")
    expect(len(spindle("dead", "list", "--each", "--topic", "invoices.*").stdout.splitlines()), 3, "a line for each")
    unknown = spindle("dead", "list", "nobody", code=1)
    expect("there is no group nobody" in unknown.stderr, True, unknown.stderr)


def a_letter_is_shown_whole(spindle):
    letter = json.loads(spindle("dead", "list", "--each", "--json", "--reason", "order 77 is").stdout)
    shown = json.loads(spindle("dead", "show", "billing", letter["offset"]).stdout)
    expect((shown["group"], shown["data"], shown["deadreason"], shown["deadtopic"], shown["deadattempts"]),
           ("billing", {"n": 77}, "order 77 is odd", "orders.placed", 1), "the letter")
    expect(shown["attributes"]["deadid"], letter["deadid"], "its attributes")
    expect(isinstance(shown["key"], int), True, "its key's hash")
    line = spindle("dead", "list", "billing", "--each", "--reason", "order 77 is").stdout
    expect(line.split()[:4], ["billing", str(letter["offset"]), "of", str(letter["deadoffset"])], "its line")
    event = spindle("dead", "show", "billing", letter["deadoffset"], code=1).stderr
    expect(f"offset {letter['deadoffset']} is the event itself; its dead letter is at {letter['offset']}: spindle dead "
           f"show billing {letter['offset']}\n" in event, True, event)
    none = spindle("dead", "show", "billing", 10**9, code=1).stderr
    expect("is no dead letter of group billing; see: spindle dead list billing --each" in none, True, none)


def nothing_is_done_unless_it_is_meant(spindle, program, proxy):
    expect("say which letters" in spindle("dead", "replay", "billing", code=2).stderr, True, "no filter")
    spindle("dead", "replay", "billing", "--all", "--topic", ">", code=2)
    expect("needs --yes" in spindle("dead", "discard", "billing", "--all", code=2).stderr, True, "nobody to ask")
    dry = spindle("dead", "discard", "billing", "--topic", "invoices.*", "--dry-run").stdout
    expect("Would be done:\nbilling: discards 3 dead letters\n" in dry and "no address" in dry, True, dry)
    none = spindle("dead", "discard", "billing", "--topic", "no.such", "--dry-run").stdout
    expect(none, "billing: nothing changes\n", "no letters")
    for answer, code in (("n", 2), ("y", 0)):
        ours, theirs = pty.openpty()
        asked = subprocess.Popen([program, "dead", "discard", "billing", "--reason", "order 9999 is", "--proxy",
                                  proxy.control], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.write(ours, f"{answer}\n".encode())
        out, err = asked.communicate(timeout=60)
        expect((asked.returncode, "Would be done:\nbilling: discards 1 dead letter\nDo that? [y/N]" in err), (code, True), err + out)
        os.close(ours)
        os.close(theirs)
        expect("not confirmed: nothing changes" in err, answer == "n", err)
        expect(letters_kept(spindle), LETTERS + 3 - (answer == "y"), f"letters after {answer}")


def a_replay_goes_to_its_group_alone(spindle):
    audit = spindle.events("invoices.>", "--group", "audit", "--count", 3)
    said = spindle("dead", "replay", "billing", "--topic", "invoices.*", "--yes").stdout
    expect(said, "replayed 3 dead letters of group billing\n", "what it says")
    again = spindle.events("invoices.*", "--group", "billing", "--count", 3)
    expect([(event["topic"], event["data"], event["id"], event["time"]) for event in again],
           [(event["topic"], event["data"], event["id"], event["time"]) for event in audit], "the events as they were")
    expect({event["attributes"]["deadreplays"] for event in again}, {1}, "how often they were replayed")
    for patterns in ("invoices.>", ">", "_spindle.>"):
        words = ("sub", patterns, "--group", "audit" if patterns == "invoices.>" else uuid.uuid4().hex,
                 "--timeout", 0.5, "--count", 100_000)
        seen = [json.loads(line) for line in spindle(*words, code=3).stdout.splitlines()]
        expect([event for event in seen if "replay" in event["topic"] or "deadreplays" in event["attributes"] and
                event["topic"] == "invoices.sent"], [], f"what {patterns} sees of replays")


def a_replay_that_is_cut_off_is_run_again(spindle, program, proxy):
    left = letters_kept(spindle)
    kills = 0
    while kills < 5 and letters_kept(spindle) > 0:
        with spindle.start("dead", "replay", "billing", "--all", "--yes") as running:
            before = letters_kept(spindle)
            wait_until("some are replayed", lambda: running.process.poll() is not None or letters_kept(spindle) < before)
            proxy.kill()
            running.process.kill()
            running.process.wait()
        proxy.start()
        kills += 1
    rest = letters_kept(spindle)
    print(f"{kills} kills, {left} letters before them and {rest} after")
    said = spindle("dead", "replay", "billing", "--all", "--yes").stdout
    expect(said, f"replayed {rest} dead letters of group billing\n", "the rest")
    expect(letters_kept(spindle), 0, "letters")
    expect(spindle("dead", "list").stdout, "There are no dead letters.\n", "an empty list")
    events = spindle.events("orders.*", "--group", "billing", "--count", left)
    expect(sorted(event["data"]["n"] for event in events), list(range(left)), "each event once")
    dump = subprocess.run([program, "spool", "dump", proxy.spool[1], "--topic", "_spindle.replay.billing.*.orders.>"],
                          capture_output=True, text=True, timeout=60, check=True).stdout
    stored = [json.loads(line) for line in dump.splitlines() if not line.startswith("#")]
    expect(len({event["attributes"]["deadid"] for event in stored}), len(stored), "each replay is recorded once")
    expect(len(stored), left, "replays in the log")


def letters_are_discarded(spindle, proxy):
    spindle("pub", "orders.placed", "--durable", text=lines_of({"n": n} for n in range(2_500)))
    Undertaker(proxy, lambda data: f"order {data['n']} is odd").run(2_500)
    wait_until("all are dead letters", lambda: letters_kept(spindle) == 2_500)
    offset = listed(spindle)[0]["oldest"]
    expect(spindle("dead", "discard", "billing", "--offset", offset, "--yes").stdout,
           "discarded 1 dead letter of group billing\n", "one")
    expect("is no dead letter" in spindle("dead", "discard", "billing", "--offset", offset, "--yes", code=1).stderr, True,
           "again")
    expect(spindle("dead", "discard", "billing", "--all", "--yes").stdout,
           "discarded 2499 dead letters of group billing\n", "the others")
    expect(letters_kept(spindle), 0, "letters")


def main(proxy_program, program):
    with Proxy(proxy_program) as proxy:
        spindle = Spindle(program, proxy)
        expect(spindle("dead", "list").stdout, "There are no dead letters.\n", "an empty list")
        make_letters(spindle, proxy)
        letters_of_one_bug_are_one_line(spindle)
        a_letter_is_shown_whole(spindle)
        nothing_is_done_unless_it_is_meant(spindle, program, proxy)
        a_replay_goes_to_its_group_alone(spindle)
        a_replay_that_is_cut_off_is_run_again(spindle, program, proxy)
        letters_are_discarded(spindle, proxy)


if __name__ == "__main__":
    main(*sys.argv[1:])
