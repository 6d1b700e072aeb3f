#!/bin/sh
# Commands that pages and the manual show are taken as they stand: test_commands.sh SOURCE VEXIT
# Runs are cut short, which leaves every option and name in them to be understood. Recording needs QEMU: not here.
set -eu
source=$1 vexit=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0 commands=0
mkdir "$work/bin" "$work/here"
ln -s "$vexit" "$work/bin/vexit"
ln -s "$source/traces" "$source/examples" "$work/here"
PATH="$work/bin:$PATH"
VEXIT_MODELS="$source/models"
export PATH VEXIT_MODELS

cd "$source"
{
  # Indented lines; what stands two blanks to the right of a command says what it is for.
  sed -n 's/^    \(vexit .*\)/\1/p' README.md docs/*.md traces/README.md bench/README.md
  # The manual's examples, lines joined.
  sed -n '/^\.Sh EXAMPLES/,/^\.Sh NOTES/p' docs/man/vexit.1 | sed ':a; /\\e$/ { N; s/\\e\n */ /; ba; }' | grep '^vexit '
} | sed 's/   *[^ ].*//; s/ |$//' | grep -vE '^vexit (trace record|launch policy)|\[' | sort -u >"$work/commands"

cd "$work/here"
while read -r command; do
  commands=$((commands + 1))
  short=$(echo "$command" | sed -E 's/--seeds [0-9]+/--seeds 2/; s/packets=1m/packets=2k/; s/gen:nic:[^ ]*/&,packets=2k/
    s/^vexit (run|compare) .*/& --max 50k/')
  code=0
  sh -c "$short" >out 2>err </dev/null || code=$?
  case $code:$command in
  0:*) ;;
  1:*vmcs_bad_guest.json) ;; # the example is one of a failure
  3:*perf.txt | 3:*policy.txt | 3:*my-cpu.xml | 3:*vmcb.json* | 3:*" ls.txt "* | 3:*vtd.log*) ;; # the reader's own file
  *)
    echo "test_commands: exit code $code: $command" >&2
    cat err >&2
    failures=$((failures + 1))
    ;;
  esac
done <"$work/commands"
[ $commands -ge 20 ] || { echo "test_commands: only $commands commands seen" >&2; exit 1; }
[ $failures -eq 0 ]
