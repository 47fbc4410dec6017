#!/usr/bin/python3
"""Counts what became of each order, prints the table, and exits 0 only when it balances.

usage: balance.py ORDERS LOG LEDGER MAILS
  ORDERS  the file that orders-shop placed
  LOG     what `spindle sub 'orders.>' --group …` printed: every event that the proxy has stored
  LEDGER  of orders-billing
  MAILS   of orders-notification
"""
import json
import pathlib
import sys
from collections import Counter


def read_lines(path):
    return pathlib.Path(path).read_text(encoding="utf-8").splitlines()


def stored(log, topic):
    """How often each order is in the log under that topic. An offset printed twice was delivered twice, stored once."""
    by_offset = {event["offset"]: event["data"]["order_id"] for event in log if event["topic"] == topic}
    return Counter(by_offset.values())


def entered(lines, verb, *words):
    """How often each order is in a ledger: lines are "done KEY …" or "again KEY …" (ledger.hpp)."""
    rows = (line.split() for line in lines)
    return Counter(row[2 + len(words)] for row in rows if row[0] == verb and tuple(row[2:2 + len(words)]) == words)


def main(orders_path, log_path, ledger_path, mails_path):
    orders = {order["order_id"]: order for order in map(json.loads, read_lines(orders_path))}
    log = [json.loads(line) for line in read_lines(log_path)]
    ledger, mails = read_lines(ledger_path), read_lines(mails_path)

    charged = Counter(row[2] for row in map(str.split, ledger)
                      if row[0] == "done" and int(row[3]) == orders[row[2]]["total_cents"])
    counts = {  # where an order must be, once in each
        "placed": [stored(log, "orders.placed")],
        "charged": [charged, stored(log, "orders.paid")],
        "shipped": [stored(log, "orders.shipped")],
        "notified": [entered(mails, "done", "thanks"), entered(mails, "done", "shipped")],
    }
    table = {stage: sum(all(place[order] for place in places) for order in orders) for stage, places in counts.items()}
    places = [place for stage in counts.values() for place in stage]
    table["duplicates"] = sum(sum(place.values()) - len(place) for place in places)
    table["lost"] = sum(order not in place for place in places for order in orders)

    for name, count in table.items():
        print(f"  {name:<12}{count:>6}")
    again = sum(line.startswith("again ") for line in ledger)
    print(f"(charges attempted again and not charged twice: {again})")
    balances = all(table[stage] == len(orders) for stage in counts) and table["duplicates"] == table["lost"] == 0
    return 0 if balances else 1


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
