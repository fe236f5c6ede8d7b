# Sourced by the scripts in dev/: where state lives, and how a script speaks and stops.
# shellcheck shell=bash

# Otherwise a failure inside $(...) goes unnoticed.
shopt -s inherit_errexit

# The one directory for caches and for the running cluster's state. Nothing is written elsewhere.
SANDGATE_HOME=${SANDGATE_HOME:-${HOME:?}/.cache/sandgate}
export SANDGATE_HOME

root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=dev/$(basename "$0")

say() { printf '%s\n' "$*"; }

# die WHAT-IS-WRONG-AND-WHAT-TO-DO: one line on stderr, and out.
die() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}

# has_capability BIT: whether this process really holds it (root in a container often does not).
has_capability() {
  local effective
  effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
  (((16#$effective >> $1) & 1))
}

# need_disk DIR GIB: stops when the file system of DIR has less room than that.
need_disk() {
  local free_kib
  mkdir -p "$1"
  free_kib=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
  ((free_kib >= $2 * 1024 * 1024)) ||
    die "$1 has $((free_kib / 1024)) MiB free, $2 GiB are needed: free some, or set SANDGATE_HOME to another disk"
}

# hash_of FILE...: 12 hex digits over names' order and contents.
hash_of() { cat -- "$@" | sha256sum | cut -c1-12; }
