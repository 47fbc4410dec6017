"""What must not compile does not, and the first error says why.

usage: refused_events.py COMPILER INCLUDE_DIRECTORY...
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

HEAD = """
#include "spindle/event.hpp"
#include <list>
#include <memory>
#include <span>
"""  # compiled once
TOPIC = 'static constexpr std::string_view topic = "a.topic";'
DURABLE = "static constexpr bool durable = true;"
USE = """
spindle::Result<void> use(const Refused& event, spindle::Bytes& out) { return spindle::encode(event, out); }
"""
READ = """
spindle::Result<Refused> use(spindle::BytesView bytes, spindle::wire::Values& scratch) {
  return spindle::decode<Refused>(bytes, scratch);
}
"""


def event(members, use=USE, before=""):
    return f"{before}struct Refused {{\n{members}\n}};{use}"


def field(declaration, use=USE, macro="MSGPACK_DEFINE_MAP", before=""):
    return event(f"{TOPIC} {DURABLE} {declaration} value{{}}; {macro}(value)", use, before)


INT = "int value = 0; MSGPACK_DEFINE_MAP(value)"
POINTER = "this field is a pointer"
VIEW = "this field is a view"
CLOCK = "this field is a time that means nothing in another process"
UNKNOWN = "this field's type has no form on the wire"
KEY = "key() must be a const member function that gives a string or an integer"

# name: (part of the first error, program); no text: compiles
CASES = {
    "accepted": (None, field("int")),
    "accepted, a field called key": (None, event(f"{TOPIC} {DURABLE} std::string key; MSGPACK_DEFINE_MAP(key)")),
    "no topic": ("it has no `static constexpr std::string_view topic", event(f"{DURABLE} {INT}")),
    "not a struct": ("it has no `static constexpr std::string_view topic", "using Refused = int;" + USE),
    "topic of the object": ("topic must be static constexpr", event(f'std::string topic = "a"; {DURABLE} {INT}')),
    "topic at run time": (
        "topic must be static constexpr",
        event(f'inline static const std::string topic = "a"; {DURABLE} {INT}'),
    ),
    "topic with a wildcard": (
        "this event's topic is not one",
        event(f'static constexpr std::string_view topic = "orders.*"; {DURABLE} {INT}'),
    ),
    "topic with an empty token": (
        "this event's topic is not one",
        event(f'static constexpr std::string_view topic = "orders..placed"; {DURABLE} {INT}'),
    ),
    "no durable": ("does not say whether it is durable", event(f"{TOPIC} {INT}")),
    "durable misspelt": ("does not say whether it is durable", event(f"{TOPIC} static constexpr bool durabel = true; {INT}")),
    "durable is a number": ("does not say whether it is durable", event(f"{TOPIC} static constexpr int durable = 1; {INT}")),
    "no macro": ("no public MSGPACK_DEFINE_MAP", event(f"{TOPIC} {DURABLE} int value = 0;")),
    "macro is private": ("no public MSGPACK_DEFINE_MAP", event(f"{TOPIC} {DURABLE} private: {INT}")),
    "key is not const": (KEY, event(f"{TOPIC} {DURABLE} {INT} int key() {{ return value; }}")),
    "key takes something": (KEY, event(f"{TOPIC} {DURABLE} {INT} int key(int) const {{ return value; }}")),
    "key is a float": (KEY, event(f"{TOPIC} {DURABLE} {INT} double key() const {{ return 1; }}")),
    "key is a bool": (KEY, event(f"{TOPIC} {DURABLE} {INT} bool key() const {{ return true; }}")),
    "string_view": (VIEW, field("std::string_view")),
    "string_view, decoded": (VIEW, field("std::string_view", READ)),
    "string_view in a vector": (VIEW, field("std::vector<std::string_view>")),
    "string_view in a struct": (
        VIEW,
        field("Inner", before="struct Inner { std::string_view view; MSGPACK_DEFINE_MAP(view) };"),
    ),
    "span": (VIEW, field("std::span<const int>")),
    "const char*": (POINTER, field("const char*")),
    "const char*, decoded": (POINTER, field("const char*", READ)),
    "pointer in the array form": (POINTER, field("int*", macro="MSGPACK_DEFINE")),
    "unique_ptr": (POINTER, field("std::unique_ptr<int>", READ)),
    "shared_ptr": (POINTER, field("std::shared_ptr<int>")),
    "steady_clock": (CLOCK, field("std::chrono::steady_clock::time_point")),
    "steady_clock in an optional": (CLOCK, field("std::optional<std::chrono::steady_clock::time_point>", READ)),
    "C array": ("this field is a C array", event(f"{TOPIC} {DURABLE} char value[8]; MSGPACK_DEFINE_MAP(value)")),
    "struct without macro": (UNKNOWN, field("Inner", before="struct Inner { int x; };")),
    "list": (UNKNOWN, field("std::list<int>")),
    "list, with all of msgpack": (UNKNOWN, field("std::list<int>", before="#include <msgpack.hpp>\n")),
    "string_view, with all of msgpack": (VIEW, field("std::string_view", before="#include <msgpack.hpp>\n")),
    "map from float": ("neither std::string nor an integer", field("std::map<double, int>")),
    "optional of optional": ("optional of an optional", field("std::optional<std::optional<int>>")),
    "no default constructor": (
        "must have a default constructor",
        event(f"{TOPIC} {DURABLE} explicit Refused(int v) : value(v) {{}} {INT}", READ),
    ),
}


def problem(command, expected, program):
    run = subprocess.run(
        command + ["-fsyntax-only", "-x", "c++", "-"], input=program, text=True, capture_output=True, timeout=100
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
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        head = pathlib.Path(folder) / "head.hpp"
        head.write_text(HEAD)
        subprocess.run(command + ["-x", "c++-header", head, "-o", f"{head}.gch"], check=True)
        command += ["-include", str(head)]
        problems = list(pool.map(lambda case: problem(command, *case), CASES.values()))
    for name, text in zip(CASES, problems):
        if text:
            print(f"{name}: {text}")
    failed = sum(text is not None for text in problems)
    print(f"{len(CASES) - failed} of {len(CASES)} cases as expected")
    return 1 if failed else 0


sys.exit(main())
