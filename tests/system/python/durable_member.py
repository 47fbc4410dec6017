#!/usr/bin/python3
"""A member of a group, written from PROTOCOL.md alone: durable_member.py CONTROL GROUP PATTERN COUNT.

Prints each event it has not printed before as a JSON line and acknowledges every delivery. Goes on after the proxy
was killed and started again; ends with 0 when it has COUNT different events and all its acknowledgements are stored.
"""
import json
import sys
import time
import uuid

import msgpack
import zmq


class SessionLost(Exception):
    """Say hello again."""


class Session:
    """A source's conversation with the control port; open() begins it and begins it again."""

    def __init__(self, control, source):
        self.control, self.source = control, source
        self.epoch, self.spool, self.incarnation, self.acknowledged = 0, "", 0, 0
        self.context, self.socket = zmq.Context.instance(), None

    def open(self):
        """Says hello until it is welcome; returns the number of the source's last commit in the log."""
        while True:
            if self.socket:
                self.socket.close(linger=0)
            self.socket = self.context.socket(zmq.DEALER)
            self.socket.set(zmq.IMMEDIATE, 1)
            self.socket.set(zmq.HEARTBEAT_IVL, 1000)
            self.socket.set(zmq.SNDTIMEO, 2000)
            self.socket.connect(self.control)
            self.id = self.number = 0
            try:
                self.send("hello", 1, 1, [], self.source, self.epoch, self.spool, self.incarnation, self.acknowledged)
                kind, fields, _ = self.receive(2000)
            except SessionLost:
                continue
            if kind == "welcome":
                _, _, _, self.id, self.epoch, self.spool, self.incarnation, last = fields[:8]
                self.heartbeat_ms = fields[11]
                return last

    def send(self, kind, *fields, packets=()):
        self.number += 1
        try:
            self.socket.send_multipart([msgpack.packb([kind, self.id, self.number, *fields]), *packets])
        except zmq.Again:
            raise SessionLost("the proxy is away")

    def receive(self, timeout_ms):
        """(kind, its own fields, packet frames); kind is None when nothing came."""
        if not self.socket.poll(timeout_ms):
            return None, [], []
        head, *packets = self.socket.recv_multipart()
        kind, session, _, *fields = msgpack.unpackb(head)
        if kind == "goodbye":
            raise SessionLost(fields[0])
        if kind == "error":
            _, code, error_class, text = fields[:4]
            if code in ("unknown_session", "number_gap", "window_exceeded") or error_class == "passing":
                raise SessionLost(text)
            sys.exit(f"{code}: {text}")
        return kind, fields, packets


class Member:
    def __init__(self, session, group, pattern):
        self.session, self.group, self.pattern = session, group, pattern
        self.attached_before = False
        self.commit = None  # the number of the last commit that was sent
        self.unanswered = {}  # commit number -> (run, generation, handout, offset, attempt) that it acknowledges
        self.seen = set()

    def open(self):
        last = self.session.open()
        self.commit = last if self.commit is None else self.commit
        self.session.send("attach", 1, self.group, [self.pattern], not self.attached_before, "beginning", {},
                          100, 1 << 20, self.claims())
        self.attached_before = True
        self.settle(sorted(self.unanswered))

    def claims(self):
        """All that is still held; consecutive offsets of a hand-out together."""
        claims = []
        for run, generation, handout, offset, attempt in sorted(self.unanswered.values()):
            last = claims[-1] if claims else None
            if last and last[:3] == [run, generation, handout] and last[3] + last[4] == offset:
                last[4] += 1
            else:
                claims.append([run, generation, handout, offset, 1, attempt])
        return claims

    def settle(self, numbers):
        """One turn for each delivery; the numbers follow each other without a gap."""
        if numbers:
            turns = [[1, [[1, *self.unanswered[number][:4], 1, 0]], []] for number in numbers]
            self.session.send("settle", numbers[0], turns)

    def on_deliver(self, fields, packets):
        _, run, generation, entries = fields[:4]
        first = self.commit + 1
        for (handout, offset, _, attempt, *_), topic, packet in zip(entries, packets[::2], packets[1::2]):
            unpacker = msgpack.Unpacker()
            unpacker.feed(packet)
            header = next(unpacker)
            for index, (_, data) in enumerate(unpacker):
                event = {"offset": offset + index, "attempt": attempt, "topic": topic.decode(), "source": header[1],
                         "data": msgpack.unpackb(data)}
                if event["offset"] not in self.seen:
                    print(json.dumps(event), flush=True)
                self.seen.add(event["offset"])
                self.commit += 1
                self.unanswered[self.commit] = (run, generation, handout, offset + index, attempt)
        self.settle(range(first, self.commit + 1))

    def on_settled(self, fields):
        for number, run, *_ in fields[1]:  # a refused one is somebody else's now: nothing to do either
            for settled in range(number, number + run):
                self.unanswered.pop(settled, None)
            self.session.acknowledged = max(self.session.acknowledged, number + run - 1)

    def on_halted(self, number, retry_after_ms):
        time.sleep(retry_after_ms / 1000)
        self.session.send("resume", number)
        self.settle(sorted(self.unanswered))

    def run(self, count):
        lost = True
        while lost or len(self.seen) < count or self.unanswered:
            try:
                if lost:
                    self.open()
                    lost = False
                kind, fields, packets = self.session.receive(self.session.heartbeat_ms)
                if kind is None:
                    self.session.send("renew", [])  # answered only if the session is gone
                elif kind == "deliver":
                    self.on_deliver(fields, packets)
                elif kind == "settled":
                    self.on_settled(fields)
                elif kind == "halted":
                    self.on_halted(fields[1], fields[4])
            except SessionLost as reason:
                print(f"hello again: {reason}", file=sys.stderr, flush=True)
                lost = True
        self.session.send("goodbye", "done")


if __name__ == "__main__":
    control, group, pattern, count = sys.argv[1:]
    Member(Session(control, f"durable-member/{uuid.uuid4().hex}/1"), group, pattern).run(int(count))
