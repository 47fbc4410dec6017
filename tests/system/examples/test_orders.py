"""The order example while its services and the proxy are killed (SIGKILL) again and again: every order is placed,
charged, shipped and notified, once. usage: BUILD_DIR [SEED]"""
import json
import os
import pathlib
import random
import subprocess
import sys

from program import Program, Proxy, wait_until

KILLS = 8
EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "orders"
ORDERS = EXAMPLE / "data" / "orders.jsonl"


def main(build, seed):
    print(f"seed {seed}")
    dice = random.Random(seed)
    spindle = build / "tools" / "spindle"
    # A short lease: what a killed service was working on comes back soon.
    with Proxy(build / "proxy" / "spindle-proxy", "--lease", "1") as proxy:
        os.environ["SPINDLE_PROXY"] = proxy.control
        folder = pathlib.Path(proxy.folder.name)
        ledger, mails, log = folder / "ledger", folder / "mails", folder / "log"
        ledger.touch()
        programs = build / "examples" / "orders"
        commands = {"billing": [programs / "orders-billing", "--ledger", ledger],
                    "shipping": [programs / "orders-shipping"],
                    "notification": [programs / "orders-notification", "--mails", mails]}
        services = {name: Program(*command) for name, command in commands.items()}

        def charges():
            return ledger.read_text(encoding="utf-8").count("done ")

        def is_quiet(names):
            answer = subprocess.run([spindle, "groups", "--json"], capture_output=True, check=True).stdout
            waiting = {group["name"]: group["lag"] + group["pending"] for group in json.loads(answer)}
            return all(waiting.get(name) == 0 for name in names)

        try:
            with Program(programs / "orders-shop", "--orders", ORDERS, "--rate", "500") as shop:
                for count in sorted(dice.sample(range(20, 980), KILLS)):
                    wait_until(f"{count} orders are charged", lambda: charges() >= count)
                    victim = dice.choice(["proxy", *commands])
                    print(f"killing {victim} after {count} charges", flush=True)
                    if victim == "proxy":
                        proxy.kill()
                        proxy.start()
                    else:
                        services[victim].kill()
                        services[victim] = Program(*commands[victim])
                shop.finish()
            wait_until("all is quiet", lambda: is_quiet(commands))
            for service in services.values():
                service.stop()
        finally:
            for service in services.values():
                service.__exit__()

        with Program(spindle, "sub", "orders.>", "--group", "audit", "--from", "beginning") as audit:
            wait_until("the log has been read", lambda: is_quiet(["audit"]))
            log.write_text("\n".join(audit.stop()), encoding="utf-8")
        proxy.stop()
        sys.exit(subprocess.run([sys.executable, EXAMPLE / "balance.py", ORDERS, log, ledger, mails]).returncode)


main(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32))
