"""takeover_member processes and the proxy that they share, as the tests beside this file drive them."""
import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import DEADLINE_S, Proxy, Running, Spindle, expect, wait_until  # noqa: E402, F401
from group_watch import GroupWatch  # noqa: E402, F401


class Member(Running):
    """One process. `more` may be a gate, a file that holds it in the middle of a handler while it is there."""

    def __init__(self, program, proxy, group, name, *more):
        self.name = name
        super().__init__([program, group, name, *more, "--proxy", proxy.control])

    def jobs(self):
        """The numbers that its handler was called with."""
        return [int(line.split()[1]) for line in self.lines() if line.startswith("job ")]

    def refusals(self):
        """(code, offset) of the turns that were refused."""
        return [(code, int(offset)) for word, code, offset in
                (line.split() for line in self.lines() if line.startswith("refused "))]

    def wait_until_ready(self):
        self.wait_for_error(" is ready")

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until("it stands still", self.is_stopped)

    def is_stopped(self):
        """All its threads: until the kernel has come to each it may go on."""
        stats = [stat.read_text() for stat in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat")]
        return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.signal(signal.SIGTERM)
        expect(self.process.wait(timeout=DEADLINE_S), 0, f"exit code of {self.name}:\n{self.errors()}")

    def check_alive(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.name} ended with {self.process.returncode}:\n{self.errors()}")


def jobs(first, count):
    """Lines for `spindle pub`."""
    return "".join(f'{{"number":{number}}}\n' for number in range(first, first + count))


def is_settled(group):
    return group["lag"] + group["pending"] + group["retrying"] == 0


def stored(spindle_program, spool, topic):
    """The data of all events of the topic in the log, in its order."""
    done = subprocess.run([spindle_program, "spool", "dump", spool, "--topic", topic], capture_output=True, text=True)
    expect(done.returncode, 0, f"exit code of the dump:\n{done.stderr}")
    return [json.loads(line)["data"] for line in done.stdout.splitlines()]


def expect_each_once(events, count):
    numbers = sorted(event["number"] for event in events)
    twice = sorted({a for a, b in zip(numbers, numbers[1:]) if a == b})
    missing = sorted(set(range(count)) - set(numbers))
    expect((twice, missing, len(numbers)), ([], [], count), "(jobs done twice, jobs not done, events) in the log")
