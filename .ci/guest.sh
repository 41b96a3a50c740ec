# shellcheck shell=bash
# The Linux guest: Debian's cloud kernel and an initramfs of busybox, the kernel modules of a swap
# device in RAM, and the programs of tests/guest/linux. Results:
# $FTVM_DEPS/guest/{vmlinuz,initramfs.cpio.gz}. Sourced by ./dev.

GUEST=$FTVM_DEPS/guest
GUEST_KERNEL_PACKAGE=linux-image-cloud-amd64
GUEST_INIT=examples/debian/init
GUEST_PROGRAMS=tests/guest/linux
# What `insmod` needs for zram, in this order.
GUEST_MODULES=(mm/zsmalloc crypto/lzo-rle drivers/block/zram/zram)

setup_guest() {
  local key
  key=$(printf '%s\n' "$GUEST_KERNEL_PACKAGE" busybox-static 1)
  if [[ ! -e $GUEST/vmlinuz || $(cat "$GUEST/.packages" 2>/dev/null) != "$key" ]]; then
    fetch_guest
    printf '%s\n' "$key" >"$GUEST/.packages"
  fi
  key=$(guest_key)
  if [[ ! -e $GUEST/initramfs.cpio.gz || $(cat "$GUEST/.initramfs" 2>/dev/null) != "$key" ]]; then
    build_initramfs
    printf '%s\n' "$key" >"$GUEST/.initramfs"
  fi
}

fetch_guest() {
  require_candidates "$GUEST_KERNEL_PACKAGE" busybox-static
  say "fetching the guest kernel and busybox"
  rm -rf "$GUEST"
  fetch_guest_packages || { refresh_package_lists; fetch_guest_packages; } ||
    fail "could not download the guest" "apt-get download" "read apt's message above"
  local kernels=("$GUEST"/root/boot/vmlinuz-*)
  [[ ${#kernels[@]} == 1 && -f ${kernels[0]} ]] ||
    fail "expected exactly one kernel" "$GUEST/root/boot" "remove $GUEST and run ./dev setup again"
  ln -s "root/boot/$(basename "${kernels[0]}")" "$GUEST/vmlinuz"
  say "guest kernel is $(basename "${kernels[0]}")"
}

# The meta package depends on the one image package of the current kernel; that one holds /boot.
fetch_guest_packages() {
  local image
  image=$(apt-cache depends "$GUEST_KERNEL_PACKAGE" | awk '/Depends: linux-image-/ { print $2; exit }')
  [[ -n $image ]] && download_and_unpack "$GUEST/root" -- "$image" busybox-static
}

# guest_key: changes when anything that ends in the initramfs does, this recipe included.
guest_key() {
  {
    find "$GUEST_PROGRAMS" -name '*.[ch]' -type f 2>/dev/null | LC_ALL=C sort | xargs -r sha256sum
    sha256sum "$GUEST_INIT" "$GUEST/root/bin/busybox" .ci/guest.sh
    readlink "$GUEST/vmlinuz"
    gcc -dumpfullversion
  } | sha256sum
}

build_initramfs() {
  local root=$GUEST/initramfs
  rm -rf "$root"
  mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,dev,etc,proc,root,sys,tmp}
  install -m 755 "$GUEST/root/bin/busybox" "$root/bin/busybox"
  install -m 755 "$GUEST_INIT" "$root/init"
  local applet
  for applet in $("$root/bin/busybox" --list-full); do
    [[ $applet == bin/busybox ]] || ln -s /bin/busybox "$root/$applet"
  done
  install_guest_modules "$root/lib/modules"
  compile_guest_programs "$root/bin"
  pack_initramfs "$root" "$GUEST/initramfs.cpio.gz"
  rm -rf "$root"
  say "guest initramfs is $(stat -c %s "$GUEST/initramfs.cpio.gz") bytes"
}

install_guest_modules() {
  local folder=$1 module
  mkdir -p "$folder"
  for module in "${GUEST_MODULES[@]}"; do
    install -m 644 "$GUEST"/root/lib/modules/*/kernel/"$module.ko" "$folder/" ||
      fail "a module of the guest's kernel is missing" "$module.ko" "see GUEST_MODULES in .ci/guest.sh"
  done
}

compile_guest_programs() {
  local bin=$1
  gcc -O1 -Wall -Wextra -static -pthread -s -I. -o "$bin/corpus" "$GUEST_PROGRAMS"/*.c ||
    fail "the guest's programs do not compile" "$GUEST_PROGRAMS" "read the compiler's message above"
}

# pack_initramfs ROOT FILE: equal trees give equal bytes, so a journal's image digest still holds
# after a rebuild: sorted names, fixed times, owners and inode numbers.
pack_initramfs() {
  local root=$1 file=$2
  find "$root" -exec touch --no-dereference --date=@0 {} +
  (cd "$root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
    cpio --null --create --format=newc --reproducible --owner=+0:+0 --quiet) |
    gzip -9n >"$file.new"
  mv "$file.new" "$file"
}
