#!/bin/sh
# Installs into an empty prefix and uses what is there as a stranger would: test_install.sh SOURCE BUILD CMAKE CC
set -eu
source=$1 build=$2 cmake=$3 cc=$4
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
fail() {
  echo "test_install: $*" >&2
  exit 1
}

"$cmake" --install "$build" --prefix "$prefix" >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name vexit.pc)")
export PKG_CONFIG_PATH
export VEXIT_MODELS="$prefix/share/vexit/models"

# The hardware library: every object of it links with libc (and the compiler's own support) and nothing else.
# shellcheck disable=SC2046 # words of pkg-config are meant to be split
$cc -Wall -Wextra -Werror "$source/examples/bare_walk.c" -o "$prefix/bare_walk" $(pkg-config --cflags vexit-hw) \
  -nodefaultlibs -Wl,--whole-archive $(pkg-config --static --libs vexit-hw) -Wl,--no-whole-archive -lc -lgcc
needed=$(readelf -d "$prefix/bare_walk" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needed" = libc.so.6 ] || fail "libvexit-hw needs: $needed"
"$prefix/bare_walk" | tail -n 1 | grep -q '^24 accesses, 216 cycles: ' || fail "bare_walk: $("$prefix/bare_walk" | tail -n 1)"

# shellcheck disable=SC2046
$cc -Wall -Wextra -Werror "$source/examples/embedded_vmx.c" -o "$prefix/embedded_vmx" \
  $(pkg-config --cflags --libs vexit-hw)
"$prefix/embedded_vmx" | grep -q '^exit reason 10 at RIP 0x200002$' || fail "embedded_vmx: $("$prefix/embedded_vmx")"

# The whole library by pkg-config.
# shellcheck disable=SC2046
$cc -Wall -Wextra -Werror "$source/examples/two_schemes.c" -o "$prefix/two_schemes" $(pkg-config --cflags --libs vexit)
said=$("$prefix/two_schemes")
echo "$said" | grep -Eq '^native [0-9]+ cycles, ept\+vpid [0-9]+ cycles$' || fail "two_schemes: $said"

# Both by find_package.
"$cmake" -S "$source/tests/house/consumer" -B "$prefix/consumer" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
  -DEXAMPLES="$source/examples" >/dev/null
"$cmake" --build "$prefix/consumer" >/dev/null
[ "$("$prefix/consumer/two_schemes")" = "$said" ] || fail "two_schemes by CMake says otherwise"
"$prefix/consumer/bare_walk" >/dev/null

# Every public header stands alone.
for header in "$prefix"/include/vexit/*.h; do
  echo "#include \"$(basename "$header")\"" | $cc -std=c17 -fsyntax-only -I"$prefix/include/vexit" -xc - ||
    fail "$(basename "$header") does not compile by itself"
done

# The program, its models and its manual.
[ "$("$prefix/bin/vexit" model list | wc -l)" -ge 10 ] || fail "few models: $("$prefix/bin/vexit" model list)"
"$prefix/bin/vexit" model check >/dev/null
[ -f "$prefix/share/man/man1/vexit.1" ] || fail "no manual page"
