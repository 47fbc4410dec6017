#!/usr/bin/python3
"""A settle whose answer was lost with the connection is sent again: it is answered as the first time, and nothing
changes, whether it was stored or refused, whether the proxy was killed in between, and however often it comes.

test_repeated_settle.py PROXY SPINDLE [TAKEOVER_MEMBER]"""
import sys

from members import GroupWatch, Proxy, Spindle, expect, jobs, stored, wait_until
from raw_member import ACK, REJECT, RETRY, RawMember, claim, turn

JOBS = 10
REPEATS = 3
STORED, REFUSED = 0, 2


class Case:
    """A message of four commits: an ack, a turn that publishes two events, one that is stale, and one that rejects
    and retries; and a fifth that shares the packet."""

    def __init__(self, member, watch):
        self.member, self.watch = member, watch
        self.held = member.receive(JOBS)
        number = member.last_number + 1
        expect(member.settle(number, [turn(self.held[:1])]), [(number, STORED, 0, None)], "outcome of the first turn")
        self.number = number + 1
        self.packets = member.packet("done", [{"number": n} for n in range(5)], self.number)
        a, b, c, d, e, f = self.held[1:7]
        self.turns = [turn([a]), turn([b], ACK, [(0, 0, 2)]),
                      turn([self.held[0], c], ACK, [(0, 2, 1)]),  # the first is settled already: stale
                      turn([d], REJECT), turn([e, f], ACK, [(0, 3, 2)])]
        self.last = self.number + len(self.turns) - 1

    def send_and_lose_the_answer(self):
        self.member.send_settle(self.number, self.turns, self.packets)
        self.member.drop_connection()

    def wait_until_stored(self):
        # What stays: the three that are not named; and c, which comes again. The rejected one is a dead letter.
        wait_until("the settle is stored", lambda: self.figures()["dead"] == 1)

    def figures(self):
        group = self.watch.figures()["work"]
        return {key: group[key] for key in ("pending", "retrying", "dead", "lost", "end")}

    def come_back(self):
        """The claim of what was settled is not granted; the rest is. That of c is by a proxy that has not seen yet,
        since it was started, that the turn with c was refused."""
        granted = self.member.come_back([claim(delivery) for delivery in self.held[1:]])
        expect(self.member.last_number, self.last, "last number in the log")
        offsets = [entry[3] + i for entry in granted for i in range(entry[4])]
        refused = self.held[3][3]
        expect([offset for offset in offsets if offset != refused], [delivery[3] for delivery in self.held[7:]],
               "offsets of the granted claims")

    def check(self, outcomes, first_offset):
        expect([outcome[:2] for outcome in outcomes],
               [(self.number + i, REFUSED if i == 2 else STORED) for i in range(5)], "numbers and statuses")
        expect([outcomes[i][2:] for i in (0, 1, 3, 4)],
               [(0, None), (2, first_offset), (0, None), (2, first_offset + 2)], "events and first offsets")
        expect(outcomes[2][2], "stale", "why the third turn is refused")

    def repeat(self, first_offset):
        """Returns the outcomes, which are the same every time."""
        outcomes = self.member.settle(self.number, self.turns, self.packets)
        self.check(outcomes, first_offset)
        return outcomes


def without_a_kill(proxy, spindle):
    repeat_all(proxy, spindle, kill=False)


def with_a_kill(proxy, spindle):
    repeat_all(proxy, spindle, kill=True)


def repeat_all(proxy, spindle, kill):
    spindle("pub", "jobs", "--durable", text=jobs(0, JOBS))
    watch = GroupWatch(proxy.control)
    member = RawMember(proxy.control, "raw/1/0", "work", "jobs")
    case = Case(member, watch)
    case.send_and_lose_the_answer()
    case.wait_until_stored()
    before = case.figures()
    expect(before["end"], JOBS + 4 + 1, "events in the log: four were published, one is the dead letter")
    told = set()
    for _ in range(REPEATS):
        if kill:
            proxy.kill()
            proxy.start()
        case.come_back()
        told.add(str(case.repeat(JOBS)))
        told.add(str(case.repeat(JOBS)))  # in one session too
        wait_until("the group is where it was", lambda: case.figures() == before)
        case.send_and_lose_the_answer()
    case.come_back()
    expect(len(told), 1, f"one answer every time: {told}")

    # What is behind the repeats in one message is new, and what only looks like one of them is a repeat of it.
    case.repeat(JOBS)
    refused = member.receive(1)  # c, under another id
    expect((refused[0][3], refused[0][4]), (case.held[3][3], 1), "offset and attempt of what the stale turn had")
    rest = [turn(refused, RETRY, retry_after_ms=0)]
    outcomes = member.settle(case.number, case.turns + rest, case.packets)
    case.check(outcomes[:5], JOBS)
    expect(outcomes[5], (case.last + 1, STORED, 0, None), "outcome of the turn behind the repeats")
    again = member.receive(1)
    expect((again[0][3], again[0][4]), (case.held[3][3], 2), "offset and attempt of what is retried")
    expect(member.settle(case.last + 1, [turn(again)]), [(case.last + 1, STORED, 0, None)], "a repeat with other words")
    again = member.receive(1)  # whatever an answered turn names is not held any more
    expect((again[0][3], again[0][4]), (case.held[3][3], 2), "offset and attempt of what a repeat named")
    expect(case.figures()["pending"], 4, "what is held: the repeat settled nothing")
    finish = member.settle(case.last + 2, [turn([delivery]) for delivery in (*again, *case.held[7:])])
    expect({outcome[1] for outcome in finish}, {STORED}, "statuses of the rest")
    figures = case.figures()
    expect((figures["pending"], figures["retrying"], figures["dead"]), (0, 0, 1), "in the end")
    member.session.send("goodbye", "done")


def repeated_bare_acks(proxy, spindle):
    """A run of bare acks, in the short form, of which a part was taken away in between: the answer to a repeat stays
    what it was."""
    spindle("pub", "jobs", "--durable", text=jobs(0, JOBS))
    watch = GroupWatch(proxy.control)
    member = RawMember(proxy.control, "raw/1/0", "work", "jobs")
    held = member.receive(JOBS)
    number = member.last_number + 1
    expect(len({tuple(delivery[:3]) for delivery in held}), 1, "hand-outs")
    run = [JOBS, [[1, *held[0][:4], JOBS, ACK]], []]
    expect(member.settle(number, [turn(held[4:5])]), [(number, STORED, 0, None)], "outcome of one in the middle")
    member.send_settle(number + 1, [run])
    member.drop_connection()
    wait_until("the acks are stored", lambda: watch.figures()["work"]["pending"] == 0)
    end = watch.log_end()
    for _ in range(REPEATS):
        expect(member.come_back([claim(delivery) for delivery in held]), [], "granted claims")
        outcomes = member.settle(number + 1, [run])
        expect([outcome[1] for outcome in outcomes], [REFUSED if i == 4 else STORED for i in range(JOBS)], "statuses")
        expect((watch.log_end(), watch.figures()["work"]["pending"]), (end, 0), "events in the log, and what is held")
        member.drop_connection()


def main(proxy_program, spindle_program, *_):
    for case in (without_a_kill, with_a_kill, repeated_bare_acks):
        with Proxy(proxy_program, "--log-level", "warn") as proxy:
            case(proxy, Spindle(spindle_program, proxy))
            proxy.stop()
            done = [event["number"] for event in stored(spindle_program, proxy.spool[1], "done")]
            expect(done, [] if case is repeated_bare_acks else [0, 1, 3, 4], "what the turns published, in the log")
        print(f"{case.__name__}: ok", flush=True)


main(*sys.argv[1:])
