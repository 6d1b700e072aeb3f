#!/bin/sh
# Which room sees which headers, asked of the compiler with each room's own command line, against the table of
# docs/architecture.md as it is written down here: test_includes.sh SOURCE BUILD
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  echo "test_includes: $*" >&2
  failures=$((failures + 1))
}

# room: the folders below sim/ whose public headers it may include, its own among them.
allowed() {
  case $1 in
  base) echo base ;;
  clock) echo base clock ;;
  trace) echo base trace ;;
  model) echo base model model/xml ;;
  mmu) echo base model mmu ;;
  apic) echo base model apic ;;
  iommu) echo base model iommu ;;
  dev) echo base model iommu dev ;;
  core) echo base model mmu apic core ;;
  vmm) echo base model mmu apic iommu core dev vmm ;;
  guest) echo base model mmu apic core guest ;;
  report) echo base model model/xml report ;;
  *) return 1 ;;
  esac
}

# The compiler's command for a C file of the room, without output and source.
command_of() {
  sed -n 's/^ *"command": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" |
    grep "/vx_$1\.dir/.*\.c\.o -c " | head -n 1 | sed 's/\\"/"/g; s/ -o .*//'
}

compile() { # room arguments...
  room=$1
  shift
  eval "$(command_of "$room") $*"
}

# 1. The whole matrix, rooms x public headers, by __has_include.
headers=$(cd "$source/sim" && find . -path '*/include/vx_*.h' | sed 's|^\./||' | sort)
[ -n "$headers" ] || fail "no headers found"
for list in "$source"/sim/*/CMakeLists.txt; do
  room=$(basename "$(dirname "$list")")
  folders=$(allowed "$room") || { fail "room $room is not in this table"; continue; }
  for header in $headers; do
    name=$(basename "$header")
    printf '#if __has_include("%s")\nsees %s\n#endif\n' "$name" "$name"
  done >"$work/probe.c"
  compile "$room" -E -P "$work/probe.c" | sed -n 's/^sees //p' | sort >"$work/seen"
  for header in $headers; do
    for folder in $folders; do
      [ "${header%/include/*}" != "$folder" ] || basename "$header"
    done
  done | sort >"$work/expected"
  [ -s "$work/seen" ] || fail "$room sees no header at all"
  diff "$work/expected" "$work/seen" >"$work/diff" || fail "$room (<: may see, but does not; >: must not see)" "$(cat "$work/diff")"
done

# 2. What that means to who tries.
try() { # room header: a file that includes it
  echo "#include $2" >"$work/try.c"
  compile "$1" -fsyntax-only "$work/try.c" 2>"$work/said"
}
for pair in 'mmu "vx_vmm.h"' 'mmu "vx_iommu.h"' 'mmu "vx_model.h"' 'mmu <libxml/tree.h>' 'core "vx_guest.h"' 'trace "vx_mmu.h"'; do
  room=${pair%% *} header=${pair#* }
  if try "$room" "$header"; then fail "$room can include $header"; fi
  grep -Eq 'No such file|file not found' "$work/said" || fail "$room, $header: $(cat "$work/said")"
done
try mmu '"vx_mmu.h"' || fail "mmu cannot include its own header: $(cat "$work/said")"
try model '<libxml/tree.h>' || fail "model cannot include libxml2: $(cat "$work/said")"

# 3. Strangers that lie in the system's include path, where no room can be kept from them: who names them?
only() { # pattern folder...
  pattern=$1
  shift
  found=$(cd "$source" && grep -rlE "^#include <($pattern)" --include='*.c' --include='*.h' --include='*.cpp' sim app || true)
  for file in $found; do
    right=no
    for folder in "$@"; do case $file in "$folder"*) right=yes ;; esac; done
    [ $right = yes ] || fail "$file includes <$pattern>"
  done
}
only 'systemc' sim/clock/
only 'libxml/' sim/model/xml/
only 'gsl/' sim/report/
only 'zstd|xxhash|zlib|lzma|lz4|zip' sim/trace/
only 'jansson' sim/report/ sim/vexit.h sim/sim_ app/

# 4. The hardware knows libc, the compiler and itself.
for room in base mmu apic iommu dev core; do
  strange=$(grep -hoE '^#include <[^>]+>' "$source/sim/$room"/*.c "$source/sim/$room"/*.h "$source/sim/$room"/include/*.h \
    2>/dev/null | sort -u | sed 's/.*<\(.*\)>/\1/' |
    grep -vxE 'assert\.h|ctype\.h|errno\.h|immintrin\.h|inttypes\.h|limits\.h|math\.h|std(arg|bool|def|int|io|lib)\.h|string\.h|sys/mman\.h' || true)
  [ -z "$strange" ] || fail "$room includes $strange"
done

[ $failures -eq 0 ]
