# shellcheck shell=bash disable=SC2034
# Debian packages: what each subcommand of ./dev needs, and how they are installed.
# Sourced by ./dev; not a program.

SETUP_PACKAGES=(
  build-essential cmake ninja-build pkg-config git ca-certificates
  libcapstone-dev libzmq3-dev cppzmq-dev libsodium-dev
  libprotobuf-dev protobuf-compiler libcli11-dev nlohmann-json3-dev
  libxxhash-dev libzstd-dev libtomlplusplus-dev libpugixml-dev
  libgtest-dev libgmock-dev
  cpio zstd iproute2 python3
)
TEST_PACKAGES=(spin chromium fonts-dejavu-core netpbm)
CLANG_PACKAGES=(clang libclang-rt-dev lld)
FORMAT_PACKAGES=(git clang-format clang-tidy)
BENCH_PACKAGES=(qemu-system-x86)

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this step needs root: $*" "packages" "run ./dev as root, or install sudo"
  fi
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# has_candidate PACKAGE: true when the configured Debian mirror offers it.
has_candidate() {
  local candidate
  candidate=$(apt-cache policy "$1" | awk '/Candidate:/ { print $2 }')
  [[ -n $candidate && $candidate != "(none)" ]]
}

require_debian() {
  command -v apt-get >/dev/null ||
    fail "this machine has no apt-get" "set-up" "use Debian 12 or newer, for example in a container"
  [[ $(dpkg --print-architecture) == amd64 ]] ||
    fail "ftvm builds on amd64 only" "set-up" "use an x86-64 machine"
}

# refresh_package_lists: at most once in a run; the lists of a fresh container are empty.
refresh_package_lists() {
  [[ -z ${PACKAGE_LISTS_ARE_FRESH:-} ]] || return 0
  say "refreshing the package lists"
  as_root apt-get update -qq ||
    fail "apt-get update failed" "the machine's apt sources" "check the network and /etc/apt/sources.list.d"
  PACKAGE_LISTS_ARE_FRESH=yes
}

# require_candidates PACKAGE...: refuse by name before anything is installed or downloaded.
require_candidates() {
  local package
  for package in "$@"; do
    has_candidate "$package" || refresh_package_lists
    has_candidate "$package" ||
      fail "Debian package '$package' is not offered" "the machine's apt sources" \
        "enable component main of Debian 12 or newer"
  done
}

install_packages() {
  require_debian
  local package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  require_candidates "${missing[@]}"
  say "installing ${missing[*]}"
  # A list that is a week old may name files that the mirror has replaced: refresh and try again.
  apt_install "${missing[@]}" || { refresh_package_lists; apt_install "${missing[@]}"; } ||
    fail "could not install ${missing[*]}" "apt-get install" "read apt's message above"
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=600 "$@" >/dev/null
}

# download_and_unpack PREFIX APT_OPTIONS... -- PACKAGE...
# Unpacks packages below PREFIX without installing them. apt checks their signatures and hashes.
download_and_unpack() {
  local prefix=$1 options=() archives
  shift
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  archives=$(mktemp -d "$FTVM_DEPS/download.XXXXXX")
  # The sandbox user cannot write here; as root apt would warn and go on, so say it up front.
  (cd "$archives" && apt-get "${options[@]}" -o APT::Sandbox::User=root -qq download "$@") ||
    { rm -rf "$archives"; return 1; }
  mkdir -p "$prefix"
  local archive
  for archive in "$archives"/*.deb; do
    dpkg -x "$archive" "$prefix"
  done
  rm -rf "$archives"
}
