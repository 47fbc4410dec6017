"""The command line as tests drive it: `spindle` against a proxy that they start and kill."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "python"))
from proxy_process import DEADLINE_S, Proxy, wait_until  # noqa: E402, F401


def expect(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}:\n  got      {str(got)[:2000]}\n  expected {str(wanted)[:2000]}")


class Spindle:
    """`Spindle(program, proxy)("groups", "--json")` runs it to its end."""

    def __init__(self, program, proxy):
        self.program, self.proxy = program, proxy

    def command(self, words):
        return [self.program, *map(str, words), "--proxy", self.proxy.control]

    def __call__(self, *words, text="", code=0):
        done = subprocess.run(self.command(words), input=text, capture_output=True, text=True, timeout=DEADLINE_S)
        if code is not None:
            expect(done.returncode, code, f"exit code of {' '.join(map(str, words))}\n{done.stderr}")
        return done

    def start(self, *words):
        return Running(self.command(words))

    def events(self, *words):
        return [json.loads(line) for line in self("sub", *words).stdout.splitlines()]


class Running:
    """A command that goes on while the test looks at what it has printed so far."""

    def __init__(self, command):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.out, stderr=self.err)

    def type(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            sys.exit(f"it reads no more; on standard error:\n{self.errors()}")

    @staticmethod
    def text(file):
        # pread: the file's own position is where the command writes
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()

    def lines(self):
        """Whole ones on standard output."""
        return self.text(self.out).split("\n")[:-1]

    def errors(self):
        return self.text(self.err)

    def wait_for_error(self, words):
        self.wait_until(f"{words!r} is on standard error", lambda: words in self.errors())

    def wait_for_lines(self, count):
        self.wait_until(f"{count} lines are printed", lambda: len(self.lines()) >= count)

    def wait_until(self, what, condition):
        try:
            wait_until(what, condition)
        except SystemExit as gave_up:
            sys.exit(f"{gave_up}; {len(self.lines())} lines so far, and on standard error:\n{self.errors()}")

    def finish(self, code=0):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        got = self.process.wait(timeout=DEADLINE_S)
        expect(got, code, f"exit code\n{self.errors()}")
        return [json.loads(line) for line in self.lines()]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.out.close()
        self.err.close()
