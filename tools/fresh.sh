#!/bin/bash
# Runs commands in a fresh Debian 12 that holds a clone of this repository's last commit and nothing else:
# what a newcomer gets. Needs root and debootstrap; leaves nothing behind.
#   tools/fresh.sh                       tools/test.sh, then tools/demo.sh
#   tools/fresh.sh 'COMMAND' …           each a line for bash, run in the clone; the first failure ends it
# TMPDIR says where the system is made (about 2 GB; the default is /var/tmp).
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)

refuse() { echo "fresh.sh: $1" >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || refuse "needs root, for debootstrap and chroot: run it with sudo"
for tool in debootstrap git unshare; do
  command -v $tool >/dev/null || refuse "needs $tool: apt-get install debootstrap git util-linux"
done
[ $# -gt 0 ] || set -- tools/test.sh tools/demo.sh

place=$(mktemp -d "${TMPDIR:-/var/tmp}/spindle-fresh.XXXXXX")
# Mounts live in a namespace of their own and end with it, so that nothing of this machine is below $place here.
trap 'rm -rf --one-file-system "$place"' EXIT
trap 'exit 130' INT TERM HUP
root=$place/root

echo "Making a Debian 12 in $root"
debootstrap --variant=minbase bookworm "$root" >"$place/debootstrap.log" 2>&1 ||
  { tail -n 20 "$place/debootstrap.log" >&2; refuse "debootstrap failed, see above"; }
# How this machine reaches packages (a proxy, time-outs) holds inside too.
if command -v apt-config >/dev/null; then
  apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/90host" || true
fi
echo "127.0.0.1 localhost" >"$root/etc/hosts"
git clone --quiet --no-local "$repository" "$root/root/spindle"

environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
for name in TERM CI http_proxy https_proxy no_proxy; do
  [ -n "${!name:-}" ] && environment+=("$name=${!name}")
done

# shellcheck disable=SC2016  # expanded inside
inside='set -euo pipefail
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t sysfs -o ro sysfs "$1/sys" || true
root=$1; shift
for command in "$@"; do
  echo "fresh\$ $command"
  chroot "$root" bash -c "cd /root/spindle && $command" </dev/null
done'
env -i "${environment[@]}" unshare --mount --pid --fork --kill-child bash -c "$inside" inside "$root" "$@"
