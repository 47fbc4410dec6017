#!/usr/bin/python3
"""`spindle group` end to end, and what `spindle sub` makes of its groups."""
import json
import os
import pathlib
import pty
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from command_line import DEADLINE_S, Proxy, Spindle, expect, wait_until  # noqa: E402


def lines_of(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def group(spindle, name):
    return json.loads(spindle("group", "show", name, "--json").stdout)


def data_of(events):
    return [event["data"] for event in events]


def a_paused_group_gives_nothing_until_it_is_resumed(spindle):
    spindle("pub", "pause.me", "--durable", text="1\n2\n")
    expect(data_of(spindle.events("pause.me", "--group", "paused", "--count", 1)), [1], "before the pause")
    dry = spindle("group", "pause", "paused", "--dry-run")
    expect((dry.stdout, dry.stderr), ("Would be done:\npaused: hands nothing out any more; 0 events that are out may be "
                                      "settled, and what is not settled is kept\n",
                                      "spindle: a dry run: nothing changes\n"), "what a dry run says")
    expect(group(spindle, "paused")["paused"], False, "after a dry run")
    spindle("group", "pause", "paused")
    expect(spindle("group", "pause", "paused").stdout, "paused: nothing changes\n", "a second pause")
    expect(group(spindle, "paused")["stalled"], "paused by an operator", "why it hands nothing out")
    spindle("sub", "pause.me", "--group", "paused", "--count", 1, "--timeout", 0.5, code=3)
    spindle("group", "resume", "paused")
    expect(data_of(spindle.events("pause.me", "--group", "paused", "--count", 1)), [2], "after it is resumed")


def a_seek_needs_yes_and_goes_where_it_is_told(spindle):
    spindle("pub", "seek.me", "--durable", text=lines_of(range(5)))
    events = spindle.events("seek.me", "--group", "sought", "--count", 5)
    refused = spindle("group", "seek", "sought", events[3]["offset"], code=2)
    expect("--yes" in refused.stderr, True, f"what is missing: {refused.stderr!r}")
    before = group(spindle, "sought")
    dry = spindle("group", "seek", "sought", events[3]["offset"], "--dry-run").stdout
    expect(group(spindle, "sought"), before, "the group after a dry run")
    done = spindle("group", "seek", "sought", events[3]["offset"], "--yes").stdout
    expect("Would be done:\n" + done, dry, "what was done is what would have been done")
    reads_on, again = done.splitlines()
    expect((reads_on.startswith(f"sought: reads on at offset {events[3]['offset']} (kept are 0 to "), again),
           (True, "sought: delivers again what it wants of 2 events that it was done with"), "what it does")
    expect(data_of(spindle.events("seek.me", "--group", "sought", "--count", 2)), [3, 4], "from an offset")
    answer = json.loads(spindle("group", "seek", "sought", "beginning", "--yes", "--json").stdout)
    expect((answer["position"], answer["dry_run"], answer["clamped"]), (0, False, False), "the answer")
    expect(data_of(spindle.events("seek.me", "--group", "sought", "--count", 5)), list(range(5)), "from the beginning")
    spindle("group", "seek", "sought", "now", "--yes")
    expect(group(spindle, "sought")["lag"], 0, "lag at the end")
    beyond = spindle("group", "seek", "sought", 10**9, "--yes", code=1)
    expect("is not stored yet" in beyond.stderr, True, f"an offset that is not there yet: {beyond.stderr!r}")


def a_time_is_sought(spindle):
    spindle("pub", "timely", "--durable", text="1\n")
    time.sleep(1.1)  # times on the command line have whole seconds here
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    spindle("pub", "timely", "--durable", text="2\n")
    spindle.events("timely", "--group", "times", "--count", 2)
    spindle("group", "seek", "times", moment, "--yes")
    expect(data_of(spindle.events("timely", "--group", "times", "--count", 1)), [2], "from a time")
    spindle("group", "seek", "times", "1h", "--yes")
    expect(data_of(spindle.events("timely", "--group", "times", "--count", 2)), [1, 2], "from an hour ago")
    spindle("group", "seek", "times", "noon", "--yes", code=2)


def a_deleted_group_ends_its_members(spindle):
    with spindle.start("sub", "delete.me", "--group", "deleted") as sub:
        sub.wait_for_error("spindle: subscribed")
        spindle("group", "delete", "deleted", code=2)
        dry = spindle("group", "delete", "deleted", "--dry-run").stdout
        expect(("tells 1 member, which then ends" in dry, "begins at the beginning" in dry), (True, True), dry)
        spindle("group", "delete", "deleted", "--yes")
        sub.wait_until("the member ends", lambda: sub.process.poll() is not None)
        expect(sub.process.returncode, 1, "the member's exit code")
        expect("group_deleted" in sub.errors(), True, f"the reason in {sub.errors()!r}")
    expect("no group deleted" in spindle("group", "show", "deleted", code=1).stderr, True, "a group that is gone")
    expect("unknown_group" in spindle("group", "delete", "deleted", "--yes", code=1).stderr, True, "deleted again")


def answered(spindle, answer, *words):
    """Runs it with a terminal on which the user types this."""
    terminal, other = pty.openpty()
    run = subprocess.Popen(spindle.command(words), stdin=other, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True)
    os.write(terminal, answer)
    _, errors = run.communicate(timeout=DEADLINE_S)
    os.close(other)
    os.close(terminal)
    return run.returncode, errors


def a_terminal_is_asked(spindle):
    spindle.events("ask.me", "--group", "asked", "--timeout", 0.2)
    for answer, code, left in ((b"n\n", 1, True), (b"y\n", 0, False)):
        got, errors = answered(spindle, answer, "group", "delete", "asked")
        expect(got, code, f"exit code after {answer}; {errors}")
        would, question = errors.split("Do that? [y/N] ")
        expect(would.startswith("Would be done:\nasked: deletes the group, "), True, would)
        expect("makes a new group asked, which begins at the beginning" in would, True, would)
        expect(question, "spindle: not confirmed: nothing changes\n" if left else "", f"after {answer}")
        names = [one["name"] for one in json.loads(spindle("groups", "--json").stdout)]
        expect("asked" in names, left, f"whether the group is left after {answer}")


def options_are_altered_only_on_request(spindle):
    spindle.events("alter.me", "--group", "altered", "--timeout", 0.2)
    expect(group(spindle, "altered")["options"]["expires_ms"], 3_600_000, "a group that sub makes expires")
    spindle.events("alter.me", "--group", "altered", "--timeout", 0.2)  # the default is no demand
    wrong = spindle("sub", "alter.me", "--group", "altered", "--expires", "2h", "--timeout", 0.2, code=1)
    expect(wrong.stderr, "spindle: group_mismatch: group altered expires after 1 h, not after 2 h; --alter changes it\n",
           "the difference")
    spindle.events("alter.me", "--group", "altered", "--expires", "2h", "--alter", "--timeout", 0.2)
    expect(group(spindle, "altered")["options"]["expires_ms"], 7_200_000, "after --alter")
    done = spindle("group", "alter", "altered", "--max-attempts", 3, "--backoff-min", "250ms", "--expires", 0)
    expect(done.stdout.splitlines(), ["altered: max_attempts: 8 -> 3", "altered: backoff_min_ms: 1000 -> 250",
                                      "altered: expires_ms: 7200000 -> 0"], "what was changed")
    spindle("group", "alter", "altered", "--keep-at-most-bytes", "2GiB")
    expect(group(spindle, "altered")["options"]["keep_at_most_bytes"], 2 << 30, "a size with a unit")
    spindle("group", "alter", "altered", "--keep-at-most-bytes", 1000)
    expect(group(spindle, "altered")["options"]["keep_at_most_bytes"], 1000, "a size without one")
    spindle("group", "alter", "altered", "--keep-at-most-bytes", "big", code=2)
    spindle.events("alter.me", "--group", "altered", "--timeout", 0.2)
    wrong = spindle("group", "alter", "altered", "--max-attempts", 0, code=1)
    expect("max_attempts must be between" in wrong.stderr, True, "a value that cannot be")
    spindle("group", "alter", "altered", code=2)


def what_differs_from_the_defaults_is_shown(spindle):
    spindle.events("plain.topic", "--group", "plain", "--expires", 0, "--timeout", 0.2)
    shown = spindle("group", "show", "plain").stdout
    expect("(default" in shown, False, f"a group as it is made:\n{shown}")
    spindle("group", "alter", "plain", "--max-attempts", 9, "--backoff-min", "2s", "--backoff-max", "5m",
            "--backoff-factor", 3, "--ack-deadline", "500ms", "--keep-at-most", "1h", "--keep-at-most-bytes", "1GiB",
            "--expires", "1d", "--yes")
    shown = spindle("group", "show", "plain").stdout
    lines = [line.split() for line in shown.splitlines() if "(default" in line]
    expect([(line[0], " ".join(line[1:line.index("(default")])) for line in lines],
           [("max-attempts", "9"), ("backoff-min", "2 s"), ("backoff-max", "5 min"), ("backoff-factor", "3"),
            ("ack-deadline", "500 ms"), ("keep-at-most", "1 h"), ("keep-at-most-bytes", "1 GiB"), ("expires", "1 d")],
           "all of them")


def a_group_without_members_is_let_expire_only_when_that_is_confirmed(spindle):
    spindle.events("expire.me", "--group", "expires", "--expires", 0, "--timeout", 0.2)
    alter = ("group", "alter", "expires", "--expires")
    refused = spindle(*alter, "2h", code=2)
    expect("group alter needs --yes" in refused.stderr, True, refused.stderr)
    dry = spindle(*alter, "2h", "--dry-run").stdout
    expect(dry.splitlines()[2:], ["expires: has no member: it is deleted when it had none for 2h of the proxy's running "
                                  "time, at once if it had none for so long already", "expires: a service that starts again, or spindle sub, then makes a "
                                  "new group expires, which begins at the beginning of what is kept (unless it asks for "
                                  "now)"], "what the dry run says")
    code, errors = answered(spindle, b"n\n", *alter, "2h")
    expect((code, "is deleted when it had none for 2h" in errors), (1, True), errors)
    expect(group(spindle, "expires")["options"]["expires_ms"], 0, "not confirmed")
    spindle(*alter, "2h", "--yes")
    expect(group(spindle, "expires")["options"]["expires_ms"], 7_200_000, "with --yes")
    expect(spindle(*alter, "2h").stdout, "expires: nothing changes\n", "as it is")
    with spindle.start("sub", "expire.me", "--group", "expires") as sub:
        sub.wait_for_error("spindle: subscribed")
        spindle(*alter, "3h")
    spindle(*alter, 0)


def a_look_into_a_group_adds_no_pattern(spindle):
    spindle.events("look.a", "--group", "looked", "--timeout", 0.2)
    before = group(spindle, "looked")
    wrong = spindle("sub", "look.>", "--group", "looked", "--timeout", 0.2, code=1)
    expect(wrong.stderr, "spindle: group_mismatch: group looked has the pattern look.a and not look.>; --alter adds it, "
           "for good\n", "the refusal")
    expect(group(spindle, "looked"), before, "the group afterwards")
    spindle.events("look.>", "--group", "looked", "--alter", "--timeout", 0.2)
    expect(group(spindle, "looked")["patterns"], ["look.a", "look.>"], "after --alter")
    wrong = spindle("sub", "other.>", "--group", "looked", "--timeout", 0.2, code=1)
    expect("has the patterns look.a, look.> and not other.>" in wrong.stderr, True, wrong.stderr)
    spindle("sub", "look.a", "--alter", code=2)


def a_pattern_is_dropped(spindle):
    spindle.events("drop.old", "--group", "dropping", "--timeout", 0.2)
    spindle("pub", "drop.old", "--durable", text="1\n2\n")
    spindle("pub", "drop.new", "--durable", text="3\n")
    expect(data_of(spindle.events("drop.new", "--group", "dropping", "--alter", "--count", 1)), [3], "the new topic")
    with spindle.start("sub", "drop.new", "--group", "dropping") as sub:
        sub.wait_for_error("spindle: subscribed")

        def unhandled():
            return group(spindle, "dropping")["unhandled"] == [{"topic": "drop.old", "events": 2}]

        wait_until("what nobody handles is in the figures", unhandled)
        table = spindle("groups").stdout
        expect("no present member handles: drop.old (2)" in table, True, f"and below the table:\n{table}")
        spindle("group", "alter", "dropping", "--drop-pattern", "drop.new", "--yes", code=1)
        spindle("group", "alter", "dropping", "--drop-pattern", "drop.old", code=2)  # nobody to be asked
        spindle("group", "alter", "dropping", "--drop-pattern", "drop.old", "--yes")
        figures = group(spindle, "dropping")
        expect((figures["unhandled"], figures["patterns"], figures["lag"]), ([], ["drop.new"], 0), "figures afterwards")
        sub.process.terminate()
        sub.finish()


def a_forgotten_group_expires(spindle):
    spindle.events("expire.me", "--group", "expiring", "--expires", "2s", "--timeout", 0.2)

    def gone():
        return "expiring" not in [one["name"] for one in json.loads(spindle("groups", "--json").stdout)]

    expect(gone(), False, "gone at once")
    wait_until("the group is gone", gone)


def everything_is_as_it_was_after_a_restart(spindle):
    spindle("group", "pause", "altered")
    before = {one["name"]: one["options"] for one in json.loads(spindle("groups", "--json").stdout)}
    spindle.proxy.kill()
    spindle.proxy.start()
    after = {one["name"]: one["options"] for one in json.loads(spindle("groups", "--json").stdout)}
    expect(after, before, "groups and options")
    expect(group(spindle, "altered")["paused"], True, "still paused")


def main():
    proxy_program, spindle_program = sys.argv[1:]
    with Proxy(proxy_program) as proxy:
        spindle = Spindle(spindle_program, proxy)
        for test in (a_paused_group_gives_nothing_until_it_is_resumed, a_seek_needs_yes_and_goes_where_it_is_told,
                     a_time_is_sought, a_deleted_group_ends_its_members, a_terminal_is_asked,
                     options_are_altered_only_on_request, what_differs_from_the_defaults_is_shown,
                     a_group_without_members_is_let_expire_only_when_that_is_confirmed,
                     a_look_into_a_group_adds_no_pattern,
                     a_pattern_is_dropped, a_forgotten_group_expires,
                     everything_is_as_it_was_after_a_restart):
            test(spindle)
            print(f"{test.__name__}: ok", flush=True)


if __name__ == "__main__":
    main()
