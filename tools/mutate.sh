#!/bin/bash
# Takes one rule after the other out of a copy of the sources and shows how many seeds the simulation needs to notice:
#   tools/mutate.sh [name ...]     all of tests/simulation/mutations without names
# Those named key_* are about the order by key, so that the events have keys.
# A line for each: the first seed that fails and what it says. Exit 1 when a mutation does not apply, does not build or
# is not noticed. MUTATE_SEEDS (4000) seeds each, MUTATE_JOBS (2) at once. The copy is build/mutations.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$root/build/mutations
mkdir -p "$copy"
tar --create --exclude=./build --exclude=./.git . | tar --extract --directory="$copy"
cd "$copy"
export CCACHE_BASEDIR=$copy CCACHE_NOHASHDIR=1
cmake --preset release -DSPINDLE_WERROR=ON >configure.log  # the same flags, so that ccache has most of it
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for patch in "$root"/tests/simulation/mutations/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi
missed=0
for name in "${names[@]}"; do
  patch=$root/tests/simulation/mutations/$name.patch
  if ! patch --silent --forward --strip=1 --dry-run <"$patch" >/dev/null; then
    echo "$name: does not apply to the sources as they are"
    missed=1
    continue
  fi
  patch --silent --strip=1 <"$patch"
  if ! cmake --build --preset release --target spindle-simulate >build.log 2>&1; then
    echo "$name: does not build (build/mutations/build.log)"
    missed=1
  elif said=$(build/release/tests/simulation/spindle-simulate --seeds "${MUTATE_SEEDS:-4000}" --jobs "${MUTATE_JOBS:-2}" \
    $([[ $name == key_* ]] && echo --keys)); then
    echo "$name: NOT NOTICED: $(tail -1 <<<"$said")"
    missed=1
  else
    echo "$name: $(head -1 <<<"$said" | cut -c1-200)"
  fi
  patch --silent --reverse --strip=1 <"$patch"
done
exit "$missed"
