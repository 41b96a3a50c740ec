# shellcheck shell=bash disable=SC2016
# Unicorn Engine >= 2.1.4, from the system if it has it, else unpacked into $FTVM_DEPS/unicorn.
# The unpacked copy comes from a newer Debian suite through a private apt configuration: the
# machine's own suites, pins and package lists are never touched. Sourced by ./dev.

UNICORN_VERSION_MIN=2.1.4
UNICORN_SUITES=(forky sid)
UNICORN_PREFIX=$FTVM_DEPS/unicorn
UNICORN_LIBDIR=$UNICORN_PREFIX/usr/lib/x86_64-linux-gnu

setup_unicorn() {
  if pkg-config --atleast-version="$UNICORN_VERSION_MIN" unicorn; then
    return 0
  fi
  if unicorn_is_usable; then
    return 0
  fi
  local suite
  for suite in "${UNICORN_SUITES[@]}"; do
    say "fetching Unicorn from Debian $suite"
    if fetch_unicorn "$suite" && unicorn_is_usable; then
      say "Unicorn $(unicorn_pkg_config --modversion unicorn) is in ${UNICORN_PREFIX#"$PWD"/}"
      return 0
    fi
  done
  fail "no Unicorn >= $UNICORN_VERSION_MIN could be had" "Debian suites ${UNICORN_SUITES[*]}" \
    "install libunicorn-dev >= $UNICORN_VERSION_MIN so that pkg-config finds it, then run ./dev setup"
}

unicorn_pkg_config() { PKG_CONFIG_PATH=$UNICORN_LIBDIR/pkgconfig pkg-config "$@"; }

# unicorn_is_usable: complete, new enough, and this machine's C library satisfies it.
unicorn_is_usable() {
  [[ -f $UNICORN_PREFIX/.complete ]] &&
    unicorn_pkg_config --atleast-version="$UNICORN_VERSION_MIN" unicorn &&
    [[ -f $(unicorn_pkg_config --variable=includedir unicorn)/unicorn/unicorn.h ]] &&
    ! ldd -r "$UNICORN_LIBDIR/libunicorn.so" 2>&1 | grep -q 'not found\|undefined symbol'
}

# debian_mirror: the URI from which this machine gets its own release.
debian_mirror() {
  local codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v codename="$codename" '$1 == codename && $2 == "main" { print $3; exit }'
}

# debian_keyring: the keyring that the machine's sources name, else Debian's usual one.
debian_keyring() {
  local keyring
  keyring=$(grep -rhoiE 'signed-by[:=][[:space:]]*/[^],[:space:]]*debian-archive[^],[:space:]]*' \
    /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -o '/.*' | head -n 1) || true
  printf '%s' "${keyring:-/usr/share/keyrings/debian-archive-keyring.gpg}"
}

fetch_unicorn() {
  local suite=$1 apt=$FTVM_DEPS/apt mirror keyring
  mirror=$(debian_mirror)
  keyring=$(debian_keyring)
  [[ -n $mirror ]] ||
    fail "the machine's Debian mirror is unknown" "apt-get indextargets" "configure apt and run apt-get update"
  [[ -r $keyring ]] ||
    fail "no keyring to check signatures with" "$keyring" "install debian-archive-keyring"

  rm -rf "$apt" "$UNICORN_PREFIX"
  mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial
  printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$apt/sources.list"
  # Proxies and credentials of the machine still apply; its sources, pins and status do not.
  local options=(
    -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State=$apt/state" -o Dir::State::Status=/dev/null -o "Dir::Cache=$apt/cache"
  )
  apt-get "${options[@]}" -o APT::Sandbox::User=root -qq update || return 1
  download_and_unpack "$UNICORN_PREFIX" "${options[@]}" -- libunicorn2t64 libunicorn-dev || return 1
  # The packaged file says /usr; ours is relative to itself, so that the tree may be moved.
  sed -i -E 's#^(prefix|libdir|includedir)=/usr#\1=${pcfiledir}/../../..#' \
    "$UNICORN_LIBDIR/pkgconfig/unicorn.pc" || return 1
  rm -rf "$apt"
  touch "$UNICORN_PREFIX/.complete"
}
