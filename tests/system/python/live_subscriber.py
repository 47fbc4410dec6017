#!/usr/bin/python3
"""Prints live events as JSON lines: live_subscriber.py PUBLISH SUBSCRIBE PREFIX COUNT.

Says "ready" on standard error as soon as nothing published from then on escapes it, and ends after COUNT events.
`missed` is how many events of the same topic and source were lost since the one before.
"""
import json
import sys
import uuid

import msgpack
import zmq


def misses(known, stream, epoch, topic_count, count):
    """Events of the stream that were lost before this packet (PROTOCOL.md, "Counting misses")."""
    kept_epoch, following = known.get(stream, (epoch, topic_count))
    if epoch < kept_epoch:
        return 0
    if epoch > kept_epoch:
        following = 0
    known[stream] = (epoch, max(following, topic_count + count))
    return max(0, topic_count - following)


def events_of(topic, frame, known):
    unpacker = msgpack.Unpacker()
    unpacker.feed(frame)
    first = next(unpacker)
    if isinstance(first, dict):
        yield {"topic": topic, "source": first["source"], "id": first["id"], "data": first.get("data")}
        return
    _, source, epoch, event_class, sequence, topic_count, count = first[:7]
    missed = misses(known, (source, event_class, topic), epoch, topic_count, count)
    for attributes, data in unpacker:
        yield {"topic": topic, "source": source, "epoch": epoch, "class": ["live", "durable"][event_class],
               "sequence": sequence, "missed": missed, "attributes": attributes, "data": msgpack.unpackb(data)}
        missed = 0


def main(publish, subscribe, prefix, count):
    context = zmq.Context()
    pub, sub = context.socket(zmq.PUB), context.socket(zmq.SUB)
    sub.set(zmq.SNDHWM, 0)
    sub.connect(subscribe)
    pub.connect(publish)
    echo = f"_spindle.echo.{uuid.uuid4().hex}".encode()
    sub.subscribe(prefix)
    sub.subscribe(echo)
    ready, printed, known = False, 0, {}
    while printed < int(count):
        if not sub.poll(20 if not ready else None):
            pub.send_multipart([echo, b"?"])
            continue
        topic, frame = sub.recv_multipart()
        if topic == echo and not ready:
            ready = True
            print("ready", file=sys.stderr, flush=True)
        if topic.startswith(b"_spindle.echo."):
            continue
        for event in events_of(topic.decode(), frame, known):
            print(json.dumps(event), flush=True)
            printed += 1
    context.destroy(linger=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
