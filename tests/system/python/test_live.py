#!/usr/bin/python3
"""live_publisher.py reaches live_subscriber.py through a real proxy, which also reads packets and counts misses."""
import json
import sys

import msgpack
import zmq

from proxy_process import Proxy, Script, wait_until


def packet(epoch, sequence, topic_count, values):
    header = [1, "till/1", epoch, 0, sequence, topic_count, len(values), 0, None, None]
    return msgpack.packb(header) + b"".join(msgpack.packb([None, msgpack.packb(value)]) for value in values)


def publish_packets(proxy):
    """Publishes three packets, of which the second says that five events were lost before it."""
    context = zmq.Context()
    pub, sub = context.socket(zmq.PUB), context.socket(zmq.SUB)
    sub.subscribe("_spindle.echo.test")
    sub.connect(proxy.subscribe)
    pub.connect(proxy.publish)
    wait_until("the echo comes back", lambda: pub.send_multipart([b"_spindle.echo.test", b""]) or sub.poll(20))
    pub.send_multipart([b"orders.paid", packet(9, 1, 0, [1, 2])])
    pub.send_multipart([b"_spindle.dead.forged", packet(9, 2, 0, [0])])  # not a client's to publish on
    pub.send_multipart([b"other.topic", packet(9, 3, 0, [0])])
    pub.send_multipart([b"orders.paid", packet(9, 4, 7, [{"id": 8}])])
    pub.send_multipart([b"orders.paid", packet(10, 1, 0, [9])])
    context.destroy(linger=5000)


def main(program):
    with Proxy(program, durable=False) as proxy:
        with Script("live_subscriber.py", proxy.publish, proxy.subscribe, "orders.", 5) as subscriber:
            wait_until("the subscriber is ready", lambda: subscriber.says("ready"))
            order = '{"id": 7, "name": "Käse"}'
            with Script("live_publisher.py", proxy.publish, proxy.subscribe, "orders.placed", order) as publisher:
                publisher.finish()
            wait_until("the CloudEvent is there", subscriber.lines)
            publish_packets(proxy)
            events = [json.loads(line) for line in subscriber.finish()]
        proxy.stop()
    assert events[0]["topic"] == "orders.placed" and events[0]["data"] == json.loads(order), events[0]
    assert [event["data"] for event in events[1:]] == [1, 2, {"id": 8}, 9], events
    assert [event["missed"] for event in events[1:]] == [0, 0, 5, 0], events
    assert all(event["source"] == "till/1" and event["class"] == "live" for event in events[1:]), events


if __name__ == "__main__":
    main(sys.argv[1])
