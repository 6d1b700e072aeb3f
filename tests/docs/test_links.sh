#!/bin/sh
# Links, file names and names of functions in the documentation lead somewhere, and so do the sources' references to the
# documentation: test_links.sh SOURCE
set -eu
cd "$1"
failures=0 links=0 names=0
fail() {
  echo "test_links: $*" >&2
  failures=$((failures + 1))
}

pages=$(find . \( -name 'build*' -o -name .git -o -name out \) -prune -o -name '*.md' -print | sed 's|^\./||' | sort)
[ -n "$pages" ] || fail "no pages"
files=$(find . \( -name 'build*' -o -name .git -o -name out \) -prune -o -print | sed 's|^\./||')

# Anchors of a page as GitHub makes them: lower case, blanks as dashes, no punctuation.
has_anchor() { # page anchor
  grep '^#' "$1" | sed 's/^#* //' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-' | grep -qx -e "$2"
}

for page in $pages; do
  folder=$(dirname "$page")
  # 1. Relative links, outside code blocks.
  targets=$(sed '/^```/,/^```/d; /^    /d; s/`[^`]*`//g' "$page" | grep -o '](.[^)]*)' | sed 's/^](//; s/)$//' | sort -u || true)
  for target in $targets; do
    case $target in http://* | https://* | mailto:*) continue ;; esac
    links=$((links + 1))
    path=${target%%#*}
    [ -z "$path" ] || [ -e "$folder/$path" ] || { fail "$page: no $target"; continue; }
    case $target in
    *.md#*) has_anchor "$folder/$path" "${target#*#}" || fail "$page: no heading for $target" ;;
    \#*) has_anchor "$page" "${target#\#}" || fail "$page: no heading for $target" ;;
    esac
  done
  # 2. Names of source files between backquotes: somewhere in the tree (names are unique), or at the given path.
  mentioned=$(sed '/^```/,/^```/d; /^    /d' "$page" |
    grep -oE '`[A-Za-z0-9_./*-]+\.(c|h|cpp|md|sh|xsd|cmake|vxt)`|`(sim|app|bench|tests|docs|models|traces|scripts|cmake|examples)/[A-Za-z0-9_./*-]*`' |
    tr -d '`' | sort -u || true)
  for name in $mentioned; do
    name=${name#./}
    case $name in my-* | */my-*) continue ;; esac
    names=$((names + 1))
    set -f
    found=no
    for file in $files; do
      # shellcheck disable=SC2254 # a mentioned name may be a pattern
      case $file in ${name%/} | */${name%/} | ${name%/}.c) found=yes; break ;; esac # a program is called as its source
    done
    set +f
    [ $found = yes ] || fail "$page: no file $name"
  done
done
# 3. Functions, types and constants of ours, and tests, between backquotes: some source has the name.
rooms="sim app bench tests examples"
# shellcheck disable=SC2086 # the list is meant to be split
known=$(grep -rohE --include='*.[ch]' --include='*.cpp' --include=CMakeLists.txt '\b(vx|VX)_[A-Za-z0-9_]+' $rooms | sort -u
  echo "$files" | sed -nE 's:.*/((test|fuzz)_[a-z0-9_]+)\.(c|sh|cmake)$:\1:p')
for page in $pages; do
  for name in $(sed '/^```/,/^```/d' "$page" | grep -oE '`(vx_|VX_|test_|fuzz_)[A-Za-z0-9_]+(\(\))?`' | tr -d '`()' | sort -u); do
    names=$((names + 1))
    case $name in *_) continue ;; esac # a prefix
    echo "$known" | grep -qx -e "$name" || fail "$page: no source has $name"
  done
done

# 4. What comments name: pages of this documentation, decisions by number, files by their whole path, tests.
while read -r where name; do
  names=$((names + 1))
  case $name in
  docs/adr/[0-9]*) set -- "docs/adr/$(printf '%04d' "${name##*/}")"-*.md; [ -e "$1" ] || fail "$where: no ADR ${name##*/}" ;;
  */*) [ -e "$name" ] || fail "$where: no file $name" ;;
  *) echo "$files" | grep -q "/$name\$" || fail "$where: no file $name" ;;
  esac
done <<END
$(grep -roE --include='*.[ch]' --include='*.cpp' --include='*.sh' --include=CMakeLists.txt \
  '(^|[^A-Za-z0-9_./}])((docs|sim|models)/[A-Za-z0-9_/-]+\.(md|c|h|cpp|xml|json|xsd)|ADR [0-9]+|(test|fuzz)_[a-z0-9_]+\.c)' \
  sim app bench examples tests | sed -E 's/^([^:]*):[^A-Za-z]*/\1 /; s/ADR /docs\/adr\//')
END
stray=$(grep -rnE --include='*.[ch]' --include='*.cpp' '\((the )?design, section' sim app bench examples tests || true)
[ -z "$stray" ] || fail "a section of what is not in this tree: $stray"

[ $links -ge 10 ] || fail "only $links links seen"
[ $names -ge 100 ] || fail "only $names file names seen"
[ $failures -eq 0 ]
