#!/bin/sh
# fetch-i386.sh FOLDER: what a 32-bit Debian 12 guest is made of, with apt but without installing anything or root's
# rights: FOLDER/vmlinuz-pae, FOLDER/vmlinuz (without PAE), FOLDER/busybox; and FOLDER/libraries, with which
# `cc -m32 -static -B FOLDER/libraries ...` links.
set -eu
mkdir -p "$1"
cd "$1"
folder=$PWD
mkdir -p apt/lists/partial apt/cache/archives/partial packages root
: >apt/status
apt() {
  apt-get -qq -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State::lists="$folder/apt/lists" \
    -o Dir::Cache="$folder/apt/cache" -o Dir::State::status="$folder/apt/status" -o APT::Sandbox::User= "$@"
}
[ -n "$(ls packages)" ] || {
  apt update >apt/log 2>&1 || true # indexes that hold none of the packages may be missing for this architecture
  kernel=$(apt-cache -o APT::Architecture=i386 -o Dir::State::lists="$folder/apt/lists" \
    -o Dir::Cache="$folder/apt/cache" -o Dir::State::status="$folder/apt/status" search --names-only \
    '^linux-image-6\.1\.0-[0-9]*-686-unsigned$' | sed 's/ .*//' | sort -V | tail -1)
  [ -n "$kernel" ] || { echo "no 32-bit kernel of Debian 12 is known to apt" >&2; exit 1; }
  cd packages
  apt download "$kernel" "${kernel%-unsigned}-pae-unsigned" busybox-static libc6-dev libgcc-12-dev linux-libc-dev
  cd ..
}
for package in packages/*.deb; do dpkg -x "$package" root; done
cp root/boot/vmlinuz-*-686-pae vmlinuz-pae
cp root/boot/vmlinuz-*-686 vmlinuz
cp root/bin/busybox busybox
mkdir -p libraries
cp root/usr/lib/i386-linux-gnu/*.[ao] root/usr/lib/gcc/i686-linux-gnu/12/*.[ao] libraries
