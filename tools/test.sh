#!/bin/bash
# Installs what is missing, builds everything and runs all tests; the last lines are CTest's summary.
#   tools/test.sh [--preset release|debug|asan|tsan|clang] [arguments for ctest, as -R spool]
# SPINDLE_WERROR=ON makes warnings errors.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
case "${1:-}" in
  --preset) preset=${2:?"--preset needs a name"}; shift 2 ;;
  --preset=*) preset=${1#*=}; shift ;;
  -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
esac

tools/install_packages.sh

# ThreadSanitizer of GCC 12 needs the address space where it expects it.
fixed_addresses=()
[ "$preset" = tsan ] && fixed_addresses=(setarch --addr-no-randomize)

cmake --preset "$preset" -DSPINDLE_WERROR="${SPINDLE_WERROR:-OFF}"
"${fixed_addresses[@]}" cmake --build --preset "$preset"
exec "${fixed_addresses[@]}" ctest --preset "$preset" "$@"
