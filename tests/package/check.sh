#!/bin/bash
# Installs a finished build into a temporary place, moves it, and builds a program against it in both ways.
#   check.sh BUILD_DIRECTORY COMPILER
set -euo pipefail
build=$1 compiler=$2
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

cmake --install "$build" --prefix "$place/first" >"$place/log" || { cat "$place/log"; exit 1; }
mv "$place/first" "$place/moved"

echo "with CMake"
cmake -G Ninja -S "$here/consumer" -B "$place/cmake" -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_PREFIX_PATH="$place/moved" >"$place/log" || { cat "$place/log"; exit 1; }
cmake --build "$place/cmake"
"$place/cmake/consumer" --help >/dev/null

echo "with pkg-config"
package=$(find "$place/moved" -name spindle.pc -printf %h)
# shellcheck disable=SC2046  # flags are words
PKG_CONFIG_PATH=$package "$compiler" -std=c++20 "$here/consumer/main.cpp" -o "$place/consumer" \
  $(PKG_CONFIG_PATH=$package pkg-config --cflags --libs spindle)
"$place/consumer" --help >/dev/null
