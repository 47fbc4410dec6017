#!/usr/bin/python3
"""Writes the first ```cpp block after the line MARK of a Markdown file to another file. usage: README OUTPUT"""
import pathlib
import re
import sys

MARK = "<!-- compiled by tests/system/readme -->"

readme, output = map(pathlib.Path, sys.argv[1:])
found = re.search(rf"^{re.escape(MARK)}\n.*?^```cpp\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.M | re.S)
if not found:
    sys.exit(f"{readme}: no ```cpp block after a line {MARK}")
# The compiler's complaints name the README's own lines.
line = found.string.count("\n", 0, found.start(1)) + 1
output.write_text(f'#line {line} "{readme}"\n{found.group(1)}', encoding="utf-8")
