#!/bin/bash
# Runs the simulation with ever new seeds for as long as asked, on all cores:
#   tools/simulate.sh [seconds] [options of spindle-simulate]      60 seconds unless told otherwise
# A seed that breaks a promise ends it; it is printed with its step and how to run it again (--trace shows all).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
cmake --preset release >/dev/null
cmake --build --preset release --target spindle-simulate >/dev/null
exec build/release/tests/simulation/spindle-simulate --seconds "$seconds" --jobs "$(nproc)" \
  --from "$(date +%s)00000" "$@"
