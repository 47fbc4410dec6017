#!/usr/bin/python3
"""Publishes one live event as a CloudEvent map: live_publisher.py PUBLISH SUBSCRIBE TOPIC JSON."""
import json, sys, uuid, msgpack, zmq

publish, subscribe, topic, data = sys.argv[1:]
pub, sub = zmq.Context.instance().socket(zmq.PUB), zmq.Context.instance().socket(zmq.SUB)
echo = f"_spindle.echo.{uuid.uuid4().hex}"
sub.subscribe(echo), sub.connect(subscribe), pub.connect(publish)
while not sub.poll(20):  # until an echo has come back, the path is not up
    pub.send_multipart([echo.encode(), b"?"])
event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "python", "type": topic, "data": json.loads(data)}
pub.send_multipart([topic.encode(), msgpack.packb(event)])
