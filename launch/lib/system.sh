# shellcheck shell=bash
# shellcheck disable=SC2034  # constants are for the scripts that read this file
# Oboro's system dependencies: how to detect them, and how to install them where apt is available.

# name | pkg-config's name | header | Debian's package | module (of Environment Modules, Lmod or Spack).
# libgd is found without pkg-config, as in Package.swift.
readonly libraries=(
  "Open MPI|ompi-c|mpi.h|libopenmpi-dev|openmpi"
  "OpenBLAS|openblas|cblas.h|libopenblas-pthread-dev|openblas"
  "HDF5|hdf5|hdf5.h|libhdf5-dev|hdf5"
  "libgd|-lgd|gd.h|libgd-dev|libgd"
  "libjpeg|libjpeg|jpeglib.h|libjpeg-dev|libjpeg-turbo"
  "libpng|libpng|png.h|libpng-dev|libpng"
  "libtiff|libtiff-4|tiffio.h|libtiff-dev|libtiff"
  "libwebp|libwebpdemux|webp/demux.h|libwebp-dev|libwebp"
  "libzip|libzip|zip.h|libzip-dev|libzip"
  "zlib|zlib|zlib.h|zlib1g-dev|zlib"
  "OpenSSL|libcrypto|openssl/evp.h|libssl-dev|openssl"
)
# command | Debian's package | module.
readonly commands=(
  "git|git|git"
  "pkg-config|pkg-config|pkgconf"
  "mpirun|openmpi-bin|openmpi"
)
# Other packages missing from a minimal Debian: for linking, for fetching packages, and for running Swift itself.
readonly swift_packages=(g++ ca-certificates tzdata libcurl4 libxml2 libsqlite3-0 libncurses6)

readonly fashion_mnist_package=dataset-fashion-mnist
# Colour pictures of emoji, and their names.
readonly emoji_packages=(fonts-noto-color-emoji unicode-data)
readonly fashion_mnist=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz

# Whether the files of the emoji packages are where `oboro prepare emoji` looks for them.
has_emoji() {
  [[ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf && -e /usr/share/unicode/emoji/emoji-test.txt ]]
}

# Prints a line "name|package|module" for each thing that is missing or cannot be compiled and linked against.
missing_parts() {
  local row name config header package module flags compiler
  for row in "${commands[@]}"; do
    IFS='|' read -r name package module <<<"$row"
    has "$name" || echo "$name|$package|$module"
  done
  compiler=$(c_compiler) || compiler=false
  for row in "${libraries[@]}"; do
    IFS='|' read -r name config header package module <<<"$row"
    if [[ $config == -l* ]]; then
      flags=$config
    else
      flags=$(pkg-config --cflags --libs "$config" 2>/dev/null) || flags=-lmissing
    fi
    # shellcheck disable=SC2086  # several flags
    # libjpeg's header requires that of stdio before it.
    printf '#include <stdio.h>\n#include <%s>\nint main(void) { return 0; }\n' "$header" |
      "$compiler" -x c - -o /dev/null $flags >/dev/null 2>&1 || echo "$name|$package|$module"
  done
}

# Whether apt can be used non-interactively.
can_install() {
  has apt-get && has dpkg-query || return 1
  ((EUID == 0)) || { has sudo && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; }
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# install PACKAGE...: installs those that are missing. Everything is fetched first; the subsequent changes to the system
# are protected from Ctrl-C, which could leave packages half configured.
install() {
  local package wanted=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || wanted+=("$package")
  done
  ((${#wanted[@]})) || return 0
  say "Installing ${wanted[*]}"

  # The same settings for every call: no questions, changed configuration files stay, and other users of apt are waited
  # for.
  local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y --no-install-recommends
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  # An interrupted earlier installation would make it fail.
  [[ -z $(dpkg --audit 2>/dev/null) ]] || as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a >&2 || return 1
  # A new machine has no package lists; on an old one they may name packages that are gone.
  if ! as_root "${apt[@]}" install --download-only "${wanted[@]}" >/dev/null 2>&1; then
    try 3 as_root "${apt[@]}" update >&2 || note "apt-get update failed; going on with the lists that are there"
    try 3 as_root "${apt[@]}" install --download-only "${wanted[@]}" >&2 || return 1
  fi
  as_root setsid --wait "${apt[@]}" install "${wanted[@]}" </dev/null >&2
}
