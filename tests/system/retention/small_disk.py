"""A proxy with its spool on a disk of its own, as small as the test wants it, and what happens on it."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import Proxy, Spindle, expect, wait_until  # noqa: E402, F401

MIB = 1 << 20
SEGMENT_BYTES = 16 * MIB  # the smallest
EVENT_BYTES = 32 * 1024


def run_in_own_mounts():
    """Starts the test anew where it may mount a tmpfs that goes when it ends, or skips it."""
    if os.environ.get("SPINDLE_OWN_MOUNTS") == "1":
        return
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
                                   capture_output=True, text=True)
            why = probe.stderr.strip() if probe.returncode != 0 else ""
        except OSError as error:
            why = str(error)
    if why:
        print(f"skipped: cannot mount a small disk ({why})")
        sys.exit(77)
    os.environ["SPINDLE_OWN_MOUNTS"] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


class SmallDiskProxy(Proxy):
    """A proxy whose folder is a tmpfs of so many MiB (None: the ordinary disk), with its log in `log()`."""

    def __init__(self, program, disk_mib, *options):
        super().__init__(program, "--segment-size", SEGMENT_BYTES, "--log-level", "info", *options)
        self.options = [str(option) for option in self.options]
        self.disk = pathlib.Path(self.folder.name)
        if disk_mib is not None:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk_mib}m", "tmpfs", self.disk], check=True)
        self.mounted = disk_mib is not None
        self.errors = tempfile.TemporaryFile("w+")

    def log(self):
        return os.pread(self.errors.fileno(), os.fstat(self.errors.fileno()).st_size, 0).decode()

    def wait_for_log(self, words):
        try:
            wait_until(f"the log says {words!r}", lambda: words in self.log())
        except SystemExit as gave_up:
            sys.exit(f"{gave_up}\n{self.log()}")

    def segments(self):
        return sorted(path.name for path in (self.disk / "spool").iterdir() if path.name.endswith(".log"))

    def free_bytes(self):
        status = os.statvfs(self.disk)
        return status.f_bavail * status.f_frsize

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.kill()
        if error[0] is not None:
            print(self.log(), file=sys.stderr)
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.disk], check=True)
        self.folder.cleanup()
        self.errors.close()


def events(first, count):
    """Lines for `spindle pub`, each of EVENT_BYTES."""
    padding = "x" * EVENT_BYTES
    return "".join(f'{{"number":{n},"padding":"{padding}"}}\n' for n in range(first, first + count))


def receipts(lines):
    """Offsets, which must rise, by number of the event."""
    offsets = [json.loads(line)["offset"] for line in lines]
    expect(offsets == sorted(set(offsets)), True, "receipts in the order published")
    return offsets


def groups(spindle):
    return {group["name"]: group for group in json.loads(spindle("groups", "--json").stdout)}


def lost_in_log(proxy, group):
    """(events, first, last) of each line that says what the group lost."""
    pattern = rf"group {group} lost (\d+) events, offsets (\d+) to (\d+)"
    return [tuple(map(int, found)) for found in re.findall(pattern, proxy.log())]
