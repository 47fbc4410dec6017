"""A program of the build folder that a test starts, talks to and kills; its output is collected in files."""
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
from proxy_process import DEADLINE_S, Proxy, Script, wait_until  # noqa: E402, F401


def expect(got, wanted):
    if got != wanted:
        sys.exit(f"got {got}\nexpected {wanted}")


class Program(Script):
    def __init__(self, *command):
        self.name = pathlib.Path(command[0]).name
        self.out, self.err = tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile()
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=self.out,
                                        stderr=self.err, text=True)

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for(self, count, word):
        """Until it has printed so many lines with that word; returns them."""
        def found():
            lines = [line for line in self.lines() if word in line]
            return len(lines) >= count and lines

        try:
            return wait_until(f"{self.name} prints {count} lines with {word!r}", found)
        except SystemExit:
            print(self.text(self.err), file=sys.stderr)
            raise

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.process.stdin.close()
