"""A spindle-proxy that a test starts, kills and starts again, and a folder that is gone afterwards."""
import pathlib
import random
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 60


def wait_until(what, condition):
    """Polls; a test that waits longer than DEADLINE_S has failed."""
    end = time.monotonic() + DEADLINE_S
    while not (result := condition()):
        if time.monotonic() > end:
            sys.exit(f"gave up waiting until {what}")
        time.sleep(0.01)  # between two looks
    return result


def read_line(stream, what):
    if not select.select([stream], [], [], DEADLINE_S)[0]:
        sys.exit(f"gave up waiting for {what}")
    return stream.readline()


def three_free_ports():
    """The first of three ports in a row, below those the system hands out itself."""
    while True:
        first = random.randrange(20_000, 32_000)
        try:
            for port in range(first, first + 3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


class Proxy:
    """`with Proxy(program) as proxy:` runs one; its ports stay the same when it is started again."""

    def __init__(self, program, *options, durable=True):
        self.program, self.options, self.process = program, options, None
        self.folder = tempfile.TemporaryDirectory(prefix="spindle-test-")
        self.spool = ["--spool", str(pathlib.Path(self.folder.name) / "spool")] if durable else []
        self.first_port = three_free_ports()
        self.environment, self.errors = None, None  # for the process; this one's when None

    def start(self):
        command = [self.program, "--port", str(self.first_port), *self.spool, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, env=self.environment,
                                        text=True)
        line = read_line(self.process.stdout, "the proxy's ready line")
        ports = re.fullmatch(r"spindle-proxy ready control=(\d+) publish=(\d+) subscribe=(\d+)\n", line)
        if not ports:
            sys.exit(f"the proxy said {line!r} instead of being ready")
        self.control, self.publish, self.subscribe = (f"tcp://127.0.0.1:{port}" for port in ports.groups())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=DEADLINE_S) != 0:
            sys.exit(f"the proxy ended with {self.process.returncode}")
        self.process.stdout.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.kill()
        self.folder.cleanup()


class Script:
    """A script beside this file, whose output is collected in files."""

    def __init__(self, name, *arguments):
        self.name = name
        self.out, self.err = tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile()
        command = [sys.executable, str(pathlib.Path(__file__).parent / name), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=self.out, stderr=self.err)

    @staticmethod
    def text(file):
        # opened anew: the script writes where the file's own position is
        return pathlib.Path(file.name).read_text(encoding="utf-8")

    def lines(self):
        """The lines that are complete so far."""
        return self.text(self.out).split("\n")[:-1]

    def says(self, word):
        return word in self.text(self.err)

    def finish(self):
        """Waits for its end; returns the lines it printed."""
        try:
            code = self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            code = "no end"
        if code != 0:
            sys.exit(f"{self.name}: {code}\n{self.text(self.err)}")
        return self.lines()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.err.close()
