# shellcheck shell=bash
# Common start of every script in launch/: strict mode, the project's directory, messages.
set -euo pipefail

# Paths in messages, arguments and configurations are relative to this directory.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Messages go to standard error: standard output is for results.
say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Ctrl-C ends the script, even if the running command has caught it and ended normally.
end_on_interrupt() {
  trap 'exit 130' INT
  trap - TERM HUP
}
end_on_interrupt

has() { command -v "$1" >/dev/null 2>&1; }

# try TIMES COMMAND...: retries until it succeeds; for commands that depend on the network.
try() {
  local times=$1 count
  shift
  for ((count = 1; ; count++)); do
    "$@" && return
    ((count < times)) || return 1
    note "attempt $count of $times failed, trying again: $*"
    sleep $((count * 2))
  done
}
