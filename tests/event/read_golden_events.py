"""Reads the golden events with Python's msgpack: what Spindle writes is plain msgpack to everyone."""

import pathlib

import msgpack

GOLDEN = pathlib.Path(__file__).parent / "golden"

EXPECTED = {
    "order_placed.hex": {"order_id": "order-1", "email": "a@b.c", "total_cents": 1234},
    "everything.hex": {
        "flag": True,
        "letter": 120,
        "i8": -128,
        "u8": 255,
        "i16": -32768,
        "u32": 4_000_000_000,
        "i64": -(2**63),
        "u64": 2**64 - 1,
        "f32": 1.5,
        "f64": -0.1,
        "text": "Grüße, 🍕",
        "colour": 2,
        "checked": 2,
        "added": 1,
        "timeout": -1500,
        "ratio": 0.25,
        "at": 1_700_000_000_123_456_789,
        "note": "careful",
        "numbers": [1, -1, 70_000],
        "flags": [True, False, True],
        "vector3": [1.0, 0.5, -2.0],
        "digest": b"\x00\x01\xfe\xff",
        "blob": b"\x80\x00",
        "raw": b"\xc1\xff",
        "prices": {"apple": 30, "pear": -1},
        "names": {7: "seven"},
        "lines": [
            {"sku": "a-1", "count": 2, "shelf": [1, -1]},
            {"sku": "b-2", "count": 65535, "shelf": None},
        ],
        "deep": {"": [], "k": [None, [3, 4]]},
    },
}

for name, expected in EXPECTED.items():
    data = bytes.fromhex((GOLDEN / name).read_text())
    found = msgpack.unpackb(data, strict_map_key=False)
    assert found == expected, f"{name}: {found}"
    assert list(found) == list(expected), f"{name}: the fields stand in another order"
    assert all(type(found[key]) is type(expected[key]) for key in expected), f"{name}: {found}"
print(f"{len(EXPECTED)} golden events read")
