#!/bin/bash
# Installs the Debian packages that Spindle needs and that are missing. This is the one list of them.
#   tools/install_packages.sh            what building and testing need
#   tools/install_packages.sh --checks   also clang and its formatter, for .ci/run and for developers
# Exit codes: 0 all there, 2 they must be installed by hand (the text says which).
set -euo pipefail

build=(g++ cmake ninja-build pkg-config ccache
  libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libspdlog-dev libxxhash-dev libexpected-dev libcli11-dev
  nlohmann-json3-dev catch2)
tests=(python3 python3-zmq python3-msgpack procps)
checks=(clang-14 clang-format-14 clang-tidy-14)

wanted=("${build[@]}" "${tests[@]}")
case "${1:-}" in
  "") ;;
  --checks) wanted+=("${checks[@]}") ;;
  *) echo "usage: $0 [--checks]" >&2; exit 2 ;;
esac

say_what_is_needed() {
  cat >&2 <<TEXT
$1

Spindle needs: a C++20 compiler (GCC 12 or clang 14, or newer), CMake 3.25, Ninja, pkg-config, libzmq 4.3 with
cppzmq, msgpack-cxx 4 or newer, spdlog, xxHash, TartanLlama expected, CLI11, nlohmann-json and Catch2 version 2;
for the tests also Python 3 with pyzmq and msgpack. ccache makes later builds faster.

On Debian 12 these are the packages:
  ${wanted[*]}

When they are installed: cmake --preset release && cmake --build --preset release && ctest --preset release
TEXT
  exit 2
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  say_what_is_needed "This machine has no apt, so the packages must be installed by hand."
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
  grep -qx installed <<<"$status" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    say_what_is_needed "Not root and no sudo: ask an administrator to run: apt-get install ${missing[*]}"
  as_root=(sudo)
fi

echo "Installing ${missing[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  say_what_is_needed "apt-get could not install: ${missing[*]}"
fi
