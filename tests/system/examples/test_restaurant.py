"""Tickets wait for the chef, also while the proxy is killed; the bell is heard. usage: BUILD_DIR"""
import os
import pathlib
import sys

from program import Program, Proxy, expect


def main(build):
    restaurant = build / "examples" / "restaurant"
    with Proxy(build / "proxy" / "spindle-proxy") as proxy:
        os.environ["SPINDLE_PROXY"] = proxy.control
        with Program(restaurant / "restaurant-waiter") as waiter:
            waiter.type("soup")  # of no table: the waiter asks again, and takes the next
            waiter.type("4 tomato soup")
            waiter.type("7 apple pie")
            expect(waiter.wait_for(2, "pinned"), ["pinned ticket 0", "pinned ticket 1"])

            proxy.kill()
            proxy.start()

            with Program(restaurant / "restaurant-chef") as chef:
                chef.wait_for(2, "cooking")
                waiter.type("4 coffee")
                waiter.wait_for(1, "ding! coffee for table 4")
                expect(chef.stop(), ["cooking tomato soup for table 4", "cooking apple pie for table 7",
                                     "cooking coffee for table 4"])
            waiter.process.stdin.close()
            waiter.finish()
        proxy.stop()


main(pathlib.Path(sys.argv[1]))
