# shellcheck shell=bash
# shellcheck disable=SC2034  # constants are for the scripts that read this file
# The Swift toolchain and builds with it.

readonly swift_needed=6.1
readonly binary=.build/release/oboro

# Swift installers change a shell startup file, which this shell may not have read: look in their usual location.
if ! has swift; then
  for folder in "${SWIFTLY_BIN_DIR:-$HOME/.local/share/swiftly/bin}" "$HOME/.swiftly/bin" /opt/swift/usr/bin \
    /usr/local/swift/usr/bin /usr/libexec/swift/bin; do
    if [[ -x $folder/swift ]]; then
      PATH=$folder:$PATH
      break
    fi
  done
fi

# Prints the problem with the toolchain, if there is one.
swift_problem() {
  local answer version
  if ! has swift; then
    echo "Swift is not installed, or not on PATH"
  elif ! answer=$(swift --version 2>&1) || ! swift package --version >/dev/null 2>&1; then
    echo "swift does not run: $( (swift --version && swift package --version) 2>&1 | tail -n 1)"
  else
    version=$(sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)+).*/\1/p' <<<"$answer" | head -n 1)
    if [[ -z $version || $(printf '%s\n' "$swift_needed" "$version" | sort -V | head -n 1) != "$swift_needed" ]]; then
      echo "Swift $swift_needed or later is needed; $(command -v swift) is ${version:-of an unknown version}"
    fi
  fi
}

# A C compiler: the toolchain's, or else the system's.
c_compiler() {
  local swift
  if swift=$(command -v swift) && [[ -x $(dirname "$(readlink -f "$swift")")/clang ]]; then
    echo "$(dirname "$(readlink -f "$swift")")/clang"
  else
    command -v clang || command -v cc || command -v gcc
  fi
}

# build ARGUMENT...: `swift build` as every script calls it. All builds use the same flags, so that they share their
# results.
build() {
  # The first build fetches the package dependencies; later ones need no network.
  [[ -d .build/checkouts ]] || try 3 swift package resolve ||
    fail "cannot fetch the packages that Package.swift names (is the network there?)"
  swift build -c release "$@"
}
