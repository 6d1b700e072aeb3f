#!/bin/sh
# What must be documented is: test_pages.sh SOURCE VEXIT
set -eu
source=$1 vexit=$2
cd "$source"
VEXIT_MODELS="$source/models" # not those of an older installation
export VEXIT_MODELS
failures=0
fail() {
  echo "test_pages: $*" >&2
  failures=$((failures + 1))
}
mentions() { grep -qF -e "$2" "$1" || fail "$1 says nothing of $2"; } # page words

# Each source file of a folder is in its room's page. What core has of VMX has a page of its own.
finds() { # page folder find's options
  page=$1 folder=$2
  shift 2
  [ -f "$page" ] || { fail "no $page"; return; }
  extra=
  [ "$folder" != sim/core ] || extra=docs/vmx-machine.md
  for file in $(find "$folder" "$@" -name '*.c' -o "$@" -name '*.cpp'); do
    name=$(basename "$file")
    # shellcheck disable=SC2086 # none or one
    grep -qE "[\`/]$name\`" "$page" $extra || fail "$page does not mention $name"
  done
}

# A page for each room, with a line for each of its source files; the architecture and the reading guide know it.
for list in sim/*/CMakeLists.txt; do
  folder=$(dirname "$list")
  room=$(basename "$folder")
  [ -f "docs/rooms/$room.md" ] || { fail "no docs/rooms/$room.md"; continue; }
  mentions docs/architecture.md "sim/$room"
  mentions docs/README.md "rooms/$room.md"
  finds "docs/rooms/$room.md" "$folder"
done
finds docs/rooms/facade.md sim -maxdepth 1
finds docs/rooms/app.md app

# Decisions and pages are listed.
for page in docs/adr/[0-9]*.md; do mentions docs/adr/README.md "$(basename "$page")"; done
for page in docs/*.md; do [ "$page" = docs/README.md ] || mentions docs/README.md "$(basename "$page")"; done

# Words of the program and of the contract.
for cause in $("$vexit" list causes | cut -d' ' -f1); do mentions docs/cycles.md "\`$cause\`"; done
for scheme in $("$vexit" list schemes | cut -d' ' -f1); do
  mentions docs/glossary.md "\`$scheme\`"
  mentions docs/rooms/vmm.md "\`$scheme\`"
done
# Every member that the schemas know, at whatever depth, is a word of docs/json.md; causes have a page of their own.
for schema in docs/schema/*.json; do
  words=$(grep -oE '"[a-z][a-z0-9_.]*": *[[{]' "$schema" | tr -d '":[{ ' | sort -u |
    grep -vxE 'properties|items|additionalProperties|patternProperties|required|enum|type' |
    grep -vxE "$(grep -oE '#/\$defs/[a-z0-9]+"' "$schema" | sed 's:.*/::; s/"//' | sort -u | tr '\n' '|')-")
  [ "$(echo "$words" | wc -l)" -ge 40 ] || fail "$schema: few members seen"
  for key in $words; do
    grep -qE "\`([^\`]*[^a-z0-9_])?$key([^a-z0-9_][^\`]*)?\`" docs/json.md docs/cycles.md || fail "docs/json.md says nothing of $key ($schema)"
  done
done
# The other verbs have no schema: what they write.
members() { "$vexit" "$@" --json - | sed -E 's/"events": \{[^}]*\}//; s/"([a-z][a-z0-9_]*)": "[^"]*"/"\1": ""/g' | grep -oE '"[a-z][a-z0-9_]*":' | tr -d '":'; }
for key in $({
  members trace info traces/sqlite.vxt
  members trace check traces/linux-syscall.vxt
  members trace reach traces/linux-syscall.vxt
  members model list
  members model show penryn
  members model check penryn
  members model diff nehalem westmere
  members model keys vm
  members svm fields --cpu zen2
  members vmx caps --cpu haswell
  members vmx check examples/vmcs_bad_guest.json
} | sort -u); do
  grep -qE "\`([^\`]*[^a-z0-9_])?$key([^a-z0-9_][^\`]*)?\`" docs/json.md || fail "docs/json.md says nothing of $key"
done
# And no member is documented that is not there.
for key in $(sed '/^## Identities/,$d; /^    /d' docs/json.md | grep -oE '`[a-z][a-z0-9_]*`' | tr -d '`' | sort -u); do
  grep -qrE "[\".]$key[\".:]" docs/schema sim app || fail "docs/json.md: no member $key"
done
[ $failures -eq 0 ]
