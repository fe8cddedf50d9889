# shellcheck shell=bash
# A Python with PyTorch, for comparisons with Oboro. Oboro itself needs none.

# The location of the environment made by --setup.
pytorch_folder() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/oboro/pytorch"; }

# The packages needed; a script that needs more adds them before it calls the functions below.
pytorch_packages=(torch numpy)

has_pytorch() { "$1" -c "$(printf 'import %s\n' "${pytorch_packages[@]}")" 2>/dev/null; }

# Prints the Python to use: that of --setup, or the system's.
pytorch_python() {
  local python
  for python in "$(pytorch_folder)/bin/python3" python3; do
    if has "$python" && has_pytorch "$python"; then
      echo "$python"
      return
    fi
  done
  return 1
}

# Makes a Python with the packages, unless one exists; completes that of an earlier --setup.
set_up_pytorch() {
  local folder
  if pytorch_python >/dev/null; then return; fi
  folder=$(pytorch_folder)
  say "Installing PyTorch for CPUs in $folder"
  python3 -m venv "$folder" >&2 || fail "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv"
  # The index of PyTorch for CPUs has few other packages.
  try 3 "$folder/bin/pip" install --quiet numpy torch --index-url https://download.pytorch.org/whl/cpu >&2 ||
    try 3 "$folder/bin/pip" install --quiet numpy torch >&2 || fail "pip could not install PyTorch; its message is above"
  try 3 "$folder/bin/pip" install --quiet "${pytorch_packages[@]}" >&2 ||
    fail "pip could not install ${pytorch_packages[*]}; its message is above"
}

# Like pytorch_python, but with instructions if there is none.
require_pytorch() {
  pytorch_python ||
    fail "no Python with ${pytorch_packages[*]} here: --setup installs one in $(pytorch_folder), or put one on PATH"
}
