#!/bin/sh
# A source file's name is unique in the tree, so that a name alone says which file is meant: test_names.sh SOURCE
set -eu
cd "$1"
twice=$(find sim app bench tests examples \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -exec basename {} \; | sort | uniq -d)
[ -z "$twice" ] || {
  echo "test_names: more than one file is called:" $twice >&2
  exit 1
}
