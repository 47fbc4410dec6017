#!/usr/bin/python3
"""The proxy is killed with SIGKILL in the middle of `spindle pub --durable --receipts`, and started again, twice in
each of 20 rounds; in every third round the publisher is killed too, at the end. Every event whose receipt was printed
is stored, once, in the order published, under the id and the offset of its receipt.

test_kill9_loop_publish.py PROXY SPINDLE [SEED]: without a seed, the rounds 1 to 20."""
import json
import pathlib
import random
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import Proxy, Spindle, expect, wait_until  # noqa: E402

ROUNDS = 20
CHUNKS = 12
CHUNK_EVENTS_MAX = 3_000


class Round:
    def __init__(self, spindle, seed):
        self.spindle, self.random = spindle, random.Random(seed)
        self.topic = f"kill.round-{seed}"
        self.kills_publisher = seed % 3 == 0
        self.given = 0

    def give(self, pub):
        """Types some events and waits, mostly, until a part of them has receipts."""
        count = self.random.randint(1, CHUNK_EVENTS_MAX)
        pub.type("".join(f'{{"n":{n}}}\n' for n in range(self.given, self.given + count)))
        awaited = self.given + self.random.randint(-count, count)
        self.given += count
        pub.wait_for_lines(min(awaited, self.given))

    def publish(self):
        """Returns the receipts that were printed."""
        kills = self.random.sample(range(CHUNKS), 2)
        with self.spindle.start("pub", self.topic, "--durable", "--receipts") as pub:
            for chunk in range(CHUNKS):
                self.give(pub)
                if chunk in kills:
                    self.spindle.proxy.kill()
                    self.spindle.proxy.start()
            if self.kills_publisher:
                pub.process.kill()
                pub.process.wait()
                return [json.loads(line) for line in pub.lines()]
            receipts = pub.finish()
            expect(len(receipts), self.given, "receipts")
            return receipts

    def stored(self):
        """All events of the topic, up to one that is published now."""
        self.spindle("pub", self.topic, "--durable", text='"end"\n')
        with self.spindle.start("sub", self.topic, "--group", self.topic.replace(".", "-")) as sub:
            wait_until("the last event is there", lambda: any('"data":"end"' in line for line in sub.lines()[-3000:]))
            sub.process.send_signal(signal.SIGINT)
            return [event for event in sub.finish() if event["data"] != "end"]

    def run(self):
        receipts = self.publish()
        events = self.stored()
        expect([event["data"]["n"] for event in events], list(range(len(events))), "events, once and in order")
        expect(len(events) >= len(receipts), True, f"{len(receipts)} receipts for {len(events)} stored events")
        for event, receipt in zip(events, receipts):
            expect(event["id"], receipt["id"], "id")
            if receipt["offset"] is not None:
                expect(event["offset"], receipt["offset"], f"offset of {event['id']}")
        unknown = sum(receipt["offset"] is None for receipt in receipts)
        print(f"  {self.given} given, {len(receipts)} receipts ({unknown} without offset), {len(events)} stored"
              + (", publisher killed" if self.kills_publisher else ""), flush=True)


def main(proxy_program, spindle_program, *seed):
    with Proxy(proxy_program, "--log-level", "warn") as proxy:
        spindle = Spindle(spindle_program, proxy)
        for number in map(int, seed or range(1, ROUNDS + 1)):
            print(f"seed {number}", flush=True)
            Round(spindle, number).run()
        proxy.stop()


main(*sys.argv[1:])
