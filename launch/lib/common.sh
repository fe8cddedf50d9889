# shellcheck shell=bash
# What every script in launch/ starts with: strict mode, the project's directory, messages.
set -euo pipefail

# Paths in messages, arguments and configurations start here.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Messages go to standard error: standard output is for results.
say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Ctrl-C ends the script, also when the command that runs has caught it and ended well.
end_on_interrupt() {
  trap 'exit 130' INT
  trap - TERM HUP
}
end_on_interrupt

has() { command -v "$1" >/dev/null 2>&1; }

# try TIMES COMMAND...: until it works; for what depends on the network.
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
