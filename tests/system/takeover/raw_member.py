"""A member whose every message is in the test's hands, and whose connection can be lost between a settle and its
answer."""
import pathlib
import sys
import time

import msgpack

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
from durable_member import Session  # noqa: E402

ACK, RETRY, REJECT = 0, 1, 2
ANSWER_MS = 30_000


class RawMember:
    def __init__(self, control, source, group, pattern, credit=100):
        self.session, self.group, self.pattern, self.credit = Session(control, source), group, pattern, credit
        self.topic_counts = {}
        self.waiting = []  # messages that came before one that was waited for
        self.last_number = self.session.open()
        self.attach(create=True)

    def attach(self, create=False, claims=()):
        """Returns the claims that are granted."""
        self.session.send("attach", 1, self.group, [self.pattern], create, "beginning", {}, self.credit, 1 << 20,
                          list(claims))
        return self.expect("attached")[4]

    def expect(self, wanted):
        """The fields of the next message of that kind. Deliveries may come before it, and wait."""
        message = next((message for message in self.waiting if message[0] == wanted), None)
        if message is not None:
            self.waiting.remove(message)
        while message is None:
            message = self.session.receive(ANSWER_MS)
            if message[0] == "deliver" != wanted:
                self.waiting.append(message)
                message = None
        kind, fields, self.packets = message
        if kind != wanted:
            sys.exit(f"{kind} {fields} instead of {wanted}")
        return fields

    def receive(self, count):
        """Delivery ids [run, generation, handout, offset, attempt] of at least so many events."""
        deliveries = []
        while len(deliveries) < count:
            _, run, generation, entries = self.expect("deliver")[:4]
            for handout, offset, events, attempt, *_ in entries:
                deliveries += [[run, generation, handout, offset + i, attempt] for i in range(events)]
        return deliveries

    def packet(self, topic, values, number):
        """Frames of a packet for the commit of that number."""
        before = self.topic_counts.get(topic, 0)
        self.topic_counts[topic] = before + len(values)
        header = [1, self.session.source, self.session.epoch, 1, number, before, len(values), time.time_ns(), None,
                  None]
        events = b"".join(msgpack.packb([None, msgpack.packb(value)]) for value in values)
        return [topic.encode(), msgpack.packb(header) + events]

    def send_settle(self, number, turns, packets=()):
        self.session.send("settle", number, turns, packets=packets)

    def settle(self, number, turns, packets=()):
        """Returns the outcomes, one for each commit: (number, status, events or code, first offset or text)."""
        self.send_settle(number, turns, packets)
        last, outcomes = number + sum(turn[0] for turn in turns) - 1, []
        while not outcomes or outcomes[-1][0] < last:
            for first, run, status, events, where in self.expect("settled")[1]:
                outcomes += [(first + i, status, events, where) for i in range(run)]
        return outcomes

    def drop_connection(self):
        """What was sent has left; what was answered is not read."""
        self.session.socket.close(linger=ANSWER_MS)
        self.session.socket = None
        self.waiting.clear()

    def come_back(self, claims=()):
        """Returns the granted claims; last_number is what the log has of this source."""
        self.last_number = self.session.open()
        return self.attach(claims=claims)


def turn(deliveries, verdict=ACK, publishes=(), retry_after_ms=None):
    """Settles each of the deliveries, and publishes (packet, first, count)."""
    more = [] if verdict == ACK else [retry_after_ms, "asked for by the test"]
    return [1, [[1, *delivery[:4], 1, verdict, *more] for delivery in deliveries], [list(p) for p in publishes]]


def claim(delivery):
    run, generation, handout, offset, attempt = delivery
    return [run, generation, handout, offset, 1, attempt]
