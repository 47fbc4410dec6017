#!/usr/bin/python3
"""A shell loop of `spindle pub` fills nothing: neither the proxy's memory nor the state in its spool grows with the
processes that published.

test_pub_loop.py PROXY SPINDLE [bounded|unbounded [COUNT]]: whether the proxy's memory is looked at"""
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import Proxy, expect  # noqa: E402

WARM_UP = 50
STATE_BYTES_MAX = 1_000
GROWTH_KIB_MAX = 4 * 1024


def rss_kib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def state_bytes(spool):
    """What stands between the header and the first commit of the newest segment (FORMAT.md)."""
    newest = max(pathlib.Path(spool).glob("*.log"), key=lambda path: int(path.stem.split("-")[1]))
    with newest.open("rb") as file:
        return struct.unpack_from("<Q", file.read(128), 56)[0] - 128


def loop(spindle_program, proxy, count):
    command = [spindle_program, "pub", "loop.tick", "--durable", "--proxy", proxy.control]
    done = subprocess.run(["sh", "-c", f'for n in $(seq {count}); do echo $n | "$@" || exit 1; done', "sh", *command],
                          capture_output=True, text=True)
    expect(done.returncode, 0, f"exit code of the loop\n{done.stderr}")


def main(proxy_program, spindle_program, memory="bounded", count="300"):
    with Proxy(proxy_program, "--log-level", "warn") as proxy:
        loop(spindle_program, proxy, WARM_UP)
        before = rss_kib(proxy.process)
        loop(spindle_program, proxy, int(count))
        after = rss_kib(proxy.process)
        proxy.kill()
        proxy.start()
        state = state_bytes(proxy.spool[1])
        print(f"{count} processes: RSS {before} KiB before, {after} KiB after; {state} bytes of state")
        if memory == "bounded":
            expect(after - before < GROWTH_KIB_MAX, True, f"memory grew from {before} to {after} KiB")
        expect(state < STATE_BYTES_MAX, True, f"{state} bytes of state")
        proxy.stop()


main(*sys.argv[1:])
