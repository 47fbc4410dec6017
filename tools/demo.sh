#!/bin/bash
# Shows what Spindle is for: 1,000 orders go through four services, while billing is down at first and the proxy is
# killed half-way. Prints what became of the orders. Needs no ports of its own and leaves nothing behind.
#   tools/demo.sh                    installs what is missing, builds, runs
#   tools/demo.sh --build-dir DIR    runs what is built in DIR
# Exit codes: 0 every order was placed, charged, shipped and notified, once each; 1 not so, or something failed;
#             2 packages must be installed by hand, or a wrong option.
set -euo pipefail

build=build/release
case "${1:-}" in
  "") ;;
  --build-dir) build=$(realpath "${2:-}") || { echo "demo.sh: --build-dir needs a directory" >&2; exit 2; } ;;
  -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;;
  *) echo "demo.sh: unknown option $1; see tools/demo.sh --help" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  tools/install_packages.sh
  cmake --preset release >/dev/null
  cmake --build --preset release --target spindle-proxy spindle \
    orders-shop orders-billing orders-shipping orders-notification
fi

data=examples/orders/data/orders.jsonl
place=$(mktemp -d "${TMPDIR:-/tmp}/spindle-demo.XXXXXX")
declare -A pid=()

clean_up() {
  for name in "${!pid[@]}"; do kill -KILL "${pid[$name]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

give_up() {
  echo "demo.sh: $1" >&2
  tail -n 5 "$place"/*.log >&2 || true
  exit 1
}

# wait_until WHAT COMMAND …: looks again and again until the command succeeds; gives up after a minute.
wait_until() {
  local what=$1 end=$((SECONDS + 60))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || give_up "gave up waiting until $what"
    sleep 0.05
  done
}

# start NAME PROGRAM …: in the background; its output goes to NAME.out, its log to NAME.log.
start() {
  local name=$1
  shift
  : >"$place/$name.out"  # here and not in the background: nobody may see what an earlier one wrote
  "$@" >"$place/$name.out" 2>>"$place/$name.log" &
  pid[$name]=$!
}

ended() { ! kill -0 "${pid[$1]}" 2>/dev/null; }

# finish NAME: it must end by itself, with success.
finish() {
  wait_until "$1 has ended" ended "$1"
  wait "${pid[$1]}" || give_up "$1 failed"
  unset "pid[$1]"
}

stop() {
  for name in "$@"; do kill -TERM "${pid[$name]}"; done
  for name in "$@"; do finish "$name"; done
}

says() { grep -qs "$2" "$place/$1.out"; }

start_proxy() {
  start proxy "$build/proxy/spindle-proxy" --port "$port" --spool "$place/spool"
  proxy_is_up_or_gone() { says proxy '^spindle-proxy ready' || ended proxy; }
  wait_until "the proxy is ready" proxy_is_up_or_gone
  says proxy '^spindle-proxy ready'
}

# Ports below those that the system hands out itself, so that they are still free when the proxy comes back.
find_port() {
  for _ in {1..20}; do
    port=$((20000 + RANDOM % 12000))
    start_proxy && return
  done
  give_up "found no three free ports"
}

groups_are_quiet() {
  "$build/tools/spindle" groups --json 2>>"$place/groups.log" | python3 -c '
import json, sys
groups = {group["name"]: group["lag"] + group["pending"] for group in json.load(sys.stdin)}
sys.exit(not all(groups.get(name) == 0 for name in sys.argv[1:]))' "$@" 2>>"$place/groups.log"
}

find_port
export SPINDLE_PROXY=tcp://127.0.0.1:$port
echo "The proxy runs; shipping and notification too, billing is down. The shop places $(wc -l <$data) orders."
orders=$build/examples/orders
start shipping "$orders/orders-shipping"
start notification "$orders/orders-notification" --mails "$place/mails"
start shop "$orders/orders-shop" --orders $data --rate 500

wait_until "half of the orders are placed" says shop '^placed 500$'
{ kill -KILL "${pid[proxy]}" && wait "${pid[proxy]}"; } 2>/dev/null || true
ended shop && give_up "the shop was done before the proxy was killed"
echo "The proxy was killed (SIGKILL) when $(tail -n 1 "$place/shop.out" | cut -d " " -f 2) of them were stored."
start_proxy || give_up "the proxy did not come back"
echo "It is back, on the same ports and spool. The services reconnect by themselves."
finish shop

start billing "$orders/orders-billing" --ledger "$place/ledger"
echo "Billing is up, and finds what it missed."
wait_until "all is quiet" groups_are_quiet billing shipping notification
stop billing shipping notification

# The proof is not taken from the services' word alone: read the whole log.
start audit "$build/tools/spindle" sub 'orders.>' --group audit --from beginning
wait_until "the log has been read" groups_are_quiet audit
stop audit
stop proxy

echo
python3 examples/orders/balance.py $data "$place/audit.out" "$place/ledger" "$place/mails"
