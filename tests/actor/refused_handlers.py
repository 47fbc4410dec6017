"""What must not compile does not, and the first error says why; the harness's example does.

usage: refused_handlers.py COMPILER INCLUDE_DIRECTORY...
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HEAD = """
#include "spindle/spindle.hpp"
#include "spindle/testing/harness.hpp"
using namespace spindle;
using namespace std::chrono_literals;
struct Stored {
  static constexpr std::string_view topic = "a.stored"; static constexpr bool durable = true;
  int value = 0; MSGPACK_DEFINE_MAP(value)
};
struct Live {
  static constexpr std::string_view topic = "a.live"; static constexpr bool durable = false;
  int value = 0; MSGPACK_DEFINE_MAP(value)
};
struct NoEvent {};
"""  # compiled once

EXAMPLE_HEAD = """
struct OrderPlaced {
  static constexpr std::string_view topic = "orders.placed"; static constexpr bool durable = true;
  std::string order_id; std::int64_t total_cents = 0; MSGPACK_DEFINE_MAP(order_id, total_cents)
};
struct PaymentTaken {
  static constexpr std::string_view topic = "payments.taken"; static constexpr bool durable = true;
  std::string order_id; MSGPACK_DEFINE_MAP(order_id)
};
struct FakeBank { bool open = true; };
struct Billing : Actor {
  Billing(ActorContext& context, FakeBank&) : Actor(context) { group("billing").on([](const OrderPlaced&) {}); }
};
#define CHECK(what) (void)(what)
#define TEST_CASE(name) void example()
"""


def actor(registers, member=""):
    return f"struct A : Actor {{ explicit A(ActorContext& c) : Actor(c) {{ {registers} }} {member} }};"


def harness_example(framework):
    """The test in the comment of harness.hpp."""
    header = (pathlib.Path(framework) / "spindle/testing/harness.hpp").read_text(encoding="utf-8")
    code = re.search(r"///   TEST_CASE.*?///   }\n", header, re.DOTALL).group(0)
    return EXAMPLE_HEAD + re.sub(r"^///", "", code, flags=re.MULTILINE)


DURABLE = "a group takes durable events only"
LIVE = "a live event has nothing to settle"
PARAMETERS = "a handler takes the event, then optionally"
BY_VALUE = "a handler takes its Delivery by value"
META = "a handler takes `const spindle::Meta&`"
HANDLER = "a handler is `void (const Event&)`"
RAW = "on_raw takes handlers of `const spindle::RawEvent&`"
EVENT = "this is not an event"

# name: (part of the first error, program); no text: compiles
CASES = {
    "accepted": (None, actor('group("g").on(&A::h).on([](const Stored&, Delivery, const Meta&) {});', "void h(const Stored&, const Meta&) {}")),
    "accepted, an overload picked by its event": (None, actor('group("g").on<Stored>(&A::h); on_live<Live>(&A::h);', "void h(const Stored&) {} void h(const Live&) {}")),
    "accepted, timers": (None, actor("every(1s, &A::t); after(1s, [] {});", "void t() {}")),
    "group with a live type": (DURABLE, actor('group("g").on(&A::h);', "void h(const Live&) {}")),
    "group with a live type, lambda": (DURABLE, actor('group("g").on([](const Live&) {});')),
    "group with no event": (EVENT, actor('group("g").on([](const NoEvent&) {});')),
    "on_live with a Delivery": (LIVE, actor("on_live(&A::h);", "void h(const Live&, Delivery) {}")),
    "on_live with a Delivery, lambda": (LIVE, actor("on_live([](const Live&, const Meta&, Delivery) {});")),
    "on_raw with a Delivery": (LIVE, actor('on_raw("a.>", &A::h);', "void h(const RawEvent&, Delivery) {}")),
    "on_raw with a Delivery, lambda": (LIVE, actor('on_raw("a.>", [](const RawEvent&, Delivery) {});')),
    "on_live with no event": (EVENT, actor("on_live(&A::h);", "void h(const int&) {}")),
    "wrong second parameter": (PARAMETERS, actor('group("g").on(&A::h);', "void h(const Stored&, int) {}")),
    "wrong second parameter, lambda": (PARAMETERS, actor("on_live([](const Live&, std::string) {});")),
    "Delivery by reference": (BY_VALUE, actor('group("g").on([](const Stored&, Delivery&) {});')),
    "Delivery by const reference": (BY_VALUE, actor('group("g").on(&A::h);', "void h(const Stored&, const Delivery&) {}")),
    "Meta by value": (META, actor('group("g").on([](const Stored&, Meta) {});')),
    "two Deliveries": ("a handler takes one Delivery", actor('group("g").on([](const Stored&, Delivery, Delivery) {});')),
    "event by value": (HANDLER, actor('group("g").on([](Stored) {});')),
    "handler that returns something": (HANDLER, actor('group("g").on([](const Stored&) { return 1; });')),
    "member that returns something": (HANDLER, actor('group("g").on(&A::h);', "int h(const Stored&) { return 1; }")),
    "generic lambda": (HANDLER, actor('group("g").on([](const auto&) {});')),
    "no handler at all": (HANDLER, actor("on_live(7);")),
    "on_raw with a type": (RAW, actor('on_raw("a.>", [](const Stored&) {});')),
    "group's on_raw with a type": (RAW, actor('group("g").on_raw("a.>", [](const Stored&) {});')),
    "publish what is no event": (EVENT, actor("publish(NoEvent{});")),
    "harness delivers a live type": (DURABLE, "void use(testing::Harness& h) { h.deliver(Live{}); }"),
}


def problem(command, expected, program):
    run = subprocess.run(
        command + ["-fsyntax-only", "-x", "c++", "-"], input=program, text=True, capture_output=True, timeout=200
    )
    if expected is None:
        return run.stderr if run.returncode != 0 else None
    if run.returncode == 0:
        return "it compiles"
    first = next((line for line in run.stderr.splitlines() if "error:" in line), run.stderr)
    return None if expected in first else f"the first error is: {first}"


def main():
    os.environ["LC_ALL"] = "C"
    command = [sys.argv[1], "-std=c++20"]
    for path in sys.argv[2:]:
        command += ["-isystem", path]
    cases = CASES | {"the harness's example": (None, harness_example(sys.argv[2]))}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        head = pathlib.Path(folder) / "head.hpp"
        head.write_text(HEAD)
        subprocess.run(command + ["-x", "c++-header", head, "-o", f"{head}.gch"], check=True)
        command += ["-include", str(head)]
        problems = list(pool.map(lambda case: problem(command, *case), cases.values()))
    for name, text in zip(cases, problems):
        if text:
            print(f"{name}: {text}")
    failed = sum(text is not None for text in problems)
    print(f"{len(cases) - failed} of {len(cases)} cases as expected")
    return 1 if failed else 0


sys.exit(main())
