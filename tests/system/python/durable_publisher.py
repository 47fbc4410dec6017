"""Publishes durable events as PROTOCOL.md section 8 says; the tests' counterpart of durable_member.py."""
import time

import msgpack

from durable_member import Session, SessionLost


class Publisher:
    def __init__(self, control, source):
        self.session = Session(control, source)
        self.commit = self.session.open()
        self.topic_counts = {}
        self.unanswered = {}  # commit number -> the frames that were sent
        self.offsets = {}  # commit number -> offset of its first event

    def send(self, topic, values):
        """Sends the values as one commit without waiting; returns its number."""
        self.commit += 1
        before = self.topic_counts.get(topic, 0)
        self.topic_counts[topic] = before + len(values)
        header = [1, self.session.source, self.session.epoch, 1, self.commit, before, len(values), time.time_ns(),
                  None, None]
        events = b"".join(msgpack.packb([None, msgpack.packb(value)]) for value in values)
        self.unanswered[self.commit] = (topic.encode(), msgpack.packb(header) + events)
        try:
            self.session.send("publish", self.commit, packets=self.unanswered[self.commit])
        except SessionLost:
            self.resend()
        return self.commit

    def resend(self):
        """After the session was lost: what has no outcome goes out again under its number."""
        self.session.open()
        for number, packets in sorted(self.unanswered.items()):
            self.session.send("publish", number, packets=packets)

    def wait(self):
        """Until all that was sent is durable."""
        while self.unanswered:
            try:
                kind, fields, _ = self.session.receive(1000)
                if kind is None:
                    self.session.send("renew", [])  # answered only if the session is gone
                if kind == "published":
                    self.on_published(fields[1])
            except SessionLost:
                self.resend()

    def on_published(self, outcomes):
        for number, run, status, events_or_code, offset_or_text in outcomes:
            if status == 2:
                raise RuntimeError(f"commit {number} was refused: {events_or_code}: {offset_or_text}")
            for commit in range(number, number + run):
                self.unanswered.pop(commit, None)
            self.offsets[number] = offset_or_text
            self.session.acknowledged = max(self.session.acknowledged, number + run - 1)
