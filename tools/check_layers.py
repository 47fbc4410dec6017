#!/usr/bin/python3
"""Checks the #include lines against the layers, and prints each offence as file:line: what is wrong.

Four rules:
1. a folder includes only the folders that LAYERS allows it;
2. each library that SEAMS names is included only by the folders given there;
3. a header that users include reaches none of HIDDEN, directly or through other headers;
4. headers do not include each other in a circle.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BASE = {"base"}
WIRE = BASE | {"wire"}
SPOOL = BASE | {"spool"}
EVENT = WIRE | {"event"}
TRANSPORT = WIRE | {"transport"}
ACTOR = EVENT | TRANSPORT | SPOOL | {"actor"}
PROXY = WIRE | SPOOL | TRANSPORT | {"proxy"}
TOOLS = WIRE | SPOOL | TRANSPORT | {"tools"}

# Folder -> what it may include. The longest folder that holds a file counts. "users" are the headers in HEADERS_FOR_USERS.
LAYERS = {
    "framework/spindle/base": BASE,
    "framework/spindle/wire": WIRE,
    "framework/spindle/spool": SPOOL,
    "framework/spindle/event": EVENT,
    "framework/spindle/transport": TRANSPORT,
    "framework/spindle/actor": ACTOR,
    "framework/spindle/testing": ACTOR | {"users", "testing"},
    "framework/spindle": ACTOR | {"users"},
    "proxy": PROXY,
    "tools": TOOLS,
    "tools/bench": ACTOR | PROXY | TOOLS | {"users"},  # measures the framework and the proxy
    "examples": {"users", "examples"},
}

HEADERS_FOR_USERS = {"spindle/event.hpp", "spindle/spindle.hpp", "spindle/log.hpp", "spindle/testing/harness.hpp"}

# Library -> the folders that may include it; what it throws ends there.
SEAMS = {
    re.compile(r"zmq(_addon)?\.hp?p?$"): ("framework/spindle/transport", "tools/bench"),
    re.compile(r"spdlog/"): ("framework/spindle", "proxy", "tools"),
    re.compile(r"(nlohmann/|CLI/)"): ("framework/spindle/actor", "proxy", "tools", "examples"),
}

HIDDEN = re.compile(r"(zmq(_addon)?\.hp?p?$|spdlog/|fmt/|nlohmann/|CLI/|httplib\.h$)")

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def read_includes(path):
    """The (line number, included name) pairs of one file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = ((number, INCLUDE.match(line)) for number, line in enumerate(lines, 1))
    return [(number, match.group(1)) for number, match in found if match]


def within(name, folder):
    return name == folder or name.startswith(folder + "/")


def home_of(name):
    """The folder of LAYERS that a file belongs to."""
    return max((folder for folder in LAYERS if within(name, folder)), key=len, default=None)


def layer_of(include):
    """The layer that an included name belongs to, or None if it is not ours."""
    if include in HEADERS_FOR_USERS:
        return "users"
    parts = include.split("/")
    if parts[0] == "spindle":
        return parts[1] if len(parts) > 2 else "users"
    return parts[0] if parts[0] in ("proxy", "tools", "examples") and len(parts) > 1 else None


def resolve(name, include, files):
    """The file of ours that an include means, or None."""
    beside = str(Path(name).parent / include)
    for candidate in ("framework/" + include, include, beside):
        if candidate in files:
            return candidate
    return None


def check_layer(name, line, include):
    layer = layer_of(include)
    home = home_of(name)
    allowed = LAYERS[home]
    # A folder may always include its own headers, those for users among them.
    own = include.startswith(home.removeprefix("framework/") + "/")
    if layer and not own and layer not in allowed:
        yield f"{name}:{line}: {home} must not include {include}; it may use: {', '.join(sorted(allowed))}"


def check_seam(name, line, include):
    for library, folders in SEAMS.items():
        if library.match(include) and not any(within(name, folder) for folder in folders):
            yield f"{name}:{line}: {include} may be included only in: {', '.join(folders)}"


def is_public(name):
    """Headers that users include or that stand in a folder made of such headers."""
    folders = ("framework/spindle", "framework/spindle/actor", "framework/spindle/event", "framework/spindle/testing")
    return name.endswith(".hpp") and str(Path(name).parent) in folders


def check_hidden(name, line, include):
    if is_public(name) and HIDDEN.match(include):
        yield f"{name}:{line}: {include} must not be in a public header; move its use to a .cpp file"


def check_reach(start, files):
    """Walks everything that a header for users includes."""
    ways = {start: [start]}
    todo = [start]
    while todo:
        name = todo.pop()
        for line, include in files[name]:
            target = resolve(name, include, files)
            if target and target not in ways:
                ways[target] = ways[name] + [target]
                todo.append(target)
            elif HIDDEN.match(include) and len(ways[name]) > 1:
                yield f"{name}:{line}: {include} reaches users through {' <- '.join(reversed(ways[name]))}"


def check_circles(files):
    done, path = set(), []

    def visit(name):
        if name in path:
            circle = path[path.index(name):] + [name]
            yield f"{circle[-2]}:1: headers include each other in a circle: {' -> '.join(circle)}"
            return
        if name in done:
            return
        path.append(name)
        for _, include in files[name]:
            target = resolve(name, include, files)
            if target:
                yield from visit(target)
        path.pop()
        done.add(name)

    for name in sorted(files):
        yield from visit(name)


def main():
    paths = (path for folder in ("framework", "proxy", "tools", "examples") for path in (ROOT / folder).rglob("*.?pp"))
    files = {str(path.relative_to(ROOT)): read_includes(path) for path in sorted(paths)}

    offences = []
    for name, includes in files.items():
        for line, include in includes:
            for check in (check_layer, check_seam, check_hidden):
                offences += check(name, line, include)
    for header in sorted(HEADERS_FOR_USERS):
        if "framework/" + header in files:
            offences += check_reach("framework/" + header, files)
    offences += check_circles(files)

    for offence in dict.fromkeys(offences):
        print(offence)
    print(f"{len(files)} files checked, {len(set(offences))} offences against the layers")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
