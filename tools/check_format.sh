#!/bin/bash
# Names each C++ file that clang-format would change. Exit codes: 0 none, 1 some, 77 no clang-format 14 here.
#   tools/check_format.sh [--fix]
set -euo pipefail
cd "$(dirname "$0")/.."

formatter=$(command -v clang-format-14 || command -v clang-format || true)
# Versions of clang-format disagree; the tree is formatted by the one in Debian 12.
if [ -z "$formatter" ] || ! "$formatter" --version | grep -q 'version 14\.'; then
  echo "skipped: clang-format 14 is not installed (tools/install_packages.sh --checks installs it)"
  exit 77
fi

folders=()
for folder in framework proxy tools examples tests; do [ -d $folder ] && folders+=("$folder"); done
readarray -t files < <(find "${folders[@]}" -name '*.?pp' | sort)

if [ "${1:-}" = --fix ]; then
  exec "$formatter" -i "${files[@]}"
fi
unformatted=0
for file in "${files[@]}"; do
  "$formatter" --dry-run --Werror "$file" 2>/dev/null && continue
  echo "$file is not formatted"
  unformatted=1
done
[ $unformatted -eq 0 ] || echo "tools/check_format.sh --fix formats them"
exit $unformatted
