#!/bin/sh
# What must be documented is: test_pages.sh SOURCE VEXIT
set -eu
source=$1 vexit=$2
cd "$source"
failures=0
fail() {
  echo "test_pages: $*" >&2
  failures=$((failures + 1))
}
mentions() { grep -qF -e "$2" "$1" || fail "$1 says nothing of $2"; } # page words

# A page for each room, with a line for each of its source files; the architecture and the reading guide know it.
for list in sim/*/CMakeLists.txt; do
  folder=$(dirname "$list")
  room=$(basename "$folder")
  [ -f "docs/rooms/$room.md" ] || { fail "no docs/rooms/$room.md"; continue; }
  mentions docs/architecture.md "sim/$room"
  mentions docs/README.md "rooms/$room.md"
done
for room in facade app; do [ -f "docs/rooms/$room.md" ] || fail "no docs/rooms/$room.md"; done

# Decisions and pages are listed.
for page in docs/adr/[0-9]*.md; do mentions docs/adr/README.md "$(basename "$page")"; done
for page in docs/*.md; do [ "$page" = docs/README.md ] || mentions docs/README.md "$(basename "$page")"; done

# Words of the program and of the contract.
for cause in $("$vexit" list causes); do mentions docs/cycles.md "\`$cause\`"; done
for scheme in $("$vexit" list schemes | cut -d' ' -f1); do
  mentions docs/glossary.md "\`$scheme\`"
  mentions docs/rooms/vmm.md "\`$scheme\`"
done
for key in $(awk '/^  "properties": \{/ { top = 1; next } top && /^    "[a-z_]+":/ { gsub(/[": {]/, " "); print $1 } /^  }/ { top = 0 }' docs/schema/vexit-1.json) \
  $(awk '/^    "run": \{/ { run = 1 } run && /^        "[a-z_]+":/ { gsub(/[": {]/, " "); print $1 } /^    "level"/ { run = 0 }' docs/schema/vexit-1.json); do
  mentions docs/json.md "\`$key"
done
[ $failures -eq 0 ]
