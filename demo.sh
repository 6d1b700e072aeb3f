#!/bin/sh
# Installs what is missing, builds, and shows what the program does. Ends with the path of a report to look at.
set -eu
cd "$(dirname "$(readlink -f "$0")")"
here=$(pwd)
trace=traces/compiler.vxt cpu=nehalem

say() { printf '\n\033[1m%s\033[0m\n\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n\n' "$*"; }

# Runs a command whose words interest only when it fails.
quietly() {
  "$@" >build/demo.log 2>&1 && return
  code=$?
  tail -n 40 build/demo.log >&2
  echo "demo: failed: $*" >&2
  exit $code
}

vexit() {
  echo "\$ vexit $*"
  build/app/vexit "$@"
}

mkdir -p build
echo "Looking for missing packages ..."
quietly scripts/packages build
echo "Building ... (once; takes a minute or two)"
quietly cmake --preset default
quietly cmake --build --preset default --target vexit-cli
export VEXIT_MODELS="$here/models"

say "One TLB miss in a virtual machine: 24 accesses to page tables, and the 25th to the data"
vexit walk --cpu $cpu --scheme ept --gva 0x7f0012345678 --caches off

say "A compiler at work, from its first instruction: on the bare processor and under nested paging"
vexit compare --trace $trace --cpu $cpu --schemes native,ept

say "Five ways to virtualize its memory, counted after 2.5 million instructions, when most pages have been touched"
vexit compare --trace $trace --cpu $cpu --warmup 2500k --html "$here/build/demo.html"
